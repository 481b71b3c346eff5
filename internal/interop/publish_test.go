package interop

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// A publishing site has its own DNS and LDAP servers.
type publishing struct {
	*site
	dns, ldap string // their addresses
}

// newPublishing makes a site that publishes by itself; nothing runs yet.
func newPublishing(t testing.TB, domain string, o setup) publishing {
	t.Helper()
	p := publishing{dns: testnet.DeadPort(t), ldap: testnet.DeadPort(t)}
	o.more = map[string]string{
		"listen":        fmt.Sprintf("dns = %q\nldap = %q\n", p.dns, p.ldap),
		"publish.hosts": fmt.Sprintf("\"mail.%s\" = \"127.0.0.1\"\n", domain),
	}
	o.listeners = 2
	p.site = newSite(t, domain, o)
	return p
}

// dig asks the site's DNS server.
func (p publishing) dig(args ...string) string {
	p.t.Helper()
	return peer(p.t, "", "dig", append([]string{"@127.0.0.1", "-p", portOf(p.t, p.dns), "+tries=1", "+nosplit"}, args...)...)
}

// digCERT are the certificates at a name.
func (p publishing) digCERT(name string, args ...string) [][]byte {
	p.t.Helper()
	var all [][]byte
	for line := range strings.Lines(p.dig(append([]string{name, "CERT", "+short"}, args...)...)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "PKIX" && f[0] != "1" {
			p.t.Fatalf("dig says %q", line)
		}
		der, err := base64.StdEncoding.DecodeString(strings.Join(f[3:], ""))
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, der)
	}
	return all
}

// ldapsearch are the certificates of an address or a domain in the directory.
func (p publishing) ldapsearch(base, mail string) [][]byte {
	p.t.Helper()
	out := peer(p.t, "", "ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", "ldap://"+p.ldap, "-b", base, "(mail="+mail+")", "userCertificate")
	var all [][]byte
	for line := range strings.Lines(out) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "userCertificate;binary:: ")
		if !ok {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, der)
	}
	return all
}

// checkDER compares what somebody else found with what the store was given.
func checkDER(t testing.TB, got [][]byte, want ...*testnet.Identity) {
	t.Helper()
	der := make([][]byte, len(want))
	for i, id := range want {
		der[i] = id.Cert.Raw
	}
	slices.SortFunc(got, bytes.Compare)
	slices.SortFunc(der, bytes.Compare)
	if !slices.EqualFunc(got, der, bytes.Equal) {
		t.Errorf("%d certificates are published, want these %d", len(got), len(want))
	}
}

// A hosted is what the cases H1 to H4 look for.
type hosted struct {
	publishing
	root, address, domain, later *testnet.Identity
}

// newHosted is a running site with a certificate for an address in h.example and
// one for whole.example.
func newHosted(t testing.TB) hosted {
	t.Helper()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	h := hosted{root: root, address: root.Leaf("bob@h.example"), domain: root.Leaf("whole.example"), later: root.Leaf("bob@h.example")}
	h.publishing = newPublishing(t, "h.example", setup{users: []string{"bob@h.example"}, keys: []*testnet.Identity{h.address}, anchors: []*testnet.Identity{root}})
	h.must("", "domain", "add", "whole.example")
	h.importKey("whole.p12", h.domain)
	h.serve()
	return h
}

func (s *site) importKey(file string, id *testnet.Identity) {
	s.t.Helper()
	s.must("", "cert", "import", s.write(file, string(id.PKCS12(password))), "--password-file", s.write("password", password+"\n"))
}

// TestInteropH1 has dig find a certificate of an address: over UDP as far as it
// fits, and over TCP (CD-10).
func TestInteropH1(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	checkDER(t, h.digCERT("bob.h.example"), h.address)
	checkDER(t, h.digCERT("bob.h.example", "+tcp"), h.address)
	checkDER(t, h.digCERT("BOB.H.Example"), h.address)
	small := h.dig("bob.h.example", "CERT", "+ignore", "+noedns")
	if !strings.Contains(flagsOf(small), " tc") || strings.Contains(small, "PKIX") {
		t.Errorf("an answer that does not fit into 512 octets:\n%s", small)
	}
	h.checkManners(t)
	h.importKey("later.p12", h.later)
	checkDER(t, h.digCERT("bob.h.example"), h.address, h.later)
}

