package control

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"postern/internal/keyfile"
	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
)

// answer is what an authority would answer to a request: a certificate for its
// key, with the names and usages asked for.
func answer(t *testing.T, root *testnet.Identity, request string, serial int64) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(request))
	r, err := x509.ParseCertificateRequest(block.Bytes)
	must(t, err)
	must(t, r.CheckSignature())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: r.Subject, NotBefore: noon().AddDate(0, 0, -1), NotAfter: noon().AddDate(1, 0, int(serial)),
		EmailAddresses: r.EmailAddresses, DNSNames: r.DNSNames, BasicConstraintsValid: true,
	}
	for _, e := range r.Extensions { // as they were asked for; the names would be there twice
		if e.Id.String() != "2.5.29.17" {
			template.ExtraExtensions = append(template.ExtraExtensions, e)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, root.Cert, r.PublicKey, root.Key)
	must(t, err)
	c, err := x509.ParseCertificate(der)
	must(t, err)
	return c
}

func (s *server) list(t *testing.T) []CertificateInfo {
	t.Helper()
	all, err := s.Certificates(t.Context(), CertificateFilter{})
	must(t, err)
	return all
}

// A certificate without a key answers the request whose key it is for, whatever
// stands beside it, and a renewal with the same key finds that key.
func TestCertificatesAnswerRequests(t *testing.T) {
	s := ours(t, "a.example")
	root := testnet.NewPKI(t, noon()).Root("root")
	made, err := s.MakeKeyRequest(t.Context(), KeyOrder{Owner: "Alice@a.example", Key: "p256"})
	must(t, err)
	equal(t, "key", made.Key, "EC P-256")
	equal(t, "owner", made.Owner, "alice@a.example")
	waiting, err := s.KeyRequests(t.Context())
	must(t, err)
	equal(t, "waiting", waiting, []KeyRequestInfo{made.KeyRequestInfo})

	leaf := answer(t, root, made.PEM, 1)
	_, err = s.ImportCertificates(t.Context(), Import{Certificates: [][]byte{root.Cert.Raw}})
	isRefused(t, "another's", err, Invalid)
	_, err = s.ImportCertificates(t.Context(), Import{Owner: "bob@a.example", Certificates: [][]byte{leaf.Raw}})
	isRefused(t, "for another", err, Invalid)
	equal(t, "stored", len(s.list(t)), 0)
	info, err := one(s.ImportCertificates(t.Context(), Import{Certificates: [][]byte{root.Cert.Raw, leaf.Raw}}))
	must(t, err)
	equal(t, "use", info.Use, "sign+encrypt")
	equal(t, "state", info.State, StateInUse)
	waiting, err = s.KeyRequests(t.Context())
	must(t, err)
	equal(t, "waiting", len(waiting), 0)

	renewed, err := one(s.ImportCertificates(t.Context(), Import{Certificates: [][]byte{answer(t, root, made.PEM, 2).Raw}}))
	must(t, err)
	equal(t, "listed", len(s.list(t)), 2)
	shown, err := s.ShowCertificate(t.Context(), renewed.SHA256)
	must(t, err)
	equal(t, "chain of the renewal", shown[0].Chain, []string{root.Cert.Subject.String()})
	report, err := s.Check(t.Context())
	must(t, err)
	equal(t, "problems", report.Problems, nil)
}

// A key that waits goes also when its certificate comes with the key, and when it
// is forgotten.
func TestRequestsEnd(t *testing.T) {
	s := ours(t, "a.example")
	root := testnet.NewPKI(t, noon()).Root("root")
	made, err := s.MakeKeyRequest(t.Context(), KeyOrder{Owner: "a.example"})
	must(t, err)
	var key store.KeyRequest
	must(t, s.core.Store.View(t.Context(), func(tx store.Tx) error {
		all, err := tx.KeyRequests()
		key = all[0]
		return err
	}))
	pair := ImportedPair{Certificate: answer(t, root, made.PEM, 1).Raw, PKCS8: key.PKCS8}
	_, err = s.ImportCertificates(t.Context(), Import{Pairs: []ImportedPair{pair}})
	must(t, err)
	made, err = s.MakeKeyRequest(t.Context(), KeyOrder{Owner: "a.example", Use: "sign"})
	must(t, err)
	waiting, err := s.KeyRequests(t.Context())
	must(t, err)
	equal(t, "waiting", waiting, []KeyRequestInfo{made.KeyRequestInfo})
	_, err = s.ForgetKeyRequest(t.Context(), RequestName{made.ID[:10]})
	must(t, err)
	_, err = s.ForgetKeyRequest(t.Context(), RequestName{made.ID[:10]})
	isRefused(t, "again", err, Negative)
	_, err = s.ForgetKeyRequest(t.Context(), RequestName{"zz"})
	isRefused(t, "nonsense", err, Invalid)
	_, err = s.ImportCertificates(t.Context(), Import{Certificates: [][]byte{answer(t, root, made.PEM, 2).Raw}})
	isRefused(t, "a forgotten key's", err, Invalid)
	for what, order := range map[string]KeyOrder{"owner": {Owner: "a"}, "key": {Owner: "a.example", Key: "dsa"}, "use": {Owner: "a.example", Use: "x"}} {
		_, err = s.MakeKeyRequest(t.Context(), order)
		isRefused(t, what, err, Invalid)
	}
	_, err = s.MakeKeyRequest(t.Context(), KeyOrder{Owner: "b.example"})
	isRefused(t, "not ours", err, Negative)
}

