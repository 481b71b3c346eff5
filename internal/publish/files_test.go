package publish

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"postern/internal/testnet"
	"postern/mime"
	"postern/trust/discovery"
)

// oddAddresses have what a master file or LDIF could take for something else.
var oddAddresses = []string{
	"alice@b.example", "a.b@b.example", "o'brien@b.example", "$INCLUDE@b.example", "a+b=c@b.example", "#1@b.example",
	"{x}|y~`z@b.example", "a/b?c&d%e!^@b.example", "in@b.example", "cert@b.example", "3600@b.example", "b*@b.example",
	"x@b.example", strings.Repeat("$", 63) + "@b.example", "x.lab@b.example",
}

// published is a set that real servers load: certificates are whole ones.
func published(t *testing.T) *Set {
	t.Helper()
	s := theSet(t)
	root := testnet.NewPKI(t, time.Now()).Root("root")
	one, two := root.Leaf("b.example").Cert, root.Leaf("b.example").Cert
	s.Certificates = []Certificate{{Domain: "b.example", Certificate: one}, {Domain: "b.example", Certificate: two},
		{Domain: "lab.b.example", Certificate: one}}
	for _, a := range oddAddresses {
		s.Certificates = append(s.Certificates, Certificate{Address: mustAddress(t, a), Domain: "b.example", Certificate: two})
	}
	return s
}

// CD-10: BIND takes the files of both forms and answers what our own server would.
func TestCD10_BINDLoadsZoneFiles(t *testing.T) {
	checkzone := testnet.Require(t, "named-checkzone")
	s := published(t)
	for name, form := range map[string]Form{"named": Named, "generic": Generic} {
		t.Run(name, func(t *testing.T) {
			files := make(map[string][]string)
			for _, d := range s.Domains {
				var b bytes.Buffer
				problems, err := WriteZone(&b, s, d, form)
				if err != nil || len(problems) > 0 {
					t.Fatal(err, problems)
				}
				for line := range strings.Lines(b.String()) {
					if len(line) > maxLine+1 {
						t.Errorf("a line of %d octets: %.60s", len(line), line)
					}
				}
				if strings.Contains(b.String(), "CERT") == (form == Generic) {
					t.Errorf("the other form:\n%s", b.String())
				}
				path := filepath.Join(t.TempDir(), "zone")
				err = os.WriteFile(path, b.Bytes(), 0o600)
				if err != nil {
					t.Fatal(err)
				}
				out, err := exec.Command(checkzone, string(d), path).CombinedOutput()
				if err != nil {
					t.Errorf("named-checkzone: %v\n%s\n%s", err, out, b.String())
				}
				files[string(d)] = []string{b.String()}
			}
			addr := testnet.BIND(t, files)
			for _, z := range s.Zones() {
				checkServed(t, addr, z)
			}
			digs(t, addr, "alice.b.example", s.Certificates[3].Certificate)
		})
	}
}

// checkServed asks for every record of a zone.
func checkServed(t *testing.T, addr string, z Zone) {
	t.Helper()
	want := make(map[dns.Question][]dns.RR)
	for _, rr := range z.Records {
		q := dns.Question{Name: rr.Header().Name, Qtype: rr.Header().Rrtype, Qclass: dns.ClassINET}
		want[q] = append(want[q], rr)
	}
	for q, records := range want {
		m := new(dns.Msg)
		m.Question = []dns.Question{q}
		m, _, err := (&dns.Client{Net: "tcp"}).Exchange(m, addr)
		if err != nil {
			t.Fatal(err)
		}
		got, should := brief(sameNames(m.Answer)), brief(sameNames(records))
		slices.Sort(got)
		slices.Sort(should)
		if diff := cmp.Diff(should, got); diff != "" || !m.Authoritative {
			t.Errorf("%s (-want +got):\n%s\n%s", q.String(), diff, m)
		}
	}
}

// sameNames writes the names of records as the wire has them, in which a text form
// has no part.
func sameNames(records []dns.RR) []dns.RR {
	var all []dns.RR
	for _, rr := range records {
		rr = dns.Copy(rr)
		var wire [255]byte
		_, err := dns.PackDomainName(rr.Header().Name, wire[:], 0, nil, false)
		if err == nil {
			rr.Header().Name, _, _ = dns.UnpackDomainName(wire[:], 0)
		}
		all = append(all, rr)
	}
	return all
}

// digs asks as a stranger would.
func digs(t *testing.T, addr, name string, cert *x509.Certificate) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testnet.Require(t, "dig"), "@"+host, "-p", port, "+short", "+nosplit", name, "CERT").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PKIX 0 0 "+base64.StdEncoding.EncodeToString(cert.Raw)) {
		t.Errorf("dig: %v\n%s", err, out)
	}
}