// flagsOf is the line of dig with the flags of the header.
func flagsOf(dug string) string {
	_, rest, _ := strings.Cut(dug, ";; flags:")
	flags, _, _ := strings.Cut(rest, ";")
	return flags
}

// checkManners asks what an authoritative server must know, and what it must not
// answer.
func (h hosted) checkManners(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		question []string
		want     []string
		not      string
	}{
		{[]string{"h.example", "SOA"}, []string{"status: NOERROR", "flags: qr aa rd;", "IN\tSOA\t"}, ""},
		{[]string{"h.example", "NS"}, []string{"IN\tNS\tmail.h.example."}, ""},
		{[]string{"h.example", "MX"}, []string{"IN\tMX\t", "mail.h.example."}, ""},
		{[]string{"mail.h.example", "A"}, []string{"IN\tA\t127.0.0.1"}, ""},
		{[]string{"_ldap._tcp.h.example", "SRV"}, []string{"IN\tSRV\t", " " + portOf(t, h.ldap) + " mail.h.example."}, ""},
		{[]string{"nobody.h.example", "CERT"}, []string{"status: NXDOMAIN", "ANSWER: 0, AUTHORITY: 1", "IN\tSOA\t"}, ""},
		{[]string{"h.example", "TXT"}, []string{"status: NOERROR", "ANSWER: 0, AUTHORITY: 1", "IN\tSOA\t"}, ""},
		{[]string{"elsewhere.example", "A", "+recurse"}, []string{"status: REFUSED"}, "IN\tA\t"},
		{[]string{"h.example", "AXFR"}, nil, "mail.h.example."},
	} {
		got := h.dig(c.question...)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("dig %v: there is no %q in\n%s", c.question, want, got)
			}
		}
		if c.not != "" && strings.Contains(got, c.not) || strings.Contains(flagsOf(got), " ra") {
			t.Errorf("dig %v:\n%s", c.question, got)
		}
	}
}

// TestInteropH2 has dig find a certificate of a whole domain, and then none.
func TestInteropH2(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	checkDER(t, h.digCERT("whole.example"), h.domain)
	checkDER(t, h.digCERT("whole.example", "+tcp"), h.domain)
	checkDER(t, h.digCERT("bob.whole.example"))
	h.must("", "cert", "retire", fingerprint(h.domain))
	checkDER(t, h.digCERT("whole.example"))
}

// TestInteropH3 has ldapsearch find a certificate of an address.
func TestInteropH3(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	out := peer(t, "", "ldapsearch", "-x", "-LLL", "-H", "ldap://"+h.ldap, "-s", "base", "-b", "", "namingContexts", "supportedLDAPVersion")
	for _, want := range []string{"namingContexts: dc=h,dc=example", "namingContexts: dc=whole,dc=example", "supportedLDAPVersion: 3"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in the root:\n%s", want, out)
		}
	}
	checkDER(t, h.ldapsearch("dc=h,dc=example", "bob@h.example"), h.address)
	checkDER(t, h.ldapsearch("dc=h,dc=example", "BOB@H.example"), h.address)
	checkDER(t, h.ldapsearch("dc=h,dc=example", "nobody@h.example"))
	h.importKey("later.p12", h.later)
	checkDER(t, h.ldapsearch("dc=h,dc=example", "bob@h.example"), h.address, h.later)
}

// TestInteropH4 has ldapsearch find a certificate of a whole domain, and then
// none.
func TestInteropH4(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	checkDER(t, h.ldapsearch("dc=whole,dc=example", "whole.example"), h.domain)
	checkDER(t, h.ldapsearch("dc=whole,dc=example", "bob@whole.example"))
	h.must("", "cert", "retire", fingerprint(h.domain))
	checkDER(t, h.ldapsearch("dc=whole,dc=example", "whole.example"))
}
