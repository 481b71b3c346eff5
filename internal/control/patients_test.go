package control

import (
	"crypto/x509"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/store"
	"postern/trust"
)

// BB-35: an address that a patient controls has certificates of its own, to sign
// and to be encrypted to, and none of its domain's.
func TestBB35_TB22_PatientsHaveTheirOwnCertificates(t *testing.T) {
	root := testnet.NewPKI(t, noon()).Root("root")
	own := func(o ...testnet.Option) *testnet.Identity { return root.Leaf("alice@a.example", o...) }
	sign, encrypt := testnet.Usage(x509.KeyUsageDigitalSignature), testnet.Usage(x509.KeyUsageKeyEncipherment)
	good, domain := own(), root.Leaf("a.example")
	type key struct {
		owner   string
		id      *testnet.Identity
		retired bool
	}
	for name, tt := range map[string]struct {
		keys []key
		want Kind // "" when it is allowed
	}{
		"none":              {nil, Negative},
		"the domain's":      {[]key{{"a.example", domain, false}}, Negative},
		"its own":           {[]key{{"alice@a.example", good, false}}, ""},
		"a pair":            {[]key{{"alice@a.example", own(sign), false}, {"alice@a.example", own(encrypt), false}}, ""},
		"signs only":        {[]key{{"alice@a.example", own(sign), false}}, Negative},
		"encrypts only":     {[]key{{"alice@a.example", own(encrypt), false}}, Negative},
		"retired":           {[]key{{"alice@a.example", good, true}}, Negative},
		"expired":           {[]key{{"alice@a.example", own(testnet.Valid(-2*time.Hour, -time.Hour)), false}}, Negative},
		"not yet valid":     {[]key{{"alice@a.example", own(testnet.Valid(time.Hour, 2*time.Hour)), false}}, Negative},
		"another's":         {[]key{{"bob@a.example", root.Leaf("bob@a.example"), false}}, Negative},
		"of its domain":     {[]key{{"alice@a.example", domain, false}}, Negative},
		"and of its domain": {[]key{{"alice@a.example", good, false}, {"alice@a.example", domain, false}}, Negative},
		"and its domain later": {[]key{{"alice@a.example", good, false},
			{"alice@a.example", root.Leaf("a.example", testnet.Valid(time.Hour, 2*time.Hour)), false}}, Negative},
		"with its domain": {[]key{{"alice@a.example", own(testnet.SAN([]string{"alice@a.example"}, []string{"a.example"})), false}}, Negative},
		"with another":    {[]key{{"alice@a.example", own(testnet.SAN([]string{"alice@a.example", "bob@a.example"}, nil)), false}}, Negative},
		"and retired":     {[]key{{"alice@a.example", good, false}, {"alice@a.example", domain, true}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example")
			must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
				for _, k := range tt.keys {
					p := pairOf(k.id)
					one := store.Key{Owner: k.owner, Certificate: p.Certificate, Fingerprint: store.FingerprintOf(p.Certificate), PKCS8: p.PKCS8}
					if k.retired {
						one.Retired = noon()
					}
					err := tx.PutKey(one)
					if err != nil {
						return err
					}
				}
				return nil
			}))
			err := s.AddPatient(t.Context(), "Alice@a.example", []byte("correct horse battery"))
			if tt.want != "" {
				isRefused(t, "add", err, tt.want)
				must(t, s.AddAccount(t.Context(), "Alice@a.example", []byte("correct horse battery")))
				isRefused(t, "later", s.SetPatient(t.Context(), "alice@a.example", true), tt.want)
				return
			}
			must(t, err)
			all, err := s.Accounts(t.Context())
			must(t, err)
			equal(t, "patient", all[0].Patient, true)
			s.core.Profile = trust.V12 // which lets one certificate have several names
			for name, id := range map[string]*testnet.Identity{
				"the domain's": domain,
				"dual":         own(testnet.SAN([]string{"alice@a.example"}, []string{"a.example"})),
			} {
				_, err = s.ImportCertificates(t.Context(), importOf(t, "alice@a.example", id))
				isRefused(t, name, err, Invalid)
			}
			_, err = s.RetireCertificate(t.Context(), Retire{SHA256: sha256Of(domain.Cert), Undo: true})
			isRefused(t, "the domain's again, if there", err, map[bool]Kind{true: Invalid, false: Negative}[name == "and retired"])
			must(t, s.SetPatient(t.Context(), "alice@a.example", false))
		})
	}
}
