// Package bundle reads, writes, fetches and compares the trust bundles of
// communities: collections of trust anchors, unsigned or signed, perhaps with a
// text that describes them (Direct Project Trust Bundle Distribution, TB-1 to
// TB-17). It reads single certificates and lists of them as well, in the forms in
// which they are handed out.
//
// A bundle says whom to believe, so what cannot be understood is refused as a
// whole, except for a certificate that cannot be read: not to know an anchor
// restricts, and must not keep the others out.
package bundle

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Bounds on what is read (TB-17).
const (
	MaxSize         = 32 << 20 // octets of a file
	MaxCertificates = 20_000
)

// Why a whole file is refused.
var (
	ErrTooLarge = errors.New("the file is too large for a collection of trust anchors")
	// ErrFormat is for what is none of the forms, for forms that are mixed, and for
	// a signed bundle whose content is no unsigned one.
	ErrFormat = errors.New("the file holds no certificates in a form that is known")
	// ErrEmpty is for a file without a certificate that can be read (TB-15).
	ErrEmpty = errors.New("the file holds no certificate")
	// ErrMetadata is for a description of the anchors that restricts them, or may,
	// in a way that is not understood.
	ErrMetadata = errors.New("the metadata of the bundle cannot be understood")
	// ErrSigned is the error of Read for a signed bundle, or one with metadata: its
	// anchors are worth something as a bundle alone.
	ErrSigned = errors.New("the file is a trust bundle that is signed or has metadata")
)

// Why the signature of a bundle is not the one asked for (TB-5).
var (
	ErrUnsigned      = errors.New("the bundle is not signed, and has to be")
	ErrWrongSigner   = errors.New("the bundle is signed by somebody else")
	ErrBadSignature  = errors.New("the signature of the bundle is bad")
	ErrSignerExpired = errors.New("the certificate of the bundle's signer is not in date")
)

// Options say what Parse asks of a bundle. With the zero value, it asks for
// nothing.
type Options struct {
	// Signer is the certificate by which the bundle must be signed, or which must
	// have issued its signer's certificate (TB-5). Without one, an unsigned bundle
	// is as good as one that anybody signed.
	Signer *x509.Certificate
	// Now is the moment at which the signer's certificate must be in date; zero is
	// the present.
	Now time.Time
}

// A Bundle is what a file holds.
type Bundle struct {
	Anchors []Anchor // in the order of the file, none of them twice
	Bad     []Bad    // certificates that cannot be read
	Signed  bool
	// Signer made a good signature. It is the one that Options.Signer stands for if
	// there is one. Otherwise it proves nothing: anybody can sign.
	Signer *x509.Certificate
	// Algorithm names for people how Signer signed.
	Algorithm string
	// SigningTime is what Signer says; zero if it does not say.
	SigningTime time.Time
	Metadata    *Metadata // nil if there is none
	SHA256      [32]byte  // of the file (TB-12)
}

// An Anchor is a certificate of a bundle.
type Anchor struct {
	Certificate *x509.Certificate
	// Policies are those, in dotted form, that a certificate must have, all of them,
	// to be believed by this anchor (TB-8). They come from the metadata.
	Policies []string
}

// A Bad is a certificate that cannot be read.
type Bad struct {
	Index int // its place in the file, from 1
	Err   error
}

// Error says which one it is, and why.
func (b Bad) Error() string { return fmt.Sprintf("certificate %d: %v", b.Index, b.Err) }

// Unwrap returns why.
func (b Bad) Unwrap() error { return b.Err }

// Certificates returns those of the anchors.
func (b *Bundle) Certificates() []*x509.Certificate {
	certs := make([]*x509.Certificate, len(b.Anchors))
	for i, a := range b.Anchors {
		certs[i] = a.Certificate
	}
	return certs
}

// Parse reads a trust bundle: a certs-only PKCS #7, perhaps with metadata as its
// content (TB-2, TB-7), or one inside of a SignedData with signers (TB-3), each in
// DER, BER, PEM or bare base64 (TB-6); or certificates in PEM or DER, which are an
// unsigned bundle. A byte order mark and white space around it do no harm. A
// certificate that cannot be read is reported and does not hide the others.
//
// The error wraps one of this package's. A signature that is there is verified in
// any case.
func Parse(data []byte, o Options) (*Bundle, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	b, err := parse(data, o, false)
	if err != nil {
		return nil, err
	}
	if o.Signer != nil && !b.Signed {
		return nil, ErrUnsigned
	}
	b.SHA256 = sha256.Sum256(data)
	return b, nil
}

// Read returns the certificates of a file that is no bundle of a community's but
// a handful of certificates, in the forms of Parse, with those that cannot be
// read. A signed file and one with metadata are ErrSigned: the certificates beside
// a signature are the signer's and must never pass for anchors (TB-4), and those
// that metadata restricts must not lose it.
func Read(data []byte) (certs []*x509.Certificate, bad []error, err error) {
	b, err := parse(data, Options{}, true)
	if err != nil {
		return nil, nil, err
	}
	for _, one := range b.Bad {
		bad = append(bad, one)
	}
	return b.Certificates(), bad, nil
}

func parse(data []byte, o Options, plain bool) (*Bundle, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: it has more than %d octets", ErrTooLarge, MaxSize)
	}
	r := reader{o: o, plain: plain, seen: map[string]bool{}}
	err := r.read(data)
	if err != nil {
		return nil, err
	}
	if len(r.b.Anchors) == 0 {
		return nil, r.empty()
	}
	err = r.b.applyMetadata(r.metadata)
	if err != nil {
		return nil, err
	}
	return &r.b, nil
}

// empty says what kept a file from having an anchor.
func (r *reader) empty() error {
	if len(r.b.Bad) == 0 {
		return ErrEmpty
	}
	return fmt.Errorf("%w that can be read: %w", ErrEmpty, r.b.Bad[0])
}
