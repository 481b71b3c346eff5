package store

import (
	"crypto/sha256"
	"fmt"
	"time"

	"postern/mime"
)

// A Bundle is a collection of trust anchors that is fetched from elsewhere, and
// who believes it. Its anchors are kept beside it, once, for all who do: see
// DirectoryTx.
type Bundle struct {
	Name string `json:"name"` // 1 to 64 of a-z, 0-9, "-" and "."; the source of its anchors
	URL  string `json:"url"`
	// Signer is the certificate, in DER, that must have signed the bundle or
	// issued its signer's certificate (TB-5). Without one the bundle is taken
	// unsigned, or by whatever signature it has.
	Signer []byte `json:"signer,omitempty"`
	// Attached says for whom the anchors count, and in which direction (TB-18).
	// No domain is there twice; with none, nobody believes the bundle.
	Attached []Attachment `json:"attached"`
	// Every is how long a set counts as fresh; 0 has it fetched only when asked.
	Every   time.Duration `json:"every"`
	Created time.Time     `json:"created"`
	// Damaged says that the record cannot be read: nobody believes the bundle, and it is
	// not fetched. Only a listing has such a one.
	Damaged bool `json:"-"`
}

// Definition names what decides which sets are good: the URL and the signer. One
// that was removed and added anew, with nothing of its state, is another.
func (b Bundle) Definition() Fingerprint {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00%s", b.URL, b.Created.UnixNano(), b.Signer) // no URL has a NUL
	return Fingerprint(h.Sum(nil))
}

// An Attachment is a domain of ours, or with "" every one, that believes a
// bundle in a direction.
type Attachment struct {
	Domain    mime.Domain `json:"domain"`
	Direction Direction   `json:"direction"`
}

// A BundleState is how the fetching of a bundle went (TB-14). It is no part of
// the directory's generation.
type BundleState struct {
	Attempted time.Time `json:"attempted,omitzero"` // the last try
	Succeeded time.Time `json:"succeeded,omitzero"` // the last try that gave a good set, changed or not
	Changed   time.Time `json:"changed,omitzero"`   // when the anchors changed last
	Next      time.Time `json:"next,omitzero"`      // when it is due; zero: at once
	// FailedSince is the first failure of a row that has not ended; zero if the
	// last try was good.
	FailedSince time.Time `json:"failed_since,omitzero"`
	Failures    int       `json:"failures"`         // in a row
	Failure     string    `json:"failure"`          // the kind of the last one, "" if the last try was good
	Detail      string    `json:"detail,omitempty"` // for the operator

	// Of is the definition that the last try was made by, see Bundle.Definition.
	Of Fingerprint `json:"of"`
	// SHA256 is that of the file as it was fetched (TB-12), ETag what its server
	// called it. They are zero while no set came by Of.
	SHA256 Fingerprint `json:"sha256"`
	ETag   string      `json:"etag,omitempty"`

	// SignedAt is when its pinned signer signed it; zero if none is pinned.
	SignedAt time.Time `json:"signed_at,omitzero"`

	Anchors int `json:"anchors"` // certificates in the set
	Bad     int `json:"bad"`     // that could not be read
	// BadCertificates are the first of those.
	BadCertificates []BadCertificate `json:"bad_certificates,omitempty"`
}

// A BadCertificate is one of a bundle that could not be read.
type BadCertificate struct {
	Place int    `json:"place"` // in the file, from 1
	Cause string `json:"cause"` // for the operator
}

// A BundleAnchor is one certificate of a bundle.
type BundleAnchor struct {
	Certificate []byte // DER
	// Policies are those, in dotted form, that a certificate must have to be
	// believed by this anchor, if the bundle's metadata asks for any (TB-8).
	Policies []string
}

// A BundleSet is the anchors of a bundle as they are stored. A large one takes
// some milliseconds to make, in which no transaction has to be open. The zero
// BundleSet has none.
type BundleSet struct{ value []byte }

// BundleTx holds the bundles.
type BundleTx interface {
	Bundle(name string) (Bundle, error)
	Bundles() ([]Bundle, error)
	// PutBundle creates or replaces a bundle. Its state and anchors stay.
	PutBundle(Bundle) error
	// RemoveBundle takes along the state and the anchors.
	RemoveBundle(name string) error

	// BundleState returns the zero state of a bundle that was never fetched, and of one
	// whose state is damaged: that is due at once, and has another state then.
	BundleState(name string) (BundleState, error)
	PutBundleState(name string, s BundleState) error

	// BundleAnchors returns the set that was put last, in its order. Content names
	// it: another set, or none, has another.
	BundleAnchors(name string) (anchors []BundleAnchor, content Fingerprint, err error)
	// BundleContent is BundleAnchors without the anchors.
	BundleContent(name string) (Fingerprint, error)
	// PutBundleAnchors replaces the whole set (TB-13).
	PutBundleAnchors(name string, set BundleSet) error
}
