package control

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/store"
	"postern/trust"
)

// A Retire takes a certificate of ours out of use, or with Undo back into it. Its
// key goes on to decrypt, unless it is damaged: it is good for nothing, and is removed.
type Retire struct {
	SHA256 string `json:"sha256"` // or the start of it
	Undo   bool   `json:"undo"`
}

// A Retired is a certificate that was retired or taken back, and what its owner
// is without by that.
type Retired struct {
	Certificate CertificateInfo `json:"certificate"`
	Warnings    []string        `json:"warnings"`
}

func (s *Service) retireCertificate(ctx context.Context, in Retire) (answer Retired, err error) {
	prefix, err := parsePrefix(in.SHA256, "postern cert list")
	if err != nil {
		return Retired{}, err
	}
	now := s.Core.Now()
	err = s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		k, err := findKey(tx, prefix)
		if err != nil {
			return deed{}, err
		}
		if k.Damaged {
			answer, err = dropDamaged(tx, k, in, now)
			return keysDeed("removed, as it is damaged", k), err
		}
		how := "retired"
		if in.Undo {
			how = "back in use"
		}
		switch retired := !k.Retired.IsZero(); {
		case in.Undo && !retired:
			return deed{}, &Error{Kind: Negative, Message: "the certificate is not retired", Hint: "postern cert list shows which are"}
		case !in.Undo && retired:
			return deed{}, &Error{Kind: Negative, Message: "the certificate is retired already", Hint: "--undo takes it back into use"}
		case in.Undo:
			k.Retired = time.Time{}
			err = checkPatientKey(tx, k)
		default:
			k.Retired = now
		}
		if err != nil {
			return deed{}, err
		}
		err = tx.PutKey(k)
		if err != nil {
			return deed{}, err
		}
		answer = Retired{Certificate: infoOf(k, now), Warnings: []string{}}
		if !in.Undo {
			answer.Warnings, err = lacking(tx, k, now)
		}
		return keysDeed(how, k), err
	})
	return answer, err
}

// dropDamaged removes a key that cannot be read.
func dropDamaged(tx store.Tx, k store.Key, in Retire, now time.Time) (answer Retired, err error) {
	if in.Undo {
		return Retired{}, &Error{Kind: Negative, Message: "the key is damaged", Hint: "postern cert import brings it again"}
	}
	answer = Retired{Certificate: infoOf(k, now)}
	err = tx.RemoveKey(k.Fingerprint)
	if err != nil {
		return Retired{}, err
	}
	answer.Warnings, err = lacking(tx, k, now)
	if errors.Is(err, store.ErrCorrupt) { // its account is damaged as well
		err = nil
	}
	answer.Warnings = append([]string{"the key could not be read, and is removed: what others seal to it cannot be opened"}, answer.Warnings...)
	return answer, err
}

// lacking says which of the uses of a retired certificate nothing is left for: of
// its owner or, for an address, of its domain, as sending and discovery look for
// them (CD-1, CD-2).
func lacking(tx store.Tx, k store.Key, now time.Time) ([]string, error) {
	warnings := []string{}
	leaf, err := x509.ParseCertificate(k.Certificate)
	if err != nil || k.Owner == testCAOwner {
		return warnings, nil // it was of no use to messages before
	}
	owners := []string{k.Owner}
	patient, err := isPatient(tx, k.Owner)
	if err != nil {
		return nil, err
	}
	if _, domain, ok := strings.Cut(k.Owner, "@"); ok && !patient { // BB-35
		owners = append(owners, domain)
	}
	var left []trust.Purpose
	for _, owner := range owners {
		keys, err := tx.KeysOf(owner)
		if err != nil {
			return nil, err
		}
		for _, other := range keys {
			c, err := x509.ParseCertificate(other.Certificate)
			if err == nil && stateOf(other, c, now) == StateInUse {
				left = append(left, usesOf(c)...)
			}
		}
	}
	for _, use := range usesOf(leaf) {
		if slices.Contains(left, use) {
			continue
		}
		switch use {
		case trust.Sign:
			warnings = append(warnings, fmt.Sprintf("nothing signs for %s any more: nobody can send from there", k.Owner))
		case trust.Encrypt:
			warnings = append(warnings, fmt.Sprintf("no certificate is left that others could encrypt to for %s", k.Owner))
		}
	}
	if patient && len(warnings) > 0 {
		warnings = append(warnings, fmt.Sprintf("%s is a patient's address: the certificate of its domain does not stand in for it", k.Owner))
	}
	return warnings, nil
}
