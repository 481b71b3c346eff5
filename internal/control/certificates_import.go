package control

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"postern/internal/gateway"
	"postern/internal/keyfile"
	"postern/internal/testca"
	"postern/store"
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

// An ImportedCertificate is a certificate that was stored.
type ImportedCertificate struct {
	CertificateInfo
	Warnings []string `json:"warnings"` // what will not work with it as it came
}

func (s *Service) importCertificates(ctx context.Context, in Import) ([]ImportedCertificate, error) {
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
	err = s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		for i := range keys {
			err := putImported(tx, &keys[i], leaves[i])
			if err != nil {
				return deed{}, err
			}
		}
		return keysDeed("imported", keys...), nil
	})
	if err != nil {
		return nil, err
	}
	var all []ImportedCertificate
	for i, k := range keys {
		all = append(all, ImportedCertificate{certificateInfo(k, leaves[i], s.Core.Now()), importWarnings(k, leaves[i])})
	}
	return all, nil
}

// checked makes of a candidate what is to be stored, or refuses it.
func (s *Service) checked(c candidate) (store.Key, *x509.Certificate, error) {
	leaf, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return store.Key{}, nil, invalid(fmt.Errorf("reading the certificate: %w", err), "")
	}
	owner, err := ownerOf(c.owner, leaf, s.Core.Profile)
	if err != nil {
		return store.Key{}, nil, err
	}
	err = checkUsable(leaf, owner, s.Core.Profile, s.Core.Now())
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
	err = checkPatientKey(tx, *k)
	if err != nil {
		return err
	}
	old, err := tx.Key(k.Fingerprint)
	switch {
	case err == nil:
		k.Created, k.Retired, k.Test = old.Created, old.Retired, old.Test
	case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrCorrupt): // which it takes the place of
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
		if err != nil || k.Owner == testCAOwner || k.Damaged {
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
		if !r.Damaged {
			ours[r.ID] = ownKey{KeyRequest: r}
		}
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
