package interop

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// srv is the line of a zone file that names an LDAP server.
func srv(t testing.TB, slapd string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(slapd)
	if err != nil {
		t.Fatal(err)
	}
	return "_ldap._tcp IN SRV 0 0 " + port + " ns"
}

// mx are the lines of a zone file for a domain whose mail comes to loopback.
func mx(more ...string) []string {
	return append([]string{"@ IN MX 10 mail", "mail IN A 127.0.0.1"}, more...)
}

// TestInteropLookup finds certificates where BIND and slapd publish them.
func TestInteropLookup(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	leaf := func(name string) *testnet.Identity { return root.Leaf(name) }
	address, domain := leaf("bob@address.example"), leaf("domain.example")
	inDirectory, inDirectoryDomain := leaf("bob@entry.example"), leaf("whole.example")
	many := []string{}
	for range 6 { // each more than 700 octets: too many for one datagram
		many = append(many, testnet.ZoneCERT("@", leaf("many.example").Cert))
	}
	slapd := testnet.Slapd(t, "o=interop", []testnet.Entry{
		{Mail: "bob@entry.example", Certificates: testnet.Certs(inDirectory)},
		{Mail: "whole.example", Certificates: testnet.Certs(inDirectoryDomain)},
	})
	bind := testnet.BIND(t, map[string][]string{
		"address.example": {testnet.ZoneCERT("bob", address.Cert)},
		"domain.example":  {testnet.ZoneCERT("@", domain.Cert)},
		"many.example":    many,
		"entry.example":   {srv(t, slapd)},
		"whole.example":   {srv(t, slapd)},
		"none.example":    {},
		"broken.example":  {"this is no record"},
	})
	a := newSite(t, "a.example", setup{dns: bind, anchors: []*testnet.Identity{root}})
	for _, c := range []struct {
		address, source, verdict string
		certificates, code       int
	}{
		{"bob@address.example", "dns-address", "ok", 1, 0},
		{"bob@domain.example", "dns-domain", "ok", 1, 0},
		{"bob@many.example", "dns-domain", "ok", 6, 0},
		{"bob@entry.example", "ldap-address", "ok", 1, 0},
		{"bob@whole.example", "ldap-domain", "ok", 1, 0},
		{"bob@none.example", "", "no-certificate", 0, 1},
		{"carol@address.example", "", "no-certificate", 0, 1},
		{"bob@broken.example", "", "discovery-timeout", 0, 3},
	} {
		t.Run(c.address, func(t *testing.T) {
			e := a.run("", "--json", "lookup", c.address)
			var got struct {
				Address, Verdict string
				Certificates     []struct{ SHA256, Subject, Source, Verdict string }
				Steps            []struct{ Source, Query, Outcome string }
			}
			err := json.Unmarshal([]byte(e.stdout), &got)
			if err != nil {
				t.Fatalf("exit code %d: %v\n%s%s", e.code, err, e.stdout, e.stderr)
			}
			if e.code != c.code || got.Address != c.address || got.Verdict != c.verdict || len(got.Certificates) != c.certificates || len(got.Steps) == 0 {
				t.Fatalf("exit code %d, want %d\n%s", e.code, c.code, e.stdout)
			}
			for _, found := range got.Certificates {
				if found.Source != c.source || found.Verdict != "ok" || len(found.SHA256) != 64 || found.Subject == "" {
					t.Errorf("%+v, want source %s", found, c.source)
				}
			}
		})
	}
}

// A pair is two running gateways, with BIND and slapd between them: b serves
// b.example, whose certificate is in DNS, and c.example, whose certificate is
// in a directory.
type pair struct{ a, b *site }

func newPair(t *testing.T) pair {
	t.Helper()
	pki := testnet.NewPKI(t, time.Now())
	rootA, rootB := pki.Root("root of a"), pki.Root("root of b")
	leafA, leafB, leafC := rootA.Leaf("a.example"), rootB.Leaf("b.example"), rootB.Leaf("c.example")
	slapd := testnet.Slapd(t, "o=c.example", []testnet.Entry{{Mail: "c.example", Certificates: testnet.Certs(leafC)}})
	bind := testnet.BIND(t, map[string][]string{
		"a.example": mx(testnet.ZoneCERT("@", leafA.Cert)),
		"b.example": mx(testnet.ZoneCERT("@", leafB.Cert)),
		"c.example": mx(srv(t, slapd)),
	})
	var p pair
	p.a = newSite(t, "a.example", setup{
		dns: bind, users: []string{"alice@a.example"}, keys: []*testnet.Identity{leafA}, anchors: []*testnet.Identity{rootB},
	})
	p.b = newSite(t, "b.example", setup{
		dns: bind, relayPort: portOf(t, p.a.backbone), users: []string{"bob@b.example"},
		keys: []*testnet.Identity{leafB}, anchors: []*testnet.Identity{rootA},
	})
	p.b.must("", "domain", "add", "c.example")
	p.b.must("", "account", "add", "carol@c.example", "--password-file", p.b.write("password", password))
	p.b.must("", "cert", "import", p.b.write("c.p12", string(leafC.PKCS12(password))), "--password-file", p.b.write("password", password))
	p.a.configure(bind, portOf(t, p.b.backbone))
	p.b.serve()
	p.a.serve()
	return p
}

