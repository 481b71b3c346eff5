package discovery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Bounds on what is kept of directories and of documents.
const (
	maxResults      = 5000
	maxResultOctets = 16 << 20
)

// What is searched for certificates.
const (
	ofDirectories = "ldap"
	ofDocument    = "url"
)

// A resultKey says what was searched, and for whom.
type resultKey struct {
	Kind string // ofDirectories or ofDocument
	Name string // the domain whose directories they are, or the name that has the URL
	For  string // the address or domain asked for, or the URL
}

func (k resultKey) key() resultKey { return k }

// A lookupResult is what directories had for a name, or a server for a document.
// It is shared and does not change.
type lookupResult struct {
	resultKey
	lifetime
	steps     []Step // without Source, and the last without Then
	found     certificates
	temporary error // why a later try may find more
}

// size is about what it takes in memory. A parsed certificate has the octets of
// its DER once more, and names, keys and extensions beside.
func (r *lookupResult) size() int {
	n := 512 + len(r.Name) + len(r.For)
	for _, s := range r.steps {
		n += 1024 + len(s.Query) + len(s.Server) + len(s.Outcome) // an error has much of them once more
		n += len(s.Questions) * 512
	}
	for _, c := range r.found.list {
		n += 4096 + 2*len(c.Raw)
	}
	return n
}

// answered reports whether there is something, or everybody who might have had
// something said that there is nothing.
func (r *lookupResult) answered() bool { return r.found.any() || !r.failed() }

// failed reports whether somebody who might have had something did not say.
func (r *lookupResult) failed() bool {
	if r.temporary != nil {
		return true
	}
	for _, step := range r.steps {
		if step.Err != nil {
			return true
		}
	}
	return false
}

// A search finds certificates in directories or at a URL.
type search struct {
	*Resolver
	resultKey
	fill func(context.Context, *lookupResult) // all but the key and when it was asked
}

var errUnreadable = errors.New("what was sent could not be read")

// run is the last net below the libraries: what a stranger sends must not take the
// server down (CD-31).
func (s *search) run(ctx context.Context) (r *lookupResult) {
	begin := func() *lookupResult {
		return &lookupResult{resultKey: s.resultKey, lifetime: lifetime{asked: s.now()}}
	}
	defer func() {
		if p := recover(); p != nil {
			s.log().Error("a look-up failed", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			r = begin()
			r.temporary = errUnreadable
		}
	}()
	r = begin()
	s.fill(ctx, r)
	return r
}

// conclusive is never so: what nobody waited for may have been cut short.
func (*search) conclusive(*lookupResult) bool { return false }
