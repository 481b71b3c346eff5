package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"postern/mime"
)

// A Fingerprint is the SHA-256 of a certificate's DER.
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the fingerprint of a DER certificate.
func FingerprintOf(der []byte) Fingerprint { return sha256.Sum256(der) }

// String writes the fingerprint in lower-case hexadecimal.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// MarshalText writes what String writes.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads hexadecimal of full length.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(f) {
		return errors.New("a fingerprint is 64 hexadecimal digits")
	}
	copy(f[:], raw)
	return nil
}

// A Domain is one whose mail is ours.
type Domain struct {
	Name mime.Domain `json:"name"`
	// Retention is after what time messages that were fetched leave the mailboxes
	// of the domain; 0 is never.
	Retention time.Duration `json:"retention,omitempty"`
	Created   time.Time     `json:"created"`
	// Damaged says that the record cannot be read. Only a listing has such a one.
	Damaged bool `json:"-"`
}

// An Account can submit mail as its address and has mailboxes.
type Account struct {
	Address  mime.Address `json:"address"`
	Password string       `json:"password"` // argon2id in PHC form; "" admits nobody
	Disabled bool         `json:"disabled"`
	// Patient says that a patient controls the address: it has a certificate of
	// its own, and its domain's never stands in for it (BB-35).
	Patient bool `json:"patient,omitempty"`
	// Senders are what the account may send as beside its own address and aliases:
	// addresses, and domains with "@" in front, in lower case; MaxSenders at most.
	Senders []string `json:"senders,omitempty"`
	// CertificateRequired says that a password alone lets nobody in: the client shows
	// one of the account's certificates beside it.
	CertificateRequired bool `json:"certificate_required,omitempty"`
	// Quota bounds the bytes of its mailboxes; 0 is the default of the gateway,
	// NoQuota none.
	Quota   int64     `json:"quota,omitempty"`
	Created time.Time `json:"created"`
	// Era is the one that the account began. PutAccount gives it.
	Era Era `json:"era,omitempty"`
	// Damaged says that the record cannot be read, and that the rest is what is safe to
	// take for it. Only a listing has such a one.
	Damaged bool `json:"-"`
}

// NoQuota is the Quota of an account without any.
const NoQuota = -1

// A Key is a certificate of ours with its private key.
type Key struct {
	Fingerprint Fingerprint `json:"fingerprint"`
	// Owner is the address or the domain the key serves, in lower case.
	Owner       string    `json:"owner"`
	Certificate []byte    `json:"certificate"` // DER
	Chain       [][]byte  `json:"chain"`       // DER, issuer first, without Certificate
	PKCS8       []byte    `json:"-"`           // the private key; sealed at rest
	Test        bool      `json:"test"`        // issued by the local test CA
	Created     time.Time `json:"created"`
	Retired     time.Time `json:"retired"` // zero while in use; a retired key still decrypts
	// Era is the one that it came in. PutKey gives it.
	Era Era `json:"era,omitempty"`
	// Damaged says that the private key cannot be read, or where Certificate is missing
	// none of the record but Owner, which may be "". Only a listing has such a one.
	Damaged bool `json:"-"`
}

// A Direction is the way of the messages that an anchor is trusted for.
type Direction string

// Directions. In: judging signers. Out: judging recipients.
const (
	In   Direction = "in"
	Out  Direction = "out"
	Both Direction = "both"
)

// ParseDirection reads in, out or both.
func ParseDirection(s string) (Direction, error) {
	switch d := Direction(s); d {
	case In, Out, Both:
		return d, nil
	}
	return "", fmt.Errorf("%q is no direction: in, out or both", s)
}

// Covers reports whether d includes the single direction other.
func (d Direction) Covers(other Direction) bool { return d == Both || d == other }

// An Anchor is a certificate that a domain's trust ends at. Source, Domain and
// Fingerprint together are its identity, so that removing one source never
// removes what another still gives. Those of bundles are kept with their bundle.
type Anchor struct {
	Source      string      `json:"source"` // ManualSource or EVSource
	Domain      mime.Domain `json:"domain"` // "" is every domain of ours
	Fingerprint Fingerprint `json:"fingerprint"`
	Direction   Direction   `json:"direction"`
	Certificate []byte      `json:"certificate"` // DER
	Created     time.Time   `json:"created"`
	// Damaged says that the record cannot be read: nothing is believed for it. Only a
	// listing has such a one, without Direction and Certificate.
	Damaged bool `json:"-"`
}

