package evidence

import (
	"cmp"
	"slices"
	"time"
)

// A State is what is known of one document.
type State struct {
	Kind    string // "aia", "crl" or "ocsp"
	URL     string
	Fetched time.Time // zero if there is none
	Due     time.Time // when it is to be fetched again
	// What fails, since when, and when it is tried again. Error is "" while
	// nothing does.
	Error        string
	FailingSince time.Time
	NextTry      time.Time
	Used         time.Time // when it was asked for last
}

// Status lists what is kept and what fails, by kind and URL. There is one State
// for each issuer of a CRL and each certificate of OCSP.
func (k *Keeper) Status() []State {
	k.begin()
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []State
	for _, t := range []*table{&k.known, &k.strange} {
		for _, e := range t.byKey {
			all = append(all, e.state())
		}
	}
	slices.SortFunc(all, func(a, b State) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.URL, b.URL), a.Fetched.Compare(b.Fetched))
	})
	return all
}

func (e *entry) state() State {
	s := State{Kind: string(e.key.kind), URL: e.key.url, Used: e.used}
	switch {
	case e.doc != nil:
		s.Fetched, s.Due = e.doc.fetched, e.doc.due
	case e.stored:
		s.Fetched, s.Due = e.storedFetched, e.storedDue
	}
	if e.trouble.tries > 0 {
		s.Error, s.FailingSince, s.NextTry = e.trouble.err.Error(), e.trouble.since, e.trouble.next
	}
	return s
}
