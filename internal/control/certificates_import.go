package control

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
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

// An Import is what a file holds, on the way into the store: all of it, or
// nothing if one part is refused.
type Import struct {
	Owner string         `json:"owner"` // address or domain; "" takes it from each certificate
	Pairs []ImportedPair `json:"pairs"`
	// Certificates came without a private key. Those among them that belong to a
	// key of ours are stored with it, the others are their chain.
	Certificates [][]byte `json:"certificates"`
}

// An ImportedPair is a certificate with its private key.
type ImportedPair struct {
	Certificate []byte   `json:"certificate"`
	Chain       [][]byte `json:"chain"`
	PKCS8       []byte   `json:"pkcs8"`
}

// A candidate is a certificate and its key before they are stored.
type candidate struct {
	ImportedPair
	owner string // asked for
}

func (s *Service) importCertificates(ctx context.Context, in Import) ([]CertificateInfo, error) {
	var candidates []candidate
	for _, p := range in.Pairs {
		candidates = append(candidates, candidate{p, in.Owner})
	}
	answers, err := s.answers(ctx, in)
	if err != nil {
		return nil, err
	}
	candidates = append(candidates, answers...)
	if len(candidates) == 0 {
		return nil, &Error{Kind: Invalid, Message: "the file has no private key, and no key here waits for its certificate",
			Hint: "export certificate and key together; or let postern cert csr make the key here"}
	}
	var keys []store.Key
	var leaves []*x509.Certificate
	for _, c := range candidates {
		key, leaf, err := s.checked(c)
		if err != nil {
			return nil, err
		}
		keys, leaves = append(keys, key), append(leaves, leaf)
	}
	err = s.Core.Store.Update(ctx, func(tx store.Tx) error {
		for i := range keys {
			err := putImported(tx, &keys[i], leaves[i])
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []CertificateInfo
	for i, k := range keys {
		all = append(all, certificateInfo(k, leaves[i], s.Core.Now()))
	}
	return all, nil
}

// checked makes of a candidate what is to be stored, or refuses it.
func (s *Service) checked(c candidate) (store.Key, *x509.Certificate, error) {
	leaf, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return store.Key{}, nil, invalid(fmt.Errorf("reading the certificate: %w", err), "")
	}
	owner, _, err := ownerOf(c.owner, leaf)
	if err != nil {
		return store.Key{}, nil, err
	}
	err = checkUsable(leaf, owner, s.Core.Now())
	if err != nil {
		return store.Key{}, nil, err
	}
	key := store.Key{
		Fingerprint: store.FingerprintOf(leaf.Raw), Owner: owner, Certificate: leaf.Raw,
		Chain: c.Chain, PKCS8: c.PKCS8, Test: testca.Made(leaf), Created: s.Core.Now(),
	}
	return key, leaf, checkKey(key)
}

// putImported stores a key. One that is there already stays as new and as retired
// as it is; a request that is answered is over.
func putImported(tx store.Tx, k *store.Key, leaf *x509.Certificate) error {
	_, domain, err := parseOwner(k.Owner)
	if err != nil {
		return err
	}
	err = requireOurs(tx, domain)
	if err != nil {
		return err
	}
	old, err := tx.Key(k.Fingerprint)
	switch {
	case err == nil:
		k.Created, k.Retired, k.Test = old.Created, old.Retired, old.Test
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	err = tx.RemoveKeyRequest(store.FingerprintOf(leaf.RawSubjectPublicKeyInfo))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return tx.PutKey(*k)
}

// answers finds the private keys of certificates that came without one: a key
// that waits for its certificate, or that of a certificate which this one renews.
func (s *Service) answers(ctx context.Context, in Import) (found []candidate, err error) {
	var all []*x509.Certificate
	for _, der := range in.Certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, invalid(fmt.Errorf("reading a certificate: %w", err), "")
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, nil
	}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		ours, err := ownKeys(tx)
		if err != nil {
			return err
		}
		found = nil
		for _, c := range all {
			own, ok := ours[store.FingerprintOf(c.RawSubjectPublicKeyInfo)]
			if !ok {
				continue
			}
			answer := candidate{ImportedPair{Certificate: c.Raw, PKCS8: own.PKCS8}, own.Owner}
			if in.Owner != "" {
				answer.owner = in.Owner
			}
			for _, issuer := range keyfile.ChainOf(c, append(slices.Clone(all), own.issuers...)) {
				answer.Chain = append(answer.Chain, issuer.Raw)
			}
			found = append(found, answer)
		}
		return nil
	})
	return found, err
}

// An ownKey is a private key of ours, with the issuers that are stored with it.
type ownKey struct {
	store.KeyRequest
	issuers []*x509.Certificate
}

// ownKeys returns our keys by the SHA-256 of their SubjectPublicKeyInfo. What
// cannot be read is left out.
func ownKeys(tx store.Tx) (map[store.Fingerprint]ownKey, error) {
	ours := make(map[store.Fingerprint]ownKey)
	keys, err := tx.Keys()
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		leaf, err := x509.ParseCertificate(k.Certificate)
		if err != nil || k.Owner == testCAOwner {
			continue
		}
		own := ownKey{KeyRequest: store.KeyRequest{Owner: k.Owner, PKCS8: k.PKCS8}}
		for _, der := range k.Chain {
			issuer, err := x509.ParseCertificate(der)
			if err == nil {
				own.issuers = append(own.issuers, issuer)
			}
		}
		ours[store.FingerprintOf(leaf.RawSubjectPublicKeyInfo)] = own
	}
	requests, err := tx.KeyRequests()
	for _, r := range requests {
		ours[r.ID] = ownKey{KeyRequest: r}
	}
	return ours, err
}

// checkKey refuses what the gateway could not load.
func checkKey(k store.Key) error {
	id, err := gateway.ParseIdentity(k)
	if err != nil {
		return invalid(err, "give PKCS #12, or PEM with the key and its chain")
	}
	if !keyfile.Matches(id.Leaf, id.Signer.Public()) {
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
	return &Error{Kind: Invalid, Message: o.Public + ": " + plain(v.Detail, maxDetail), Hint: o.Hint}
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
	return &Error{Kind: Invalid, Message: "the certificate is not for " + plain(name, maxSubject),
		Hint: singleName}
}