// A zone file says what it leaves out, and what it says cannot become a record.
func TestZoneFileTellsWhatIsMissing(t *testing.T) {
	s := &Set{Options: Options{NameServers: []mime.Domain{"ns.other.example"}}, Domains: []mime.Domain{"b.example"},
		Certificates: []Certificate{
			{Address: mustAddress(t, `"a;\"\\ $ORIGIN x"@b.example`), Domain: "b.example", Certificate: fake("1")},
			{Address: mustAddress(t, strings.Repeat("x", 64)+"@b.example"), Domain: "b.example", Certificate: fake("1")},
		}}
	var b bytes.Buffer
	problems, err := WriteZone(&b, s, "b.example", Named)
	if err != nil || len(problems) != 2 {
		t.Fatal(err, problems)
	}
	want := "; Zone of b.example, serial 0.\n" +
		"; Left out: " + `"a;\"\\ $ORIGIN x"@b.example: the local part cannot be a DNS name: it has a character outside of RFC 5322's atext` + "\n" +
		"; Left out: " + strings.Repeat("x", 64) + "@b.example: the local part cannot be a DNS name: it has an empty or a long label\n" +
		"$ORIGIN b.example.\n$TTL 0\n" +
		"@\tIN\tSOA\tns.other.example. hostmaster.b.example. 0 3600 600 1209600 0\n" +
		"@\tIN\tNS\tns.other.example.\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Long names stay in short lines.
func TestZoneFileHasShortLines(t *testing.T) {
	host := mime.Domain(strings.Repeat("a-long-label.", 18) + "other.example")
	s := &Set{Options: Options{NameServers: []mime.Domain{host}, Mail: []MailServer{{10, host}},
		Directories: []Directory{{host, 389}}}, Domains: []mime.Domain{"b.example"}}
	var b bytes.Buffer
	_, err := WriteZone(&b, s, "b.example", Named)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > maxLine+1 {
			t.Errorf("a line of %d octets", len(line))
		}
	}
	parsed := dns.NewZoneParser(&b, "", "")
	n := 0
	for _, ok := parsed.Next(); ok; _, ok = parsed.Next() {
		n++
	}
	if parsed.Err() != nil || n != 4 {
		t.Errorf("%d records: %v", n, parsed.Err())
	}
}

func TestFilesOfWhatIsNotPublished(t *testing.T) {
	s := &Set{Domains: []mime.Domain{"b.example"}}
	var b bytes.Buffer
	_, err := WriteZone(&b, s, "c.example", Named)
	if !errors.Is(err, ErrNotPublished) {
		t.Errorf("another's zone: %v", err)
	}
	err = WriteLDIF(&b, s, "c.example")
	if !errors.Is(err, ErrNotPublished) {
		t.Errorf("another's directory: %v", err)
	}
	problems, err := WriteZone(&b, s, "b.example", Named)
	if !errors.Is(err, errNoServer) || len(problems) != 1 {
		t.Errorf("without a name server: %v", err)
	}
	if b.Len() > 0 {
		t.Errorf("written:\n%s", b.String())
	}
}

// A disk that is full is told of.
func TestErrorsOfTheWriterAreReturned(t *testing.T) {
	s := published(t)
	full := errors.New("full")
	_, err := WriteZone(broken{full}, s, "b.example", Generic)
	if !errors.Is(err, full) {
		t.Errorf("zone: %v", err)
	}
	err = WriteLDIF(broken{full}, s, "b.example")
	if !errors.Is(err, full) {
		t.Errorf("LDIF: %v", err)
	}
}

type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

