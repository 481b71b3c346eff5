package discovery_test

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"postern/mime"
	"postern/trust/discovery"
)

func domainOf(s string) mime.Domain { return mime.Domain(s) }

func TestCD1_AddressNames(t *testing.T) {
	long := strings.Repeat("x", 63)
	for in, want := range map[string]string{
		"a.b@x.org":           "a.b.x.org",
		"Alice@X.org":         "Alice.x.org",
		"first_last@x.org":    "first_last.x.org",
		"o'brien@x.org":       "o'brien.x.org",
		"a+b=c/d@x.org":       "a+b=c/d.x.org",
		`"alice"@x.org`:       "alice.x.org",
		long + "@x.org":       long + ".x.org",
		long + "y@x.org":      "",
		`"a..b"@x.org`:        "",
		`".a"@x.org`:          "",
		`"a."@x.org`:          "",
		`"a b"@x.org`:         "",
		`"a\\b"@x.org`:        "",
		`"a@b"@x.org`:         "",
		`"*)(uid=*"@x.org`:    "",
		`"x.evil.org;"@x.org`: "",
	} {
		a := address(t, in)
		got, err := discovery.AddressName(a)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestCD1_TooLongTogether(t *testing.T) {
	label := strings.Repeat("x", 60)
	a, err := mime.NewAddress(label, mime.Domain(label+"."+label+"."+label+".example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := discovery.AddressName(a); err == nil {
		t.Errorf("got %q of %d octets", got, len(got))
	}
}

func FuzzAddressName(f *testing.F) {
	for _, s := range []string{"a.b@x.org", "o'brien@x.org", `"a..b"@x.org`, `"a\\b"@x.org`, "*@x.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mime.ParseAddress(s)
		if err != nil {
			return
		}
		name, err := discovery.AddressName(a)
		if err != nil {
			return
		}
		if !strings.HasSuffix(name, "."+a.Domain().String()) {
			t.Fatalf("%q is not below %q", name, a.Domain())
		}
		// The name means on the wire what it says: as many labels as there are dots.
		if got, want := dns.CountLabel(dns.Fqdn(name)), strings.Count(name, ".")+1; got != want {
			t.Fatalf("%q has %d labels, want %d", name, got, want)
		}
		var buf [256]byte
		if _, err := dns.PackDomainName(dns.Fqdn(name), buf[:], 0, nil, false); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	})
}
