package bundle

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"postern/internal/fetch"
)

// fetchTime bounds a fetch, from the first look-up to the last octet (TB-17).
const fetchTime = 60 * time.Second

// ErrPlain is for a URL without TLS and a bundle without a pinned signer: whoever
// sits on the way could add any anchor.
var ErrPlain = errors.New("a bundle by plain http needs a pinned signer")

// ErrOutdated is for a bundle that its pinned signer signed before the one that is
// known, or without saying when: whoever sits on the way, or has the server, could
// bring back an anchor that the community has taken out.
var ErrOutdated = errors.New("the bundle was signed before the one that counts")

// A Fetcher gets documents, as fetch.Client does.
type Fetcher interface {
	Do(ctx context.Context, r fetch.Request) (fetch.Document, error)
}

// A Source is where a bundle comes from, and what is asked of it.
type Source struct {
	URL    string
	Signer *x509.Certificate // as in Options
	Now    time.Time         // as in Options
}

// Validators tell the version of a bundle that is known already. They must be
// those of a fetch by the same URL. The zero value is for none.
type Validators struct {
	ETag   string   // "" has the file fetched whatever it is
	SHA256 [32]byte // of the file
	// SignedAt is when the pinned signer signed it, as it says; zero if it does not
	// say, or if none is pinned.
	SignedAt time.Time
}

// A Fetched is what a fetch that succeeded gave.
type Fetched struct {
	// Unchanged says that the file is the known one (TB-12).
	Unchanged bool
	// Bundle is nil if it is unchanged.
	Bundle *Bundle
	// What to give to the next fetch.
	ETag     string
	SHA256   [32]byte
	SignedAt time.Time
}

// CheckURL returns an error, which wraps ErrPlain or one of package fetch, if a
// bundle cannot be fetched from a URL.
func CheckURL(raw string, signer *x509.Certificate) error {
	u, err := fetch.Parse(raw)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && signer == nil {
		return ErrPlain
	}
	return nil
}

// Fetch gets a bundle and reads it as Parse does. Nothing but a status 200 is
// read (TB-16), whatever its media type is (TB-10).
//
// The server is asked whether its file is the known one only where no signer is
// pinned. Where one is, the file is read every time: somebody on the way could
// say for ever that nothing has changed, and the signer's certificate may have
// expired since. KindOf names the kind of an error.
func Fetch(ctx context.Context, f Fetcher, s Source, prior Validators) (Fetched, error) {
	err := CheckURL(s.URL, s.Signer)
	if err != nil {
		return Fetched{}, err
	}
	request := fetch.Request{
		URL: s.URL, Limit: MaxSize, Time: fetchTime,
		Accept: "application/pkcs7-mime, application/x-pkcs7-certificates, */*;q=0.5",
	}
	known := prior.SHA256 != [32]byte{}
	if known && s.Signer == nil {
		request.IfNoneMatch = prior.ETag
	}
	d, err := f.Do(ctx, request)
	if err != nil {
		return Fetched{}, err
	}
	if d.NotModified {
		return unmodified(d, prior), nil
	}
	got := Fetched{ETag: d.ETag, SHA256: sha256.Sum256(d.Body)}
	got.Unchanged = known && got.SHA256 == prior.SHA256
	if got.Unchanged && s.Signer == nil {
		return got, nil
	}
	b, err := Parse(d.Body, Options{Signer: s.Signer, Now: s.Now})
	if err != nil {
		return Fetched{}, fmt.Errorf("reading the bundle: %w", err)
	}
	if s.Signer != nil {
		if outdated(b.SigningTime, prior.SignedAt) {
			return Fetched{}, ErrOutdated
		}
		got.SignedAt = b.SigningTime
	}
	if !got.Unchanged {
		got.Bundle = b
	}
	return got, nil
}

// outdated reports whether a bundle was signed before the one that is known. One
// that does not say when counts as older than any that did.
func outdated(signed, known time.Time) bool { return signed.Before(known) }

// unmodified keeps the tag that the server does not renew (RFC 9110 §15.4.5).
func unmodified(d fetch.Document, prior Validators) Fetched {
	got := Fetched{Unchanged: true, ETag: prior.ETag, SHA256: prior.SHA256}
	if d.ETag != "" {
		got.ETag = d.ETag
	}
	return got
}
