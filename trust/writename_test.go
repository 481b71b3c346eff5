package trust_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postern/internal/testnet"
	"postern/trust"
)

func TestWriteName(t *testing.T) {
	attribute := func(value any, id ...int) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: id, Value: value}
	}
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name string
		of   []pkix.AttributeTypeAndValue
		want string
	}{
		{"nothing", nil, ""},
		{"the last first", []pkix.AttributeTypeAndValue{attribute("DE", 2, 5, 4, 6), attribute("Hospital", 2, 5, 4, 10), attribute("b.example", 2, 5, 4, 3)}, "CN=b.example,O=Hospital,C=DE"},
		{"address", []pkix.AttributeTypeAndValue{attribute("a@b.example", 1, 2, 840, 113549, 1, 9, 1)}, "emailAddress=a@b.example"},
		{"domain", []pkix.AttributeTypeAndValue{attribute("b", 0, 9, 2342, 19200300, 100, 1, 25)}, "DC=b"},
		{"no common type", []pkix.AttributeTypeAndValue{attribute("x", 1, 2, 3)}, "1.2.3=x"},
		{"no text", []pkix.AttributeTypeAndValue{attribute(7, 2, 5, 4, 3)}, "CN=?"},
		{"no type", []pkix.AttributeTypeAndValue{attribute("x")}, "=x"},
		{"separators", []pkix.AttributeTypeAndValue{attribute(`a,O=b+c"d\e<f>g;h`, 2, 5, 4, 3)}, `CN=a\,O=b\+c\"d\\e\<f\>g\;h`},
		{"ends", []pkix.AttributeTypeAndValue{attribute(" a b ", 2, 5, 4, 3), attribute("#a#", 2, 5, 4, 10)}, `O=\#a#,CN=\ a b\ `},
		{"letters", []pkix.AttributeTypeAndValue{attribute("Köln", 2, 5, 4, 7)}, `L=K\c3\b6ln`},
		{"escapes", []pkix.AttributeTypeAndValue{attribute("\x1b[2J\r\n\u202e\xff\x00", 2, 5, 4, 3)}, `CN=\1b[2J\0d\0a\e2\80\ae\ff\00`},
		{"long value", []pkix.AttributeTypeAndValue{attribute(long, 2, 5, 4, 3)}, "CN=" + long[:197] + "..."},
		{"no half of an escape", []pkix.AttributeTypeAndValue{attribute(long[:196]+"ö", 2, 5, 4, 3)}, "CN=" + long[:196] + "..."},
		{"just fits", []pkix.AttributeTypeAndValue{attribute(long[:197], 2, 5, 4, 3)}, "CN=" + long[:197]},
		{"one more", []pkix.AttributeTypeAndValue{attribute("DE", 2, 5, 4, 6), attribute(long[:197], 2, 5, 4, 3)}, "CN=" + long[:197] + "..."},
	} {
		if got := trust.WriteName(pkix.Name{Names: c.of}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// longName is a Name of n short attributes, in DER.
func longName(t testing.TB, n int) []byte {
	t.Helper()
	rdns := make([]pkix.RelativeDistinguishedNameSET, n)
	for i := range rdns {
		rdns[i] = pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "a"}}
	}
	der, err := asn1.Marshal(rdns)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// The cost of writing a name does not depend on how long it is.
func TestWriteNameStopsWhereItCuts(t *testing.T) {
	var names []pkix.AttributeTypeAndValue
	for range 100_000 {
		names = append(names, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: strings.Repeat("ö", 10)})
	}
	cost := func(n int) float64 {
		return testing.AllocsPerRun(5, func() { trust.WriteName(pkix.Name{Names: names[:n]}) })
	}
	if few, many := cost(10), cost(len(names)); many != few {
		t.Errorf("%v allocations for ten attributes, %v for %d", few, many, len(names))
	}
}

// A stranger's judgement costs octets by the length of its certificates, not by
// the square of it: the names of the certificate, of its issuer and of one
// without an issuer are written into details.
func TestLongNamesCostLittle(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root, theirs := pki.Root("root"), pki.Root("theirs")
	const names = 20_000
	long := testnet.Template(func(c *x509.Certificate) { c.RawSubject = longName(t, names) })
	middle := theirs.Intermediate("", long)
	for what, leaf := range map[string]*testnet.Identity{
		"subject":           theirs.Leaf("b.example", plain(long)...),
		"issuer":            middle.Leaf("b.example", plain()...),
		"subject of a root": pki.SelfSigned("b.example", plain(long)...),
		"weak":              theirs.Leaf("b.example", testnet.RSA(1024), long),
	} {
		p := ask(t, leaf, root)
		p.Evidence = echo{}
		for _, p.Intermediates = range [][]*x509.Certificate{nil, testnet.Certs(middle)} {
			size := len(leaf.Cert.Raw) + len(middle.Cert.Raw)
			got := allocated(func() {
				if v := trust.Judge(p); v.Code.IsOK() || len(v.Detail) > 403 {
					t.Errorf("%s: %s (%s)", what, v.Code, v.Detail)
				}
			})
			if got > 100*size {
				t.Errorf("%s: %d octets were allocated to judge %d", what, got, size)
			}
		}
	}
}

// FuzzWriteName: whatever stands in a name, what is shown of it is short, of
// printable ASCII, and one attribute for one.
func FuzzWriteName(f *testing.F) {
	f.Add("b.example", 3, 2)
	f.Add("a,CN=b\x1b[2J\u202e", 99, 40)
	f.Add(" # ", 0, 0)
	f.Fuzz(func(t *testing.T, value string, arc, n int) {
		n = max(0, min(n, 1000))
		one := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, arc}, Value: value}
		got := trust.WriteName(pkix.Name{Names: slices.Repeat([]pkix.AttributeTypeAndValue{one}, n)})
		if len(got) > 203 || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q", got)
		}
		plain := regexp.MustCompile(`\\.`).ReplaceAllString(got, "")
		if commas := strings.Count(plain, ","); commas > max(0, n-1) {
			t.Fatalf("%d attributes are shown as %q", n, got)
		}
	})
}

func BenchmarkJudgeLongName(b *testing.B) {
	pki := testnet.NewPKI(b, now)
	leaf := pki.Root("theirs").Leaf("b.example", plain(testnet.Template(func(c *x509.Certificate) { c.RawSubject = longName(b, 5000) }))...)
	p := ask(b, leaf, pki.Root("root"))
	b.SetBytes(int64(len(leaf.Cert.Raw)))
	for b.Loop() {
		if v := trust.Judge(p); v.Code.IsOK() {
			b.Fatal("believed")
		}
	}
}