// Sources of anchors that an operator loaded one by one. A bundle cannot have
// one of these names.
const (
	ManualSource = "manual"
	// EVSource is that of the roots of extended-validation certificates: they are
	// believed for signers alone, and only with the right policy.
	EVSource = "extended-validation"
)

// A KeyRequest is a private key of ours that waits for its certificate.
type KeyRequest struct {
	// ID is the SHA-256 of the public key as SubjectPublicKeyInfo.
	ID      Fingerprint `json:"id"`
	Owner   string      `json:"owner"` // address or domain, in lower case
	PKCS8   []byte      `json:"-"`     // the private key; sealed at rest
	Created time.Time   `json:"created"`
	// Use is what the certificate was asked for: sign, encrypt or both. It is ""
	// in records of earlier versions.
	Use string `json:"use,omitempty"`
	// Damaged says that the private key or, where Owner is missing, the record cannot be
	// read. Only a listing has such a one.
	Damaged bool `json:"-"`
}

// DirectoryTx holds who we are and whom we believe. Put replaces or creates;
// Remove of what is not there is ErrNotFound. Listings are in the order of
// their identities. A record that is damaged is ErrCorrupt where it is asked for by itself;
// a listing has what its key says in its place, marked as damaged, so that it stops nothing
// but what it is of, and it can be removed and put anew.
type DirectoryTx interface {
	// Generation grows with every change of the directory, so that what is
	// derived from it can be kept and renewed.
	Generation() (uint64, error)
	// Era is the present one, which the account or alias that was made, or went, last began.
	Era() (Era, error)
	// Former says when an address was somebody's who has it no more, ErrNotFound if it
	// never was; Formers are all of them. They are noted when an account or an alias goes
	// or an alias is given to another. A damaged one is no error: see Former.Damaged.
	Former(a mime.Address) (Former, error)
	Formers() ([]Former, error)
	// ForgetFormers forgets who had addresses up to an Era before the one given, of so many
	// addresses at most and of none whose record is damaged, and returns of how many. Nothing
	// must be left that is of an Era before that.
	ForgetFormers(before Era, most int) (int, error)

	Domain(name mime.Domain) (Domain, error)
	Domains() ([]Domain, error)
	PutDomain(Domain) error
	// RemoveDomain takes along the domain's anchors and aliases, the keys and key
	// requests of the domain and of its addresses, and what accounts may send as in it,
	// so that none comes back with the name, and detaches it from the bundles, which
	// stay.
	RemoveDomain(name mime.Domain) error

	// Accounts are found without regard to case.
	Account(a mime.Address) (Account, error)
	Accounts() ([]Account, error)
	PutAccount(Account) error // creates the account's INBOX when it is missing
	// RemoveAccount takes along its mailboxes, keys, key requests, hooks and edge, and its
	// place in aliases and groups: one without any other member goes too. Accesses go with
	// it, and what other accounts may send as its address.
	RemoveAccount(a mime.Address) error

	AliasTx
	AccessTx

	Key(f Fingerprint) (Key, error)
	Keys() ([]Key, error)
	KeysOf(owner string) ([]Key, error) // of exactly this address or domain
	PutKey(Key) error                   // Fingerprint must be that of Certificate; Owner is folded to lower case
	RemoveKey(f Fingerprint) error

	// KeyRequests are found by the public key that a certificate comes with.
	KeyRequest(id Fingerprint) (KeyRequest, error)
	KeyRequests() ([]KeyRequest, error)
	PutKeyRequest(KeyRequest) error
	RemoveKeyRequest(id Fingerprint) error

	Anchors() ([]Anchor, error)
	PutAnchor(Anchor) error // Fingerprint must be that of Certificate
	RemoveAnchor(source string, domain mime.Domain, f Fingerprint) error
}
