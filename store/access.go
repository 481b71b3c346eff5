package store

import (
	"net/netip"
	"time"

	"postern/mime"
)

// An AccessKind is what somebody gets into an account by, beside its password.
type AccessKind string

// Kinds of access.
const (
	// PasswordKind is the account's password as SCRAM needs it; the one record of its
	// kind has the id PasswordAccess.
	PasswordKind AccessKind = "password"
	AppPassword  AccessKind = "app-password" // of one mail program
	Token        AccessKind = "token"        // of one program that speaks HTTP
	Certificate  AccessKind = "certificate"  // of a client, in its TLS
)

// PasswordAccess is the id that stands for the password of an account.
const PasswordAccess = "password"

// An Access is one way into an account that can be revoked alone. What is kept of its
// secret does not lead back to it.
type Access struct {
	ID      string       `json:"id"` // of its own in the whole store, but for PasswordAccess
	Account mime.Address `json:"account"`
	Kind    AccessKind   `json:"kind"`
	Name    string       `json:"name,omitempty"` // what the operator calls it
	// Scopes are what it is good for: services of an app password, deeds of a token.
	Scopes []string `json:"scopes,omitempty"`
	// Sum is the SHA-256 of the secret, which is random; of the certificate as DER; or,
	// of PasswordAccess, of the stored password that Keys were made with: they are no
	// good beside another one.
	Sum     Fingerprint `json:"sum"`
	Created time.Time   `json:"created"`
	Expires time.Time   `json:"expires,omitzero"` // zero: never
	// Keys are of app passwords and the password; sealed at rest. Listings have none.
	Keys ScramKeys `json:"-"`
	// Damaged says that the record cannot be read. Only a listing has such a one, which
	// tells nothing of Keys.
	Damaged bool `json:"-"`
}

// Ended reports whether an access is over at a time.
func (a Access) Ended(now time.Time) bool { return !a.Expires.IsZero() && !now.Before(a.Expires) }

// ScramKeys are what a server keeps of a secret for SCRAM-SHA-256 (RFC 5802 §3); zero
// is nothing.
type ScramKeys struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"stored_key"`
	ServerKey  []byte `json:"server_key"`
}

// A LastUse says when an access was used last; the zero one never.
type LastUse struct {
	At      time.Time    `json:"at"`
	Service string       `json:"service"`
	Network netip.Prefix `json:"network"` // that the client was in
}

// AccessTx holds the accesses of accounts. Put replaces or creates; what is not there
// is ErrNotFound, unless something else is said.
type AccessTx interface {
	// Access returns one with its keys.
	Access(account mime.Address, id string) (Access, error)
	AccessesOf(account mime.Address) ([]Access, error)
	Accesses() ([]Access, error)
	// PutAccess fails with ErrExists for an id of another account.
	PutAccess(Access) error
	// RemoveAccess takes its last use along.
	RemoveAccess(account mime.Address, id string) error

	// LastUse is zero for what was never used. It is no part of the directory.
	LastUse(account mime.Address, id string) (LastUse, error)
	PutLastUse(account mime.Address, id string, u LastUse) error

	// LoginKey is a secret of the store, 32 random octets, the same for ever. It is
	// ErrNotFound until it was first needed in a transaction that writes.
	LoginKey() ([]byte, error)
}
