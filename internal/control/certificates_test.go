package control

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
)

func importOf(t testing.TB, owner string, id *testnet.Identity) Import {
	t.Helper()
	return Import{Owner: owner, Pairs: []ImportedPair{pairOf(id)}}
}

func pairOf(id *testnet.Identity) ImportedPair {
	block, _ := pem.Decode(id.KeyPEM())
	p := ImportedPair{Certificate: id.Cert.Raw, PKCS8: block.Bytes}
	for _, c := range id.Chain() {
		p.Chain = append(p.Chain, c.Raw)
	}
	return p
}

// one returns the only certificate that was imported.
func one(all []ImportedCertificate, err error) (CertificateInfo, error) {
	if err != nil || len(all) != 1 {
		return CertificateInfo{}, err
	}
	return all[0].CertificateInfo, nil
}

// AS-11: a certificate that does not name its owner is refused.
func TestAS11_ImportedCertificateNamesItsOwner(t *testing.T) {
	pki := testnet.NewPKI(t, noon())
	root := pki.Root("root")
	both := testnet.SAN([]string{"postmaster@a.example"}, []string{"a.example"})
	for name, tt := range map[string]struct {
		owner string
		id    *testnet.Identity
		want  Kind   // "" when it is taken
		as    string // the owner it is stored for
	}{
		"domain":                       {"a.example", root.Leaf("a.example"), "", "a.example"},
		"domain, from the certificate": {"", root.Leaf("a.example"), "", "a.example"},
		"domain in other case":         {"A.Example.", root.Leaf("a.example"), "", "a.example"},
		"address":                      {"Alice@a.example", root.Leaf("alice@a.example"), "", "alice@a.example"},
		"address by its domain":        {"alice@a.example", root.Leaf("a.example"), "", "alice@a.example"},
		"EC":                           {"a.example", root.Leaf("a.example", testnet.EC(elliptic.P256())), "", "a.example"},
		"domain beside an address":     {"a.example", root.Leaf("a.example", both), Invalid, ""}, // AS-17
		"two names, none asked":        {"", root.Leaf("a.example", both), Invalid, ""},
		"no name":                      {"", root.Leaf("a.example", testnet.SAN(nil, nil)), Invalid, ""},
		"no name, one asked":           {"a.example", root.Leaf("a.example", testnet.SAN(nil, nil)), Invalid, ""},
		"another domain":               {"a.example", root.Leaf("b.example"), Invalid, ""},
		"a child":                      {"a.example", root.Leaf("x.a.example"), Invalid, ""},
		"wildcard":                     {"a.example", root.Leaf("a.example", testnet.SAN(nil, []string{"a.example", "*.a.example"})), Invalid, ""},
		"domain by its address":        {"a.example", root.Leaf("postmaster@a.example"), Invalid, ""},
		"another address":              {"bob@a.example", root.Leaf("alice@a.example"), Invalid, ""},
		"not ours":                     {"c.example", root.Leaf("c.example"), Negative, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example", "b.example")
			info, err := one(s.ImportCertificates(t.Context(), importOf(t, tt.owner, tt.id)))
			all, listErr := s.Certificates(t.Context(), CertificateFilter{})
			must(t, listErr)
			if tt.want != "" {
				isRefused(t, name, err, tt.want)
				equal(t, "stored", len(all), 0)
				return
			}
			must(t, err)
			equal(t, "listed", all, []CertificateInfo{info})
			equal(t, "owner", info.Owner, tt.as)
			_, err = s.core.Directory(t.Context())
			must(t, err)
		})
	}
}

