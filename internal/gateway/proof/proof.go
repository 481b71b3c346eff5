// Package proof says of a login what it has proven, and whether that is still good.
package proof

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"

	"postern/mime"
	"postern/store"
)

// ErrRevoked says that a login is no longer good: the account was closed, or what it
// logged in with is not there any more.
var ErrRevoked = errors.New("the account was closed, or what it logged in with is no longer good")

// OfPassword marks an account with the password it has: another password, and the same
// one set anew, has another mark.
func OfPassword(a store.Account) string {
	sum := sha256.Sum256([]byte(a.Password))
	return "password:" + hex.EncodeToString(sum[:])
}

// A Source is where accounts are: a transaction, or what was read in one.
type Source interface {
	Account(a mime.Address) (store.Account, error)
}

// Check fails with ErrRevoked if an account is no longer what a login has proven, and
// with any other error if that cannot be told.
func Check(s Source, account mime.Address, proven string) error {
	a, err := s.Account(account)
	if errors.Is(err, store.ErrNotFound) {
		return ErrRevoked
	}
	if err != nil {
		return err
	}
	if a.Disabled || subtle.ConstantTimeCompare([]byte(OfPassword(a)), []byte(proven)) != 1 {
		return ErrRevoked
	}
	return nil
}
