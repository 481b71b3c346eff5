package control

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"postern/internal/gateway"
	"postern/internal/keyfile"
	"postern/internal/testca"
	"postern/mime"
	"postern/store"
)

// A KeyOrder asks for a new key and what certifies it.
type KeyOrder struct {
	Owner string `json:"owner"` // address or domain
	Key   string `json:"key"`   // a keyfile.Kind; "" is RSA of 2048 bits
	Use   string `json:"use"`   // a keyfile.Use; "" is both
}

func (o KeyOrder) parse() (keyfile.Kind, keyfile.Use, error) {
	kind, err := keyfile.ParseKind(o.Key)
	if err != nil {
		return "", "", invalid(err, "--key says which")
	}
	use, err := keyfile.ParseUse(o.Use)
	if err != nil {
		return "", "", invalid(err, "--use says what the certificate is for; both is the default")
	}
	return kind, use, nil
}

// An Issued is a certificate of the local test CA and that CA's own, which
// others load as an anchor.
type Issued struct {
	Certificate CertificateInfo `json:"certificate"`
	AnchorPEM   string          `json:"anchor_pem"`
}

// issueCertificate issues from the local test CA, which is made on first use.
func (s *Service) issueCertificate(ctx context.Context, in KeyOrder) (Issued, error) {
	owner, domain, err := parseOwner(in.Owner)
	if err != nil {
		return Issued{}, err
	}
	kind, use, err := in.parse()
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
	pair, err := testca.Issue(authority, testca.Order{Owner: owner, Kind: kind, Use: use}, now)
	if err != nil {
		return Issued{}, fmt.Errorf("issuing a test certificate: %w", err)
	}
	key, err := keyOf(owner, pair, now)
	if err != nil {
		return Issued{}, err
	}
	err = s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		err := requireOurs(tx, domain)
		if err != nil {
			return deed{}, err
		}
		if fresh != nil {
			err := tx.PutKey(*fresh)
			if err != nil {
				return deed{}, err
			}
		}
		return keysDeed("issued by the local test CA", key), tx.PutKey(key)
	})
	if err != nil {
		return Issued{}, err
	}
	anchor := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate.Raw})
	return Issued{Certificate: certificateInfo(key, pair.Certificate, now), AnchorPEM: string(anchor)}, nil
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
// just now. A CA that is retired or in its last year is replaced, so that what it issues lasts.
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
		if !k.Retired.IsZero() || k.Damaged {
			continue
		}
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
