package control

import (
	"context"
	"fmt"
	"slices"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A Removal is an address that is to go.
type Removal struct {
	AccountName
	// Untold has it go while messages wait of which nobody could be told any more.
	Untold bool `json:"untold,omitempty"`
}

// A DomainRemoval is a domain that is to go.
type DomainRemoval struct {
	DomainName
	Untold bool `json:"untold,omitempty"` // as that of a Removal
}

// tellable refuses to remove addresses while messages to them wait whose senders are told
// what became of them by certificates that go as well, where those of the domain do not
// stand in (DN-8).
func (s *Service) tellable(ctx context.Context, in Removal, addresses ...mime.Address) error {
	if in.Untold {
		return nil
	}
	one, n, err := s.untold(ctx, func(a mime.Address) bool { return slices.ContainsFunc(addresses, a.Same) },
		func(own, domains bool) bool { return own && !domains })
	if err != nil || n == 0 {
		return err
	}
	return &Error{Kind: Negative,
		Message: fmt.Sprintf("messages to %s wait, %d in all, and without its certificate nobody can be told what becomes of them: %s has none", one, n, one.Domain()),
		Hint:    "account disable has what waits for an account fail, and told; postern queue list --to " + one.String() + " shows it; --untold removes the address all the same"}
}

// tellableOf is tellable for a domain, with which the certificates of all its addresses go.
func (s *Service) tellableOf(ctx context.Context, in DomainRemoval, domain mime.Domain) error {
	if in.Untold {
		return nil
	}
	one, n, err := s.untold(ctx, func(a mime.Address) bool { return a.Domain() == domain },
		func(own, domains bool) bool { return own || domains })
	if err != nil || n == 0 {
		return err
	}
	return &Error{Kind: Negative,
		Message: fmt.Sprintf("messages to addresses of %s wait, such as %s, %d in all, and without its certificates nobody can be told what becomes of them", domain, one, n),
		Hint:    "postern queue list --to " + domain.String() + " shows them; --untold removes the domain all the same"}
}

// untold counts the messages that wait to some addresses, and names one of those, of which
// nobody can be told any more without the certificates that are lost. Which those are it is
// asked of those that can sign now, the address's own and its domain's.
func (s *Service) untold(ctx context.Context, to func(mime.Address) bool, lost func(own, domains bool) bool) (one mime.Address, n int, err error) {
	type answer struct {
		track   store.TrackID
		address mime.Address
		job     store.Era
	}
	var waits []answer
	err = s.pickJobs(ctx, picker{}, func(j store.Job) {
		for _, name := range answering(j) {
			if to(name.Address) {
				waits = append(waits, answer{name.Track, name.Address, j.Era})
			}
		}
	})
	if err != nil || len(waits) == 0 {
		return one, 0, err
	}
	dir, err := s.Core.Directory(ctx)
	if err != nil {
		return one, 0, err
	}
	tracks := make(map[store.TrackID]bool)
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		for _, w := range waits {
			era, err := gateway.EraOf(tx, w.track, w.job)
			if err != nil {
				return err
			}
			if lost(dir.Signs(w.address, era, s.Core.Now())) {
				tracks[w.track], one = true, w.address
			}
		}
		return nil
	})
	return one, len(tracks), err
}

// answering are the addresses in whose names it is, or will be, told what became of the
// message of a job, each with the transmission that it is told of.
func answering(j store.Job) []store.PushName {
	var all []mime.Address
	switch {
	case j.Kind == store.PushJob:
		return slices.DeleteFunc(j.Names(), func(n store.PushName) bool { return !n.Answers })
	case j.Kind == store.OpenJob:
		all = j.Recipients
	case j.Kind == store.SealJob && j.Automatic:
		all = []mime.Address{j.Sender}
	}
	names := make([]store.PushName, len(all))
	for i, a := range all {
		names[i] = store.PushName{Track: j.Track, Address: a}
	}
	return names
}