// swaks submits a message as an EHR does. It ends the last line of its file.
func (s *site) swaks(from, to, message string) {
	s.t.Helper()
	peer(s.t, "", "swaks", "--server", s.address("submission"), "--helo", "ehr.example", "--tls", "--tls-ca-path", s.tlsCert(),
		"--auth", "PLAIN", "--auth-user", from, "--auth-password", password,
		"--from", from, "--to", to, "--data", "@"+s.write("swaks.eml", lf(strings.TrimSuffix(message, "\r\n"))))
}

// mbsync fetches a user's INBOX with isync and returns its messages, in no
// order, with CRLF line ends.
func (s *site) mbsync(user string) []string {
	s.t.Helper()
	dir := s.t.TempDir()
	config := writeFile(s.t, dir+"/mbsyncrc", fmt.Sprintf(`IMAPAccount a
Host 127.0.0.1
Port %s
User %s
Pass "%s"
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s/INBOX

Channel c
Far :far:
Near :near:
Patterns INBOX
Create Near
Sync Pull
SyncState *
`, portOf(s.t, s.address("imaps")), user, password, s.tlsCert(), dir, dir))
	peer(s.t, "", "mbsync", "-c", config, "-a")
	return maildir(s.t, dir+"/INBOX")
}

// imapURL is what curl calls the site.
func (s *site) imapURL() string {
	return "imaps://" + s.hostname() + ":" + portOf(s.t, s.address("imaps"))
}

// curlArgs are the arguments of curl for a user of the site.
func (s *site) curlArgs(user string) []string {
	return []string{"--silent", "--show-error", "--ipv4", "--cacert", s.tlsCert(), "--user", user + ":" + password,
		"--resolve", s.hostname() + ":" + portOf(s.t, s.address("imaps")) + ":127.0.0.1"}
}

// TestInteropRealSend sends a record from swaks at one gateway to isync at the
// other.
func TestInteropRealSend(t *testing.T) {
	testnet.Require(t, "swaks")
	testnet.Require(t, "mbsync")
	testnet.Require(t, "curl")
	p := newPair(t)
	for i, c := range []struct{ name, to, source string }{
		{"certificate in BIND", "bob@b.example", "dns-domain"},
		{"certificate in slapd", "carol@c.example", "ldap-domain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprintf("<%d@ehr.example>", i)
			message := record("alice@a.example", c.to, id, 200<<10)
			p.a.swaks("alice@a.example", c.to, message)
			p.b.inbox(c.to, 1)
			got := p.b.mbsync(c.to)
			if len(got) != 1 || asSent(got[0]) != message {
				t.Errorf("%d messages came, the first of %d octets instead of %d", len(got), len(got[0]), len(message))
			}
			p.a.inbox("alice@a.example", i+1)
			answer := peer(t, "", "curl", append(p.a.curlArgs("alice@a.example"), fmt.Sprintf("%s/INBOX;MAILINDEX=%d", p.a.imapURL(), i+1))...)
			checkProcessed(t, answer, id, c.to)
			life := p.a.waitTrack(id, time.Minute, processed)
			found := false
			for _, e := range life.Events {
				found = found || strings.Contains(e.Detail, c.source)
			}
			if !found {
				t.Errorf("no event of the track names %s: %+v", c.source, life.Events)
			}
		})
	}
	t.Run("header completed", func(t *testing.T) {
		bare := "From: alice@a.example\r\nTo: bob@b.example\r\nSubject: no more than this\r\n\r\nbody\r\n"
		p.a.swaks("alice@a.example", "bob@b.example", bare)
		p.b.inbox("bob@b.example", 2)
		found := false
		for _, got := range p.b.mbsync("bob@b.example") {
			found = found || strings.Contains(got, "no more than this") && without(asSent(got), "Date", "Message-ID", "MIME-Version") == bare
		}
		if !found {
			t.Error("what came is not what was sent with Date, Message-ID and MIME-Version added")
		}
	})
	p.a.alive()
	p.b.alive()
}