// A certificate that peers would refuse is refused, in the words of its fault.
// Whether they trust its issuer is not known here.
func TestImportRefusesWhatPeersWouldRefuse(t *testing.T) {
	pki := testnet.NewPKI(t, noon())
	root := pki.Root("root")
	for name, tt := range map[string]struct {
		id    *testnet.Identity
		words string // of the refusal, "" when it is taken
		use   string
	}{
		"good":            {root.Leaf("a.example"), "", "sign+encrypt"},
		"of itself":       {pki.SelfSigned("a.example"), "", "sign+encrypt"},
		"signs only":      {root.Leaf("a.example", testnet.Usage(x509.KeyUsageDigitalSignature)), "", "sign"},
		"encrypts only":   {root.Leaf("a.example", testnet.Usage(x509.KeyUsageKeyEncipherment)), "", "encrypt"},
		"EC":              {root.Leaf("a.example", testnet.EC(elliptic.P256())), "", "sign+encrypt"},
		"an authority's":  {root.Leaf("a.example", testnet.Template(func(c *x509.Certificate) { c.IsCA = true })), "authority", ""},
		"expired":         {root.Leaf("a.example", testnet.Valid(-2*time.Hour, -time.Second)), "expired", ""},
		"not yet valid":   {root.Leaf("a.example", testnet.Valid(time.Hour, 2*time.Hour)), "not valid yet", ""},
		"for no purpose":  {root.Leaf("a.example", testnet.Usage(x509.KeyUsageDataEncipherment)), "digitalSignature", ""},
		"EC to agree":     {root.Leaf("a.example", testnet.EC(elliptic.P256()), testnet.Usage(x509.KeyUsageKeyAgreement)), "", "encrypt"},
		"weak":            {root.Leaf("a.example", testnet.RSA(1024)), "1024 bits", ""},
		"an odd curve":    {root.Leaf("a.example", testnet.EC(elliptic.P224())), "P-224", ""},
		"without subject": {root.Leaf("a.example", testnet.Template(func(c *x509.Certificate) { c.Subject = pkix.Name{} })), "no subject", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example")
			info, err := one(s.ImportCertificates(t.Context(), importOf(t, "a.example", tt.id)))
			if tt.words == "" {
				must(t, err)
				equal(t, "use", info.Use, tt.use)
				equal(t, "is published", info.Record != "", strings.Contains(tt.use, "encrypt"))
				return
			}
			isRefused(t, name, err, Invalid)
			if err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("the refusal %v does not say %q", err, tt.words)
			}
			all, err := s.Certificates(t.Context(), CertificateFilter{})
			must(t, err)
			equal(t, "stored", len(all), 0)
		})
	}
}

// What the gateway could not load would not be used: it is refused, and the
// refusal shows nothing of the key.
func TestImportRefusesWhatCannotBeLoaded(t *testing.T) {
	pki := testnet.NewPKI(t, noon())
	root := pki.Root("root")
	good, other := root.Leaf("a.example"), root.Leaf("a.example")
	s := ours(t, "a.example")
	for name, change := range map[string]func(*ImportedPair){
		"no certificate":        func(in *ImportedPair) { in.Certificate = nil },
		"half a certificate":    func(in *ImportedPair) { in.Certificate = in.Certificate[:100] },
		"no key":                func(in *ImportedPair) { in.PKCS8 = nil },
		"half a key":            func(in *ImportedPair) { in.PKCS8 = in.PKCS8[:100] },
		"another key":           func(in *ImportedPair) { in.PKCS8 = pairOf(other).PKCS8 },
		"a key of another kind": func(in *ImportedPair) { in.PKCS8 = pairOf(root).PKCS8 },
		"broken chain":          func(in *ImportedPair) { in.Chain = [][]byte{[]byte("chain")} },
		"PEM instead of DER":    func(in *ImportedPair) { in.PKCS8 = good.KeyPEM() },
	} {
		in := importOf(t, "", good)
		change(&in.Pairs[0])
		_, err := s.ImportCertificates(t.Context(), in)
		isRefused(t, name, err, Invalid)
		if err != nil && (strings.Contains(err.Error(), "PRIVATE") || len(err.Error()) > 300) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := s.core.Directory(t.Context())
	must(t, err)
	all, err := s.Certificates(t.Context(), CertificateFilter{})
	must(t, err)
	equal(t, "stored", len(all), 0)
}

// A certificate that cannot be read is listed as that, beside the others.
func TestListTellsOfWhatCannotBeRead(t *testing.T) {
	s := ours(t, "a.example")
	_, err := s.IssueCertificate(t.Context(), KeyOrder{Owner: "a.example"})
	must(t, err)
	bad := []byte("no certificate")
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutKey(store.Key{Owner: "a.example", Certificate: bad, Fingerprint: store.FingerprintOf(bad)})
	}))
	all, err := s.Certificates(t.Context(), CertificateFilter{})
	must(t, err)
	equal(t, "listed", len(all), 3)
	for _, c := range all {
		equal(t, "cannot be read", c.Subject == "cannot be read", c.SHA256 == store.FingerprintOf(bad).String())
	}
}

func TestShowCertificate(t *testing.T) {
	s := ours(t, "a.example")
	id := testnet.NewPKI(t, noon()).Root("root").Leaf("a.example")
	info, err := one(s.ImportCertificates(t.Context(), importOf(t, "", id)))
	must(t, err)
	found, err := s.ShowCertificate(t.Context(), info.SHA256[:8])
	must(t, err)
	if len(found) != 1 || found[0].CertificateInfo != info || len(found[0].Chain) != 1 || info.Use != "sign+encrypt" {
		t.Errorf("shown %+v", found)
	}
	if strings.Contains(found[0].PEM, "PRIVATE") {
		t.Error("the private key is shown")
	}
	_, err = s.ShowCertificate(t.Context(), strings.Repeat("0", 64))
	isRefused(t, "another", err, Negative)
	for _, bad := range []string{"", "1234567", "zzzzzzzz", "zzzzzzzzz"} {
		_, err = s.ShowCertificate(t.Context(), bad)
		isRefused(t, bad, err, Invalid)
	}
}