// AS-21: of a pair of single-use certificates one signs and the other is encrypted
// to and published. Both are taken, or neither.
func TestAS21_SingleUsePairs(t *testing.T) {
	pki := testnet.NewPKI(t, noon())
	root := pki.Root("root")
	for name, key := range map[string][2]*testnet.Identity{
		"RSA": {root.Leaf("a.example", testnet.Usage(x509.KeyUsageDigitalSignature)), root.Leaf("a.example", testnet.Usage(x509.KeyUsageKeyEncipherment))},
		"EC": {root.Leaf("a.example", testnet.EC(elliptic.P256()), testnet.Usage(x509.KeyUsageDigitalSignature)),
			root.Leaf("a.example", testnet.EC(elliptic.P384()), testnet.Usage(x509.KeyUsageKeyAgreement))},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example")
			sign, encrypt := key[0], key[1]
			all, err := s.ImportCertificates(t.Context(), Import{Pairs: []ImportedPair{pairOf(sign), pairOf(encrypt)}})
			must(t, err)
			equal(t, "uses", []string{all[0].Use, all[1].Use}, []string{"sign", "encrypt"})
			equal(t, "published", []bool{all[0].Record != "", all[1].Record != ""}, []bool{false, true})
			dir, err := s.core.Directory(t.Context())
			must(t, err)
			bob := addressOf(t, "bob@a.example")
			signers := dir.Signers(bob, noon())
			equal(t, "signs", len(signers) == 1 && signers[0].Certificate.Equal(sign.Cert), true)
			certs := dir.Certificates(bob, noon())
			equal(t, "encrypts", len(certs) == 1 && certs[0].Equal(encrypt.Cert), true)
		})
	}
	t.Run("half", func(t *testing.T) {
		s := ours(t, "a.example")
		_, err := s.ImportCertificates(t.Context(), Import{Pairs: []ImportedPair{pairOf(root.Leaf("a.example")), pairOf(root.Leaf("b.example"))}})
		isRefused(t, "one is another domain's", err, Negative)
		equal(t, "stored", len(s.list(t)), 0)
	})
}

func addressOf(t *testing.T, text string) mime.Address {
	t.Helper()
	a, err := mime.ParseAddress(text)
	must(t, err)
	return a
}

// A retired certificate neither signs nor is encrypted to nor published; who is
// left without one is told.
func TestRetire(t *testing.T) {
	s := ours(t, "a.example")
	root := testnet.NewPKI(t, noon()).Root("root")
	domain, err := one(s.ImportCertificates(t.Context(), importOf(t, "", root.Leaf("a.example"))))
	must(t, err)
	alice, err := one(s.ImportCertificates(t.Context(), importOf(t, "", root.Leaf("alice@a.example"))))
	must(t, err)
	use := func() (signs, encrypts string) {
		t.Helper()
		dir, err := s.core.Directory(t.Context())
		must(t, err)
		a := addressOf(t, "alice@a.example")
		for _, sg := range dir.Signers(a, noon()) {
			signs += store.FingerprintOf(sg.Certificate.Raw).String()
		}
		for _, c := range dir.Certificates(a, noon()) {
			encrypts += store.FingerprintOf(c.Raw).String()
		}
		equal(t, "keys that decrypt", len(dir.Identities(a)), 2)
		return signs, encrypts
	}
	is := func(want string) {
		t.Helper()
		signs, encrypts := use()
		equal(t, "signs", signs, want)
		equal(t, "encrypts", encrypts, want)
	}
	is(alice.SHA256)
	done, err := s.RetireCertificate(t.Context(), Retire{SHA256: alice.SHA256[:8]})
	must(t, err)
	equal(t, "warnings", done.Warnings, []string{}) // the domain's serves her
	equal(t, "state", done.Certificate.State, StateRetired)
	equal(t, "record", done.Certificate.Record, "")
	is(domain.SHA256)
	done, err = s.RetireCertificate(t.Context(), Retire{SHA256: domain.SHA256})
	must(t, err)
	equal(t, "warnings", len(done.Warnings), 2)
	is("")
	done, err = s.RetireCertificate(t.Context(), Retire{SHA256: domain.SHA256, Undo: true})
	must(t, err)
	equal(t, "back", done.Certificate, domain)
	is(domain.SHA256)
	_, err = s.RetireCertificate(t.Context(), Retire{SHA256: domain.SHA256, Undo: true})
	isRefused(t, "undone again", err, Negative)
	_, err = s.RetireCertificate(t.Context(), Retire{SHA256: alice.SHA256})
	isRefused(t, "retired again", err, Negative)
	_, err = s.RetireCertificate(t.Context(), Retire{SHA256: strings.Repeat("0", 64)})
	isRefused(t, "none", err, Negative)
	again, err := one(s.ImportCertificates(t.Context(), importOf(t, "", root.Leaf("a.example"))))
	must(t, err)
	equal(t, "a new one is in use", again.State, StateInUse)
}

