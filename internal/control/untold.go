package control

import (
	"context"
	"fmt"
	"slices"

	"postern/mime"
	"postern/store"
)

// A Removal is an address that is to go.
type Removal struct {
	AccountName
	// Untold has it go while messages wait of which nobody could be told any more.
	Untold bool `json:"untold,omitempty"`
}

// tellable refuses to remove addresses while messages to them wait whose senders are told
// what became of them by certificates that go as well, where those of the domain do not
// stand in (DN-8).
func (s *Service) tellable(ctx context.Context, in Removal, addresses ...mime.Address) error {
	if in.Untold {
		return nil
	}
	dir, err := s.Core.Directory(ctx)
	if err != nil {
		return err
	}
	waits := make(map[store.TrackID]bool)
	var one mime.Address
	err = s.pickJobs(ctx, picker{}, func(j store.Job) {
		for _, a := range answering(j) {
			if slices.ContainsFunc(addresses, a.Same) && dir.SignsAlone(a, j.Era, s.Core.Now()) {
				waits[j.Track], one = true, a
			}
		}
	})
	if err != nil || len(waits) == 0 {
		return err
	}
	return &Error{Kind: Negative,
		Message: fmt.Sprintf("messages to %s wait, %d in all, and without its certificate nobody can be told what becomes of them: %s has none", one, len(waits), one.Domain()),
		Hint:    "account disable has what waits for an account fail, and told; postern queue list --to " + one.String() + " shows it; --untold removes the address all the same"}
}

// answering are the addresses in whose names it is, or will be, told what became of the
// message of a job.
func answering(j store.Job) []mime.Address {
	var all []mime.Address
	switch {
	case j.Kind == store.OpenJob:
		return j.Recipients
	case j.Kind == store.SealJob && j.Automatic:
		return []mime.Address{j.Sender}
	case j.Kind == store.PushJob:
		for _, n := range j.Names() {
			if n.Answers {
				all = append(all, n.Address)
			}
		}
	}
	return all
}