// The test CA issues for what is ours, is one even when many ask at once, and
// what it issued works at once.
func TestIssue(t *testing.T) {
	s := ours(t, "a.example")
	owners := []string{"A.example.", "Alice@A.example"}
	issued := make([]Issued, len(owners))
	errs := make([]error, len(owners))
	var all sync.WaitGroup
	for i, owner := range owners {
		all.Go(func() { issued[i], errs[i] = s.IssueCertificate(t.Context(), KeyOrder{Owner: owner}) })
	}
	all.Wait()
	for _, err := range errs {
		must(t, err)
	}
	equal(t, "anchor", issued[0].AnchorPEM, issued[1].AnchorPEM)
	equal(t, "owner", issued[0].Certificate.Owner, "a.example")
	equal(t, "owner", issued[1].Certificate.Owner, "alice@a.example")
	if !issued[0].Certificate.Test || !strings.Contains(issued[0].Certificate.Subject, "TEST ONLY") {
		t.Errorf("%+v", issued[0].Certificate)
	}
	list, err := s.Certificates(t.Context(), CertificateFilter{})
	must(t, err)
	equal(t, "certificates with the CA's", len(list), 3)
	dir, err := s.core.Directory(t.Context())
	must(t, err)
	bob, err := mime.ParseAddress("bob@a.example")
	must(t, err)
	equal(t, "signers of bob", len(dir.Signers(bob, noon())), 1)

	_, err = s.IssueCertificate(t.Context(), KeyOrder{Owner: "b.example"})
	isRefused(t, "not ours", err, Negative)
	for _, owner := range []string{"", "test-ca", "a", "@a.example"} {
		_, err = s.IssueCertificate(t.Context(), KeyOrder{Owner: owner})
		isRefused(t, "nonsense", err, Invalid)
	}
}

func TestCP29_Anchors(t *testing.T) {
	s := ours(t, "a.example")
	ctx := t.Context()
	pki := testnet.NewPKI(t, noon())
	one, two := pki.Root("one"), pki.Root("two")
	add := func(domain, direction string, certs ...*x509.Certificate) ([]AddedAnchor, error) {
		in := AnchorsToAdd{Domain: domain, Direction: direction}
		for _, c := range certs {
			in.Certificates = append(in.Certificates, c.Raw)
		}
		return s.AddAnchors(ctx, in)
	}
	added, err := add("", "both", one.Cert, two.Cert)
	must(t, err)
	equal(t, "added", len(added), 2)
	_, err = add("a.example", "in", one.Cert)
	must(t, err)
	_, err = add("a.example", "in", one.Cert) // again
	must(t, err)
	_, err = add("b.example", "in", one.Cert)
	isRefused(t, "not ours", err, Negative)
	_, err = add("nonsense", "in", one.Cert)
	isRefused(t, "no domain", err, Invalid)
	_, err = add("", "sideways", one.Cert)
	isRefused(t, "no direction", err, Invalid)
	_, err = add("", "both")
	isRefused(t, "no certificate", err, Invalid)
	_, err = s.AddAnchors(ctx, AnchorsToAdd{Direction: "both", Certificates: [][]byte{two.Cert.Raw, []byte("rubbish")}})
	isRefused(t, "rubbish beside a good one", err, Invalid)
	all, err := s.Anchors(ctx)
	must(t, err)
	equal(t, "anchors", len(all), 3)

	fingerprint := store.FingerprintOf(one.Cert.Raw).String()
	shown, err := s.ShowAnchor(ctx, strings.ToUpper(fingerprint[:10]))
	must(t, err)
	equal(t, "shown", len(shown), 2)
	for what, name := range map[string]AnchorName{
		"too short": {SHA256: fingerprint[:7]}, "no digits": {SHA256: "zzzzzzzz"}, "nothing": {},
		"no domain": {SHA256: fingerprint, Domain: "nonsense"},
	} {
		_, err = s.RemoveAnchor(ctx, name)
		isRefused(t, what, err, Invalid)
	}
	_, err = s.RemoveAnchor(ctx, AnchorName{SHA256: fingerprint, Domain: "b.example"})
	isRefused(t, "of another domain", err, Negative)
	removed, err := s.RemoveAnchor(ctx, AnchorName{SHA256: fingerprint[:12], Domain: "a.example"})
	must(t, err)
	equal(t, "removed from", removed.Domain, "a.example")
	all, err = s.Anchors(ctx)
	must(t, err)
	equal(t, "anchors left", len(all), 2)
	_, err = s.RemoveAnchor(ctx, AnchorName{SHA256: fingerprint, Domain: "a.example"})
	isRefused(t, "again", err, Negative)
}
