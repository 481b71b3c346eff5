package control

import (
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
)

// A refusal and its hint name the one thing that is to be another.
func TestImportSaysWhatToChange(t *testing.T) {
	root := testnet.NewPKI(t, noon()).Root("root")
	two := testnet.SAN(nil, []string{"a.example", "b.example"})
	p521 := testnet.EC(elliptic.P521())
	for name, tt := range map[string]struct {
		owner         string
		id            *testnet.Identity
		message, hint string
	}{
		"an authority's": {"a.example", root.Leaf("a.example", testnet.Template(func(c *x509.Certificate) { c.IsCA = true })), "an authority's", "postern anchor add"},
		"weak":           {"a.example", root.Leaf("a.example", testnet.RSA(1024)), "1024 bits", "RSA of 2048 bits or more"},
		"wildcard": {"", root.Leaf("a.example", testnet.SAN(nil, []string{"*.a.example"})),
			`the certificate is for "*.a.example", which is neither an address nor a domain`, "a wildcard binds nobody"},
		"wildcard, for a domain":     {"a.example", root.Leaf("a.example", testnet.SAN(nil, []string{"*.a.example"})), "is not for a.example", "a wildcard binds nobody"},
		"wildcard beside a domain":   {"a.example", root.Leaf("a.example", testnet.SAN(nil, []string{"a.example", "*.a.example"})), "names a.example, but nobody may use it: the subjectAltName has a wildcard", "no other name"},
		"two names":                  {"a.example", root.Leaf("a.example", two), "names a.example, but nobody may use it: the subjectAltName has several dNSNames", "no other name"},
		"another's":                  {"a.example", root.Leaf("b.example"), "is not for a.example", "it is for b.example alone"},
		"P-521 to sign":              {"a.example", root.Leaf("a.example", p521, testnet.Usage(x509.KeyUsageDigitalSignature)), "P-521", "can be encrypted to, with keyAgreement"},
		"for web servers":            {"a.example", root.Leaf("a.example", testnet.Template(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })), "extendedKeyUsage", "emailProtection"},
		"EC to encipher keys":        {"a.example", root.Leaf("a.example", testnet.EC(elliptic.P256()), testnet.Usage(x509.KeyUsageKeyEncipherment)), "keyUsage", "keyAgreement to be encrypted to"},
		"RSA for no purpose of ours": {"a.example", root.Leaf("a.example", testnet.Usage(x509.KeyUsageDataEncipherment)), "keyUsage", "keyEncipherment to be encrypted to"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ours(t, "a.example").ImportCertificates(t.Context(), importOf(t, tt.owner, tt.id))
			var refused *Error
			if !errors.As(err, &refused) || !strings.Contains(refused.Message, tt.message) || !strings.Contains(refused.Hint, tt.hint) {
				t.Errorf("refused by %+v", refused)
			}
		})
	}
}

// AS-17: version 1.2 takes a certificate with several names, with a warning.
func TestAS17_SeveralNamesUnderVersion12(t *testing.T) {
	root := testnet.NewPKI(t, noon()).Root("root")
	id := root.Leaf("a.example", testnet.SAN([]string{"alice@a.example"}, []string{"a.example"}))
	s := ours(t, "a.example")
	s.core.Profile = trust.V12
	_, err := s.ImportCertificates(t.Context(), importOf(t, "", id))
	isRefused(t, "for nobody", err, Invalid)
	for _, owner := range []string{"a.example", "alice@a.example"} {
		all, err := s.ImportCertificates(t.Context(), importOf(t, owner, id))
		must(t, err)
		equal(t, "owner", all[0].Owner, owner)
		equal(t, "warnings", len(all[0].Warnings), 1)
		equal(t, "warns of it", strings.Contains(all[0].Warnings[0], "1.3 refuse"), true)
	}
}

// Peers need what leads to their anchor: with the certificate, or by its AIA.
func TestImportWarnsOfAMissingChain(t *testing.T) {
	pki := testnet.NewPKI(t, noon())
	sub := pki.Root("root").Intermediate("sub")
	aia := testnet.Template(func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.example/sub.cer"} })
	for name, tt := range map[string]struct {
		id    *testnet.Identity
		chain bool
		want  int
	}{
		"with it":           {sub.Leaf("a.example"), true, 0},
		"without it":        {sub.Leaf("a.example"), false, 1},
		"without it, AIA":   {sub.Leaf("a.example", aia), false, 0},
		"there is no chain": {pki.SelfSigned("a.example"), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			in := importOf(t, "", tt.id)
			if !tt.chain {
				in.Pairs[0].Chain = nil
			}
			all, err := ours(t, "a.example").ImportCertificates(t.Context(), in)
			must(t, err)
			equal(t, "warnings", len(all[0].Warnings), tt.want)
		})
	}
}

// Any certificate can be an anchor; what it will not be good for is told.
func TestAnchorsOfLittleUseAreTakenWithAWarning(t *testing.T) {
	pki := testnet.NewPKI(t, noon())
	for name, tt := range map[string]struct {
		id   *testnet.Identity
		want []string
	}{
		"good":          {pki.Root("root"), nil},
		"expired":       {pki.Root("root", testnet.Valid(-48*time.Hour, -24*time.Hour)), []string{"it ended on 2026-05-31"}},
		"not yet valid": {pki.Root("root", testnet.Valid(24*time.Hour, 48*time.Hour)), []string{"it begins on 2026-06-02"}},
		"weak":          {pki.Root("root", testnet.RSA(1024)), []string{"the RSA key has 1024 bits, less than 2048: nothing is believed by it"}},
		"an end entity": {pki.SelfSigned("a.example"), []string{"it is trusted for itself alone"}},
		"all at once":   {pki.SelfSigned("a.example", testnet.RSA(1024), testnet.Valid(-48*time.Hour, -24*time.Hour)), []string{"it ended", "1024 bits", "itself alone"}},
	} {
		t.Run(name, func(t *testing.T) {
			added, err := ours(t).AddAnchors(t.Context(), AnchorsToAdd{Direction: "both", Certificates: [][]byte{tt.id.Cert.Raw}})
			must(t, err)
			if len(added[0].Warnings) != len(tt.want) {
				t.Fatalf("warnings %q", added[0].Warnings)
			}
			for i, want := range tt.want {
				if !strings.Contains(added[0].Warnings[i], want) {
					t.Errorf("warnings %q", added[0].Warnings)
				}
			}
		})
	}
}
