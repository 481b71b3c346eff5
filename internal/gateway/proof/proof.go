// Package proof says of a login what it has proven, and whether that is still good.
package proof

import (
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"postern/mime"
	"postern/store"
)

// ErrRevoked says that a login is no longer good: the account was closed, or what it
// logged in with is not there any more.
var ErrRevoked = errors.New("the account was closed, or what it logged in with is no longer good")

// A proof is one or two parts with a blank between them: what was given, and the
// certificate that was shown beside it. A part is the id of an access, a colon, and
// the sum of what is kept of it.

// OfPassword marks an account with the password it has: another password, and the same
// one set anew, has another mark.
func OfPassword(a store.Account) string {
	return store.PasswordAccess + ":" + SumOfPassword(a).String()
}

// SumOfPassword is the Sum of the access that stands for the password of an account.
func SumOfPassword(a store.Account) store.Fingerprint {
	return store.FingerprintOf([]byte(a.Password))
}

// OfAccess marks any other way into an account.
func OfAccess(a store.Access) string { return a.ID + ":" + a.Sum.String() }

// With adds that a certificate was shown.
func With(proven string, certificate store.Access) string {
	return proven + " " + OfAccess(certificate)
}

// Accesses are the ids of what was proven, the one that was given first.
func Accesses(proven string) (ids []string) {
	for part := range strings.SplitSeq(proven, " ") {
		id, _, _ := strings.Cut(part, ":")
		ids = append(ids, id)
	}
	return ids
}

// A Source is where accounts are: a transaction, or what was read in one. What is not
// there is store.ErrNotFound.
type Source interface {
	Account(a mime.Address) (store.Account, error)
	Access(account mime.Address, id string) (store.Access, error)
}

// Check fails with ErrRevoked if what a login has proven is no longer so, or is no
// longer enough, and with any other error if that cannot be told.
func Check(s Source, account mime.Address, proven string, now time.Time) error {
	a, err := s.Account(account)
	if errors.Is(err, store.ErrNotFound) {
		return ErrRevoked
	}
	if err != nil {
		return err
	}
	if a.Disabled {
		return ErrRevoked
	}
	var kinds []store.AccessKind
	for part := range strings.SplitSeq(proven, " ") {
		kind, err := checkPart(s, a, part, now)
		if err != nil {
			return err
		}
		kinds = append(kinds, kind)
	}
	if a.CertificateRequired && !slices.Contains(kinds, store.Certificate) && !slices.Contains(kinds, store.Token) {
		return ErrRevoked
	}
	return nil
}

func checkPart(s Source, a store.Account, part string, now time.Time) (store.AccessKind, error) {
	id, _, _ := strings.Cut(part, ":")
	if id == store.PasswordAccess {
		return store.PasswordKind, isSame(OfPassword(a), part)
	}
	access, err := s.Access(a.Address, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && access.Ended(now):
		return "", ErrRevoked
	case err != nil:
		return "", err
	}
	return access.Kind, isSame(OfAccess(access), part)
}

func isSame(a, b string) error {
	if subtle.ConstantTimeCompare([]byte(a), []byte(b)) != 1 {
		return ErrRevoked
	}
	return nil
}
