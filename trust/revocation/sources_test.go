package revocation_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/trust/revocation"
)

// What stands in a certificate is told as it stands there; whoever fetches
// chooses.
func TestAS71_SourcesOfACertificate(t *testing.T) {
	crls, responders, passed := revocation.Sources(certificate(t, "fine"))
	for _, diff := range []string{
		cmp.Diff([]string{"http://crl.example/1.crl", "ldap://crl.example/cn=one", "http://crl.example/1.crl", "https://crl.example/2.crl"}, crls),
		cmp.Diff([]string{"http://ocsp.example/", "ldap://ocsp.example/"}, responders),
		cmp.Diff([]string{
			"a directory name",
			"http://crl.example/indirect.crl: an indirect CRL",
			"http://crl.example/reasons.crl: for some reasons only",
		}, passed),
	} {
		if diff != "" {
			t.Error(diff)
		}
	}
}

func TestAS73_CertificateWithoutSources(t *testing.T) {
	crls, responders, passed := revocation.Sources(certificate(t, "rsa"))
	if crls != nil || responders != nil || passed != nil {
		t.Error(crls, responders, passed)
	}
}

func TestWhatIsToldOfPointsIsBounded(t *testing.T) {
	pki := testnet.NewPKI(t, within)
	reasons := der(0x81, []byte{0, 0x40})
	var points [][]byte
	for i := range 100 {
		u := fmt.Sprintf("http://crl.example/%d\x1b[2J", i)
		points = append(points, seq(der(0xa0, der(0xa0, der(0x86, []byte(u)))), reasons))
	}
	cert := pki.Root("root", testnet.Extension([]int{2, 5, 29, 31}, false, seq(points...))).Cert
	crls, _, passed := revocation.Sources(cert)
	if crls != nil || len(passed) != 8 || passed[0] != "http://crl.example/0?[2J: for some reasons only" {
		t.Errorf("%q, passed over %q", crls, passed)
	}
}

func TestPointsThatAreNoSources(t *testing.T) {
	uri := func(u string) []byte { return der(0x86, []byte(u)) }
	named := func(names ...[]byte) []byte { return der(0xa0, der(0xa0, names...)) }
	pki := testnet.NewPKI(t, within)
	own := pki.Root("root").Cert.RawSubject
	for name, c := range map[string]struct {
		point       []byte
		want, words string
	}{
		"plain":           {seq(named(uri("http://a.example"))), "http://a.example", ""},
		"its own issuer":  {seq(named(uri("http://a.example")), der(0xa2, der(0xa4, own))), "http://a.example", ""},
		"two issuers":     {seq(named(uri("http://a.example")), der(0xa2, der(0xa4, own), der(0xa4, own))), "", "indirect"},
		"an issuer alone": {seq(der(0xa2, der(0xa4, own))), "", "without a name"},
		"another kind":    {seq(named(der(0x82, []byte("a.example")))), "", "another kind"},
	} {
		t.Run(name, func(t *testing.T) {
			value := seq(c.point)
			leaf := pki.Root("root", testnet.Extension([]int{2, 5, 29, 31}, false, value)).Cert
			crls, _, passed := revocation.Sources(leaf)
			if c.want != "" {
				if len(crls) != 1 || crls[0] != c.want || passed != nil {
					t.Errorf("%v, passed over %v", crls, passed)
				}
				return
			}
			if crls != nil || len(passed) != 1 || !strings.Contains(passed[0], c.words) {
				t.Errorf("%v, passed over %v; want %q", crls, passed, c.words)
			}
		})
	}
}

// TestSourcesThatGoDoesNotRead has extensions for which crypto/x509 reads no
// certificate, so they are put in afterwards.
func TestSourcesThatGoDoesNotRead(t *testing.T) {
	for words, values := range map[string][][]byte{
		"relative": {seq(seq(der(0xa0, der(0xa1, oid(1, 2)))))},
		"malformed": {
			nil, integer(1), seq(integer(1)), append(seq(), 0), seq(seq(integer(1))),
			seq(seq(der(0xa0, der(0xa0, []byte{0x86, 9})))), seq(seq(der(0xa0, der(0xa2)))),
		},
	} {
		for _, value := range values {
			cert := *certificate(t, "one")
			for i := range cert.Extensions {
				if cert.Extensions[i].Id.String() == "2.5.29.31" {
					cert.Extensions[i].Value = value
				}
			}
			crls, _, passed := revocation.Sources(&cert)
			if crls != nil || len(passed) == 0 || !strings.Contains(passed[0], words) {
				t.Errorf("%x: %v, passed over %v", value, crls, passed)
			}
		}
	}
}