// A retired test CA issues nothing more: another takes its place.
func TestARetiredTestCAIsReplaced(t *testing.T) {
	s := ours(t, "a.example")
	first, err := s.IssueCertificate(t.Context(), KeyOrder{Owner: "a.example"})
	must(t, err)
	for _, c := range s.list(t) {
		if c.Owner == testCAOwner {
			equal(t, "TEST ONLY", c.Test, true)
			_, err = s.RetireCertificate(t.Context(), Retire{SHA256: c.SHA256})
			must(t, err)
		}
	}
	second, err := s.IssueCertificate(t.Context(), KeyOrder{Owner: "a.example", Key: "p384", Use: "encrypt"})
	must(t, err)
	if first.AnchorPEM == second.AnchorPEM {
		t.Error("the retired test CA has issued")
	}
	equal(t, "use", second.Certificate.Use, "encrypt")
	equal(t, "key", second.Certificate.Key, "EC P-384")
}

// What is exported and imported elsewhere is the same, and says there as well that
// it is TEST ONLY.
func TestExport(t *testing.T) {
	s, other := ours(t, "a.example"), ours(t, "a.example")
	issued, err := s.IssueCertificate(t.Context(), KeyOrder{Owner: "a.example"})
	must(t, err)
	for _, legacy := range []bool{false, true} {
		out, err := s.ExportCertificate(t.Context(), Export{SHA256: issued.Certificate.SHA256, Passphrase: []byte("correct horse"), Legacy: legacy})
		must(t, err)
		equal(t, "certificate", out.Certificate, issued.Certificate)
		pairs, err := keyfile.Read(out.File, func() ([]byte, error) { return []byte("correct horse"), nil })
		must(t, err)
		pkcs8, err := x509.MarshalPKCS8PrivateKey(pairs[0].Key)
		must(t, err)
		equal(t, "chain", len(pairs[0].Chain), 1)
		info, err := one(other.ImportCertificates(t.Context(), Import{Pairs: []ImportedPair{{Certificate: pairs[0].Certificate.Raw, PKCS8: pkcs8}}}))
		must(t, err)
		equal(t, "TEST ONLY", info.Test, true)
	}
	out, err := s.ExportCertificate(t.Context(), Export{SHA256: issued.Certificate.SHA256, CertificateOnly: true})
	must(t, err)
	equal(t, "certificates", strings.Count(string(out.File), "BEGIN CERTIFICATE"), 2)
	if strings.Contains(string(out.File), "PRIVATE") {
		t.Error("the private key is exported in clear")
	}
	for what, in := range map[string]Export{
		"no passphrase": {SHA256: issued.Certificate.SHA256},
		"too long":      {SHA256: issued.Certificate.SHA256, Passphrase: []byte(strings.Repeat("x", 2000))},
		"no name":       {},
	} {
		_, err := s.ExportCertificate(t.Context(), in)
		isRefused(t, what, err, Invalid)
	}
	_, err = s.ExportCertificate(t.Context(), Export{SHA256: strings.Repeat("0", 64), CertificateOnly: true})
	isRefused(t, "none", err, Negative)
}

// The state of a certificate follows the clock; one that is over is not published.
func TestStatesOfCertificates(t *testing.T) {
	leaf := testnet.NewPKI(t, noon()).Root("root").Leaf("a.example")
	k := store.Key{Owner: "a.example", Certificate: leaf.Cert.Raw, Fingerprint: store.FingerprintOf(leaf.Cert.Raw)}
	for _, tt := range []struct {
		years int
		want  string
	}{{-1, StateNotYetValid}, {0, StateInUse}, {2, StateExpired}} {
		info := infoOf(k, noon().AddDate(tt.years, 0, 0))
		equal(t, "state", info.State, tt.want)
		equal(t, "published", info.Record != "", tt.want == StateInUse)
	}
	k.Retired = noon()
	equal(t, "retired first of all", infoOf(k, noon().AddDate(2, 0, 0)).State, StateRetired)
}
