package control

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/gateway"
	"postern/internal/keyfile"
	"postern/internal/testca"
	"postern/mime"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// An Import is a certificate with its private key on the way into the store.
type Import struct {
	Owner       string   `json:"owner"` // address or domain; "" takes it from the certificate
	Certificate []byte   `json:"certificate"`
	Chain       [][]byte `json:"chain"`
	PKCS8       []byte   `json:"pkcs8"`
}

// A CertificateInfo is what may be shown of a certificate of ours.
type CertificateInfo struct {
	SHA256    string    `json:"sha256"`
	Owner     string    `json:"owner"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Use       string    `json:"use"` // sign, encrypt, sign+encrypt, or none if it cannot be read
	Test      bool      `json:"test"`
	Retired   bool      `json:"retired"`
	// Record is the line of a zone file that publishes it, "" if there is
	// nothing to publish.
	Record string `json:"dns_record,omitempty"`
}

// A ShownCertificate is a certificate of ours with all that it says.
type ShownCertificate struct {
	CertificateInfo
	Details
	Chain []string `json:"chain"` // subjects of the issuers that are stored with it
}

// An Issue asks the local test CA for a certificate.
type Issue struct {
	Owner string `json:"owner"`
}

// An Issued is a certificate of the local test CA and that CA's own, which
// others load as an anchor.
type Issued struct {
	Certificate CertificateInfo `json:"certificate"`
	AnchorPEM   string          `json:"anchor_pem"`
}

// testCAOwner is the owner of the local test CA's key. It is neither an address
// nor a domain, so it never signs or opens a message.
const testCAOwner = "test-ca"

func (s *Service) handleCertificates(mux *http.ServeMux) {
	handle(mux, commandBytes, "cert/import", s.importCertificate)
	handle(mux, commandBytes, "cert/list", s.listCertificates)
	handle(mux, commandBytes, "cert/show", s.showCertificate)
	handle(mux, commandBytes, "cert/issue", s.issueCertificate)
}

func (s *Service) importCertificate(ctx context.Context, in Import) (CertificateInfo, error) {
	leaf, err := x509.ParseCertificate(in.Certificate)
	if err != nil {
		return CertificateInfo{}, invalid(fmt.Errorf("reading the certificate: %w", err), "")
	}
	owner, domain, err := ownerOf(in.Owner, leaf)
	if err != nil {
		return CertificateInfo{}, err
	}
	err = checkUsable(leaf, owner, s.Core.Now())
	if err != nil {
		return CertificateInfo{}, err
	}
	key := store.Key{
		Fingerprint: store.FingerprintOf(leaf.Raw), Owner: owner, Certificate: leaf.Raw,
		Chain: in.Chain, PKCS8: in.PKCS8, Created: s.Core.Now(),
	}
	err = checkKey(key)
	if err != nil {
		return CertificateInfo{}, err
	}
	err = s.Core.Store.Update(ctx, func(tx store.Tx) error {
		err := requireOurs(tx, domain)
		if err != nil {
			return err
		}
		return tx.PutKey(key)
	})
	return certificateInfo(key, leaf), err
}

// checkKey refuses what the gateway could not load.
func checkKey(k store.Key) error {
	id, err := gateway.ParseIdentity(k)
	if err != nil {
		return invalid(err, "give PKCS #12, or PEM with the key and its chain")
	}
	public, ok := id.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(id.Leaf.PublicKey) {
		return &Error{Kind: Invalid, Message: "the private key is not that of the certificate"}
	}
	return nil
}

// checkUsable refuses a certificate that every peer would refuse: one that is an
// authority's, out of date, or with a key or a usage that is not allowed. Whether
// peers trust its issuer is theirs to say, so that it is judged as its own anchor.
func checkUsable(leaf *x509.Certificate, owner string, now time.Time) error {
	if leaf.IsCA {
		return invalid(errors.New("the certificate is an authority's, not an end entity's"), reason.WrongUsage.Outcome().Hint)
	}
	if !strings.Contains(owner, "@") {
		owner = "postmaster@" + owner // any address of the domain
	}
	address, err := mime.ParseAddress(owner)
	if err != nil {
		return err
	}
	verdict := func(p trust.Purpose) trust.Verdict {
		return trust.Judge(trust.Params{Certificate: leaf, Purpose: p, Address: address, At: now,
			Anchors: trust.NewAnchors([]*x509.Certificate{leaf}), Profile: trust.V13})
	}
	v := verdict(trust.Sign)
	if v.Code == reason.WrongUsage && gateway.MayEncryptTo(leaf) {
		v = verdict(trust.Encrypt) // one of a pair, the other of which signs
	}
	if v.Code.IsOK() {
		return nil
	}
	o := v.Code.Outcome()
	return &Error{Kind: Invalid, Message: o.Public + ": " + v.Detail, Hint: o.Hint}
}

// ownerOf finds whom a certificate is for, and refuses one that does not name
// its owner: peers would refuse it too (AS-11).
func ownerOf(asked string, leaf *x509.Certificate) (owner string, domain mime.Domain, err error) {
	if asked == "" {
		names := append(append([]string{}, leaf.EmailAddresses...), leaf.DNSNames...)
		if len(names) != 1 {
			return "", "", &Error{Kind: Invalid, Message: fmt.Sprintf("the certificate names %d addresses and domains", len(names)),
				Hint: singleName}
		}
		asked = names[0]
	}
	if strings.Contains(asked, "@") {
		a, err := mime.ParseAddress(asked)
		if err != nil {
			return "", "", err
		}
		_, bound := trust.Binds(leaf, a, trust.V13)
		if !bound {
			return "", "", wrongOwner(asked)
		}
		return a.Key(), a.Domain(), nil
	}
	domain, err = mime.ParseDomain(asked)
	if err != nil {
		return "", "", err
	}
	a, err := mime.NewAddress("postmaster", domain)
	if err != nil {
		return "", "", err
	}
	// It may bind postmaster by an address of its own, so that the domain is
	// looked for by itself.
	_, bound := trust.Binds(leaf, a, trust.V13)
	named := slices.ContainsFunc(leaf.DNSNames, func(name string) bool {
		d, err := mime.ParseDomain(name)
		return err == nil && d == domain
	})
	if !bound || !named {
		return "", "", wrongOwner(asked)
	}
	return string(domain), domain, nil
}

// singleName is AS-17, to which agents of v1.3 hold a certificate.
const singleName = "its subjectAltName must hold the address, or exactly the domain as dNSName, and no other name"

func wrongOwner(name string) error {
	return &Error{Kind: Invalid, Message: "the certificate is not for " + name,
		Hint: singleName}
}

func (s *Service) listCertificates(ctx context.Context, _ None) (all []CertificateInfo, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		keys, err := tx.Keys()
		if err != nil {
			return err
		}
		all = nil
		for _, k := range keys {
			leaf, err := x509.ParseCertificate(k.Certificate)
			if err != nil { // the others are shown all the same; store check tells more
				all = append(all, CertificateInfo{SHA256: k.Fingerprint.String(), Owner: k.Owner, Subject: "cannot be read", Use: "none"})
				continue
			}
			all = append(all, certificateInfo(k, leaf))
		}
		return nil
	})
	return all, err
}

func certificateInfo(k store.Key, leaf *x509.Certificate) CertificateInfo {
	info := CertificateInfo{
		SHA256: k.Fingerprint.String(), Owner: k.Owner,
		Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(),
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, Test: k.Test, Retired: !k.Retired.IsZero(),
	}
	var uses []string
	if trust.MayUse(leaf, trust.Sign) {
		uses = append(uses, "sign")
	}
	if gateway.MayEncryptTo(leaf) {
		uses = append(uses, "encrypt")
	}
	info.Use = strings.Join(uses, "+")
	if k.Owner == testCAOwner {
		info.Use = "issue test certificates"
		return info
	}
	info.Record = certRecord(k.Owner, leaf)
	return info
}

// showCertificate returns all that a certificate of ours says.
func (s *Service) showCertificate(ctx context.Context, in Fingerprint) (found []ShownCertificate, err error) {
	prefix, err := parsePrefix(in.SHA256, "postern cert list")
	if err != nil {
		return nil, err
	}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		keys, err := tx.Keys()
		if err != nil {
			return err
		}
		found = nil
		for _, k := range keys {
			if !strings.HasPrefix(k.Fingerprint.String(), prefix) {
				continue
			}
			shown, err := shownCertificate(k)
			if err != nil {
				return err
			}
			found = append(found, shown)
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = &Error{Kind: Negative, Message: "there is no such certificate", Hint: "postern cert list shows ours"}
	}
	return found, err
}

func shownCertificate(k store.Key) (ShownCertificate, error) {
	leaf, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return ShownCertificate{}, fmt.Errorf("certificate %s: %w", k.Fingerprint, err)
	}
	shown := ShownCertificate{certificateInfo(k, leaf), detailsOf(leaf), []string{}}
	for _, der := range k.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return ShownCertificate{}, fmt.Errorf("chain of the certificate %s: %w", k.Fingerprint, err)
		}
		shown.Chain = append(shown.Chain, c.Subject.String())
	}
	return shown, nil
}

// issueCertificate issues from the local test CA, which is made on first use.
func (s *Service) issueCertificate(ctx context.Context, in Issue) (Issued, error) {
	owner, domain, err := parseOwner(in.Owner)
	if err != nil {
		return Issued{}, err
	}
	// Two at once on a new store would each make an authority.
	s.issuing.Lock()
	defer s.issuing.Unlock()
	now := s.Core.Now()
	authority, fresh, err := s.testCA(ctx, now)
	if err != nil {
		return Issued{}, err
	}
	pair, err := testca.Issue(authority, owner, now)
	if err != nil {
		return Issued{}, fmt.Errorf("issuing a test certificate: %w", err)
	}
	key, err := keyOf(owner, pair, now)
	if err != nil {
		return Issued{}, err
	}
	err = s.Core.Store.Update(ctx, func(tx store.Tx) error {
		err := requireOurs(tx, domain)
		if err != nil {
			return err
		}
		if fresh != nil {
			err := tx.PutKey(*fresh)
			if err != nil {
				return err
			}
		}
		return tx.PutKey(key)
	})
	if err != nil {
		return Issued{}, err
	}
	anchor := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate.Raw})
	return Issued{Certificate: certificateInfo(key, pair.Certificate), AnchorPEM: string(anchor)}, nil
}

// parseOwner reads an address or a domain as the store names owners of keys.
func parseOwner(text string) (owner string, domain mime.Domain, err error) {
	if strings.Contains(text, "@") {
		a, err := mime.ParseAddress(text)
		return a.Key(), a.Domain(), err
	}
	domain, err = mime.ParseDomain(text)
	return string(domain), domain, err
}

// testCA returns the local test CA; fresh is the key to store when it was made
// just now. A CA in its last year is replaced, so that what it issues lasts.
func (s *Service) testCA(ctx context.Context, now time.Time) (authority *keyfile.Pair, fresh *store.Key, err error) {
	var stored []store.Key
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		stored, err = tx.KeysOf(testCAOwner)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, k := range stored {
		id, err := gateway.ParseIdentity(k)
		if err != nil {
			return nil, nil, fmt.Errorf("loading the test CA: %w", err)
		}
		if now.Before(id.Leaf.NotAfter.AddDate(-1, 0, 0)) {
			return &keyfile.Pair{Certificate: id.Leaf, Key: id.Signer}, nil, nil
		}
	}
	authority, err = testca.New(now)
	if err != nil {
		return nil, nil, fmt.Errorf("making the test CA: %w", err)
	}
	key, err := keyOf(testCAOwner, authority, now)
	return authority, &key, err
}

func keyOf(owner string, p *keyfile.Pair, now time.Time) (store.Key, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		return store.Key{}, fmt.Errorf("storing a test key: %w", err)
	}
	key := store.Key{
		Fingerprint: store.FingerprintOf(p.Certificate.Raw), Owner: owner,
		Certificate: p.Certificate.Raw, PKCS8: pkcs8, Test: true, Created: now,
	}
	for _, c := range p.Chain {
		key.Chain = append(key.Chain, c.Raw)
	}
	return key, nil
}