// CD-32, H3, H4: slapd takes the LDIF, and ldapsearch finds the certificates of
// addresses and of the domain by mail.
func TestCD32_SlapdLoadsLDIF(t *testing.T) {
	ldapsearch := testnet.Require(t, "ldapsearch")
	s := published(t)
	for _, a := range []string{`"a b"@b.example`, `*@b.example`, `"x,y+z=\"q\" <;>\\#"@b.example`, `" "@b.example`, `":x"@b.example`} {
		s.Certificates = append(s.Certificates, Certificate{Address: mustAddress(t, a), Domain: "b.example", Certificate: s.Certificates[0].Certificate})
	}
	var contexts []testnet.Context
	for _, d := range s.Domains {
		var b bytes.Buffer
		err := WriteLDIF(&b, s, d)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if len(line) > maxLDIFLine+1 {
				t.Errorf("a line of %d octets: %s", len(line), line)
			}
		}
		contexts = append(contexts, testnet.Context{Suffix: SuffixOf(d), Whole: b.String()})
	}
	slices.Reverse(contexts) // slapd wants the longer suffix first
	addr := testnet.SlapdOf(t, nil, contexts...)
	escape := strings.NewReplacer(`\`, `\5c`, `*`, `\2a`, `(`, `\28`, `)`, `\29`)
	for _, c := range s.Certificates {
		mail := string(c.Domain)
		if !c.Address.IsZero() {
			mail = c.Address.String()
		}
		out, err := exec.Command(ldapsearch, "-x", "-LLL", "-o", "ldif-wrap=no", "-H", "ldap://"+addr, "-b", SuffixOf(c.Domain),
			"(mail="+escape.Replace(mail)+")", "userCertificate;binary").CombinedOutput()
		want := "userCertificate;binary:: " + base64.StdEncoding.EncodeToString(c.Certificate.Raw) + "\n"
		if err != nil || !strings.Contains(string(out), want) || strings.Count("\n"+string(out), "\ndn:") != 1 {
			t.Errorf("%s: %v\n%s", mail, err, out)
		}
	}
}

func TestLDIFValues(t *testing.T) {
	for value, want := range map[string]string{
		"alice@b.example":        "mail: alice@b.example\n",
		"":                       "mail: \n",
		":x":                     "mail:: Ong=\n",
		"<x":                     "mail:: PHg=\n",
		" x":                     "mail:: IHg=\n",
		"x ":                     "mail:: eCA=\n",
		"a\nb":                   "mail:: YQpi\n",
		"a\x00b":                 "mail:: YQBi\n",
		"é":                      "mail:: w6k=\n",
		strings.Repeat("x", 70):  "mail: " + strings.Repeat("x", 70) + "\n",
		strings.Repeat("x", 71):  "mail: " + strings.Repeat("x", 70) + "\n x\n",
		strings.Repeat("x", 146): "mail: " + strings.Repeat("x", 70) + "\n " + strings.Repeat("x", 75) + "\n x\n",
	} {
		var b bytes.Buffer
		writeAttribute(&b, "mail", []byte(value))
		if b.String() != want {
			t.Errorf("%q:\n%swant:\n%s", value, b.String(), want)
		}
	}
}

// FuzzZoneFile gives the zone an address and certificate of any form. The file is
// read again as the same records: an address adds no line of its own.
func FuzzZoneFile(f *testing.F) {
	for _, a := range oddAddresses {
		f.Add(a[:strings.Index(a, "@")], "b.example", []byte("DER"))
	}
	f.Add(`"a b`, "lab.b.example", []byte{})
	f.Add("*", "b.example", []byte("x"))
	f.Add("x\n$ORIGIN evil.example.\n@ IN A 192.0.2.66", "b.example", []byte("x"))
	f.Fuzz(func(t *testing.T, local, domain string, der []byte) {
		a, err := mime.NewAddress(local, mime.Domain(domain))
		if err != nil || len(der) > maxRRset {
			return
		}
		s := &Set{Options: Options{NameServers: []mime.Domain{"ns.elsewhere.example"}, TTL: time.Minute,
			Hosts: map[mime.Domain][]netip.Addr{a.Domain(): {netip.IPv6Loopback()}}},
			Domains: []mime.Domain{a.Domain()}, Certificates: []Certificate{{Address: a, Domain: a.Domain(), Certificate: fake(string(der))}}}
		z := s.Zones()[0]
		var b bytes.Buffer
		problems, err := WriteZone(&b, s, a.Domain(), Named)
		if err != nil {
			if len(z.Records) > 0 {
				t.Fatal(err)
			}
			return
		}
		_, err = discovery.AddressName(a)
		if err != nil && len(problems) == 0 {
			t.Fatal("the address was not left out")
		}
		var got []dns.RR
		parser := dns.NewZoneParser(&b, "", "")
		for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
			got = append(got, rr)
		}
		if parser.Err() != nil && len(der) > 0 { // no certificate at all is no CERT record
			t.Fatalf("%v\n%s", parser.Err(), b.String())
		}
		if len(der) > 0 && len(got) != len(z.Records) {
			t.Fatalf("%d records of %d", len(got), len(z.Records))
		}
		want := sameNames(z.Records)
		for i, rr := range sameNames(got) {
			if !dns.IsDuplicate(rr, want[i]) {
				t.Fatalf("%s instead of %s", rr, want[i])
			}
		}
	})
}
