package control

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"postern/internal/keyfile"
	"postern/store"
	"postern/trust"
)

// A KeyRequestInfo is what may be shown of a key that waits for its certificate.
type KeyRequestInfo struct {
	ID      string    `json:"id"` // SHA-256 of the public key
	Owner   string    `json:"owner"`
	Key     string    `json:"key"` // kind and size
	Use     string    `json:"use"` // what was asked for: sign, encrypt, sign+encrypt, or "" if it is not known
	Created time.Time `json:"created"`
}

// A MadeRequest is a request for a certificate whose key was just made.
type MadeRequest struct {
	KeyRequestInfo
	PEM string `json:"pem"` // PKCS #10
}

// A RequestName names a key that waits by its ID or the start of it.
type RequestName struct {
	ID string `json:"id"`
}

// makeKeyRequest makes a key, keeps it, and returns the request for its
// certificate. The key never leaves the store.
func (s *Service) makeKeyRequest(ctx context.Context, in KeyOrder) (MadeRequest, error) {
	owner, domain, err := parseOwner(in.Owner)
	if err != nil {
		return MadeRequest{}, err
	}
	kind, use, err := in.parse()
	if err != nil {
		return MadeRequest{}, err
	}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error { return requireOurs(tx, domain) }) // before the work
	if err != nil {
		return MadeRequest{}, err
	}
	key, err := kind.Generate()
	if err != nil {
		return MadeRequest{}, fmt.Errorf("making a key: %w", err)
	}
	der, err := keyfile.NewRequest(key, in.Owner, use)
	if err != nil {
		return MadeRequest{}, invalid(err, "")
	}
	request, err := keyRequest(owner, key, use, s.Core.Now())
	if err != nil {
		return MadeRequest{}, err
	}
	err = s.change(ctx, "key request "+request.ID.String(), "made for "+owner, func(tx store.Tx) error {
		err := requireOurs(tx, domain)
		if err != nil {
			return err
		}
		return tx.PutKeyRequest(request)
	})
	if err != nil {
		return MadeRequest{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}) // RFC 7468 §7
	return MadeRequest{requestInfo(request), string(text)}, nil
}

func keyRequest(owner string, key crypto.Signer, use keyfile.Use, now time.Time) (store.KeyRequest, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return store.KeyRequest{}, fmt.Errorf("storing a key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return store.KeyRequest{}, fmt.Errorf("storing a key: %w", err)
	}
	return store.KeyRequest{ID: store.FingerprintOf(public), Owner: owner, PKCS8: pkcs8, Created: now, Use: string(use)}, nil
}

func requestInfo(r store.KeyRequest) KeyRequestInfo {
	info := KeyRequestInfo{ID: r.ID.String(), Owner: r.Owner, Key: "cannot be read", Use: requestedUse(r), Created: r.Created}
	private, err := x509.ParsePKCS8PrivateKey(r.PKCS8)
	signer, ok := private.(crypto.Signer)
	if err == nil && ok {
		info.Key = publicKind(signer.Public())
	}
	return info
}

// requestedUse is the use in the words that certificates of ours have for it.
func requestedUse(r store.KeyRequest) string {
	if r.Use == string(keyfile.Both) {
		return trust.Sign.String() + "+" + trust.Encrypt.String()
	}
	return r.Use
}

func (s *Service) listKeyRequests(ctx context.Context, _ None) (all []KeyRequestInfo, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		requests, err := tx.KeyRequests()
		all = nil
		for _, r := range requests {
			all = append(all, requestInfo(r))
		}
		return err
	})
	return all, err
}

// forgetKeyRequest removes a key that waits: a certificate for it can no longer
// be used.
func (s *Service) forgetKeyRequest(ctx context.Context, in RequestName) (forgotten KeyRequestInfo, err error) {
	prefix, err := parsePrefix(in.ID, "postern cert csr --list")
	if err != nil {
		return KeyRequestInfo{}, err
	}
	err = s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		requests, err := tx.KeyRequests()
		if err != nil {
			return deed{}, err
		}
		found := byPrefix(requests, prefix, func(r store.KeyRequest) store.Fingerprint { return r.ID })
		r, err := onlyOne(found, &Error{Kind: Negative, Message: "no such key waits for its certificate", Hint: "postern cert csr --list shows those that do"})
		if err != nil {
			return deed{}, err
		}
		forgotten = requestInfo(r)
		return deed{object: "key request " + r.ID.String(), detail: "forgotten, of " + r.Owner}, tx.RemoveKeyRequest(r.ID)
	})
	return forgotten, err
}
