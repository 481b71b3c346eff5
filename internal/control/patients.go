package control

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/mime"
	"postern/store"
	"postern/trust"
)

// A PatientOrder says whether a patient controls an account's address.
type PatientOrder struct {
	Address string `json:"address"`
	Patient bool   `json:"patient"`
}

func (s *Service) setPatient(ctx context.Context, in PatientOrder) (None, error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return None{}, err
	}
	how := "not a patient's"
	if in.Patient {
		how = "a patient's"
	}
	return None{}, s.change(ctx, accountObject(address), how, func(tx store.Tx) error {
		a, err := accountOf(tx, address)
		if err != nil {
			return err
		}
		if in.Patient {
			err = checkPatient(tx, address, s.Core.Now())
			if err == nil {
				err = checkPatientAliases(tx, address, s.Core.Now())
			}
			if err != nil {
				return err
			}
		}
		a.Patient = in.Patient
		return tx.PutAccount(a)
	})
}

// checkPatient refuses an address that a patient is to control unless it has
// certificates of its own to sign and to be encrypted to, and none, now or later,
// that speaks for others as well (BB-35).
func checkPatient(tx store.Tx, address mime.Address, now time.Time) error {
	keys, err := tx.KeysOf(address.Key())
	if err != nil {
		return err
	}
	var uses []trust.Purpose
	for _, k := range keys {
		c, err := x509.ParseCertificate(k.Certificate)
		if err != nil || !k.Retired.IsZero() || now.After(c.NotAfter) {
			continue
		}
		if !namesAlone(c, address) {
			return &Error{Kind: Negative, Message: fmt.Sprintf("a certificate of %s speaks for its domain or for others as well", address),
				Hint: fmt.Sprintf("a patient's address has its own: postern cert retire %s", k.Fingerprint.String()[:16])}
		}
		if stateOf(k, c, now) == StateInUse {
			uses = append(uses, usesOf(c)...)
		}
	}
	for _, need := range []struct {
		use  trust.Purpose
		what string
	}{{trust.Encrypt, "be encrypted to"}, {trust.Sign, "sign"}} {
		if !slices.Contains(uses, need.use) {
			return &Error{Kind: Negative,
				Message: fmt.Sprintf("%s has no certificate of its own, in use and in date, to %s, as a patient's address must", address, need.what),
				Hint:    fmt.Sprintf("postern cert csr %s makes the request for one, postern cert import FILE --for %s brings it", address, address)}
		}
	}
	return nil
}

// namesAlone reports whether the subjectAltName of a certificate has an address
// and nothing else that it could speak for. Whatever profile we judge others by,
// they may judge it by any.
func namesAlone(c *x509.Certificate, address mime.Address) bool {
	by, bound := trust.Binds(c, address, trust.V13)
	return bound && by == trust.ByAddress
}

// isPatient reports whether a patient controls an owner of keys.
func isPatient(tx store.Tx, owner string) (bool, error) {
	if !strings.Contains(owner, "@") {
		return false, nil
	}
	address, err := mime.ParseAddress(owner)
	if err != nil {
		return false, err
	}
	a, err := ownerAccount(tx, address)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return a.Patient, err
}

// checkPatientKey refuses a certificate for a patient's address that others share.
func checkPatientKey(tx store.Tx, k store.Key) error {
	patient, err := isPatient(tx, k.Owner)
	if err != nil || !patient {
		return err
	}
	address, err := mime.ParseAddress(k.Owner)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(k.Certificate)
	if err != nil {
		return err
	}
	if !namesAlone(leaf, address) {
		return &Error{Kind: Invalid, Message: fmt.Sprintf("the certificate speaks for the domain or for others beside %s, which is a patient's address", address),
			Hint: "its subjectAltName must hold exactly " + address.String()}
	}
	return nil
}
