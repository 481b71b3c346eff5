package control

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"time"

	"postern/internal/gateway"
	"postern/store"
	"postern/trust"
)

// A CertificateInfo is what may be shown of a certificate of ours.
type CertificateInfo struct {
	SHA256    string    `json:"sha256"`
	Owner     string    `json:"owner"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Use       string    `json:"use"`   // sign, encrypt, sign+encrypt, or none if it cannot be read
	Key       string    `json:"key"`   // kind and size
	State     string    `json:"state"` // one of the States
	Test      bool      `json:"test"`  // TEST ONLY
	// Record is the line of a zone file that publishes it, "" if there is
	// nothing to publish.
	Record string `json:"dns_record,omitempty"`
}

// States of a certificate of ours. Only one that is in use signs, is encrypted to
// and is published; the keys of all decrypt.
const (
	StateInUse       = "in use"
	StateRetired     = "retired"
	StateExpired     = "expired"
	StateNotYetValid = "not yet valid"
	StateUnreadable  = "cannot be read"
)

// A ShownCertificate is a certificate of ours with all that it says.
type ShownCertificate struct {
	CertificateInfo
	Details
	Chain []string `json:"chain"` // subjects of the issuers that are stored with it
}

// A CertificateFilter says which certificates to list.
type CertificateFilter struct {
	Owner string `json:"owner"` // of exactly this address or domain; "" is all
}

// testCAOwner is the owner of the local test CA's key. It is neither an address
// nor a domain, so it never signs or opens a message.
const testCAOwner = "test-ca"

func (s *Service) handleCertificates(mux *http.ServeMux) {
	handle(mux, commandBytes, "cert/import", s.importCertificates)
	handle(mux, commandBytes, "cert/list", s.listCertificates)
	handle(mux, commandBytes, "cert/show", s.showCertificate)
	handle(mux, commandBytes, "cert/issue", s.issueCertificate)
	handle(mux, commandBytes, "cert/export", s.exportCertificate)
	handle(mux, commandBytes, "cert/retire", s.retireCertificate)
	handle(mux, commandBytes, "cert/csr", s.makeKeyRequest)
	handle(mux, commandBytes, "cert/csr/list", s.listKeyRequests)
	handle(mux, commandBytes, "cert/csr/forget", s.forgetKeyRequest)
}

func (s *Service) listCertificates(ctx context.Context, in CertificateFilter) (all []CertificateInfo, err error) {
	owner := ""
	if in.Owner != "" && in.Owner != testCAOwner {
		owner, _, err = parseOwner(in.Owner)
		if err != nil {
			return nil, err
		}
	}
	now := s.Core.Now()
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		keys, err := tx.Keys()
		if err != nil {
			return err
		}
		all = nil
		for _, k := range keys {
			if in.Owner == "" || k.Owner == owner || k.Owner == in.Owner {
				all = append(all, infoOf(k, now))
			}
		}
		return nil
	})
	return all, err
}

// infoOf tells also of what cannot be read; store check tells more of it.
func infoOf(k store.Key, now time.Time) CertificateInfo {
	leaf, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return CertificateInfo{SHA256: k.Fingerprint.String(), Owner: k.Owner, Subject: "cannot be read", Use: "none", State: StateUnreadable}
	}
	return certificateInfo(k, leaf, now)
}

func certificateInfo(k store.Key, leaf *x509.Certificate, now time.Time) CertificateInfo {
	info := CertificateInfo{
		SHA256: k.Fingerprint.String(), Owner: k.Owner,
		Subject: subjectOf(leaf), Issuer: issuerOf(leaf),
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Key: keyKind(leaf), State: stateOf(k, leaf, now), Test: k.Test,
	}
	if k.Owner == testCAOwner {
		info.Use = "issue test certificates"
		return info
	}
	var uses []string
	for _, u := range usesOf(leaf) {
		uses = append(uses, u.String())
	}
	info.Use = strings.Join(uses, "+")
	if info.State == StateInUse {
		info.Record = certRecord(k.Owner, leaf)
	}
	return info
}

func stateOf(k store.Key, leaf *x509.Certificate, now time.Time) string {
	switch {
	case k.Damaged:
		return StateUnreadable
	case !k.Retired.IsZero():
		return StateRetired
	case now.After(leaf.NotAfter):
		return StateExpired
	case now.Before(leaf.NotBefore):
		return StateNotYetValid
	}
	return StateInUse
}

// usesOf returns what a certificate of ours is good for (AS-20, AS-21).
func usesOf(leaf *x509.Certificate) []trust.Purpose {
	var uses []trust.Purpose
	if trust.MayUse(leaf, trust.Sign) {
		uses = append(uses, trust.Sign)
	}
	if gateway.MayEncryptTo(leaf) {
		uses = append(uses, trust.Encrypt)
	}
	return uses
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
		for _, k := range byPrefix(keys, prefix, fingerprintOf) {
			shown, err := shownCertificate(k, s.Core.Now())
			if err != nil {
				return err
			}
			found = append(found, shown)
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = noSuchCertificate()
	}
	return found, err
}

func shownCertificate(k store.Key, now time.Time) (ShownCertificate, error) {
	leaf, err := x509.ParseCertificate(k.Certificate)
	if err != nil && k.Damaged {
		return ShownCertificate{CertificateInfo: infoOf(k, now), Chain: []string{}}, nil
	}
	if err != nil {
		return ShownCertificate{}, fmt.Errorf("certificate %s: %w", k.Fingerprint, err)
	}
	shown := ShownCertificate{certificateInfo(k, leaf, now), detailsOf(leaf), []string{}}
	for _, der := range k.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return ShownCertificate{}, fmt.Errorf("chain of the certificate %s: %w", k.Fingerprint, err)
		}
		shown.Chain = append(shown.Chain, subjectOf(c))
	}
	return shown, nil
}

// findKey returns the one key of ours whose certificate's fingerprint begins so.
func findKey(tx store.Tx, prefix string) (store.Key, error) {
	keys, err := tx.Keys()
	if err != nil {
		return store.Key{}, err
	}
	return onlyOne(byPrefix(keys, prefix, fingerprintOf), noSuchCertificate())
}

func fingerprintOf(k store.Key) store.Fingerprint { return k.Fingerprint }

func noSuchCertificate() *Error {
	return &Error{Kind: Negative, Message: "there is no such certificate", Hint: "postern cert list shows ours"}
}
