package control

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"postern/mime"
	"postern/store"
)

// A RemovedAccount is an account that is gone.
type RemovedAccount struct {
	AccountName
	// Ended are the aliases and groups that had nobody else; never nil.
	Ended []string `json:"ended"`
	// Waiting is what waited for it; nil where that cannot be told, for damage.
	Waiting *Waiting `json:"waiting,omitempty"`
}

// Waiting is what is under way for an account, and what it sent.
type Waiting struct {
	Opening int `json:"opening"` // messages that are to be opened, for nobody but it
	Edge    int `json:"edge"`    // messages and notices for its edge
	Events  int `json:"events"`  // for its web hooks
	Sent    int `json:"sent"`    // messages that it handed in, to whomever
}

// removeAccount removes an account and tells what waited for it.
func (s *Service) removeAccount(ctx context.Context, in Removal) (removed RemovedAccount, err error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return RemovedAccount{}, err
	}
	r := removal{
		object: accountObject(address), detail: "removed, with its mailboxes, keys and aliases",
		untold: in.Untold, instead: "account disable has what waits for an account fail, and told",
	}
	err = s.remove(ctx, r, func(v *view) error {
		ended, err := endingWith(v, address)
		if err != nil {
			return err
		}
		removed = RemovedAccount{AccountName: AccountName{address.String()}, Ended: []string{}}
		removed.Waiting, err = v.waitingFor(address)
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			return err
		}
		for _, a := range ended {
			removed.Ended = append(removed.Ended, a.String())
		}
		err = v.RemoveAccount(address) // also one whose record is damaged
		if errors.Is(err, store.ErrNotFound) {
			_, err = accountOf(v, address)
		}
		if err != nil {
			return err
		}
		return s.Core.WithdrawDetails(v, append(ended, address)...)
	})
	return removed, err
}

// endingWith are the aliases and groups that an account alone is behind, in order.
func endingWith(tx store.Tx, account mime.Address) (ended []mime.Address, err error) {
	all, err := tx.Aliases()
	for _, a := range all {
		if len(a.Members) == 1 && a.Has(account) {
			ended = append(ended, a.Address)
		}
	}
	return ended, err
}

// waitingFor counts what is of the account that has an address now, not of one before it.
func (v *view) waitingFor(address mime.Address) (*Waiting, error) {
	if v.dir == nil {
		return nil, nil
	}
	account, known := v.dir.Account(address)
	if !known {
		return &Waiting{}, nil
	}
	var w Waiting
	sent := make(map[store.TrackID]bool)
	err := v.eachJob(func(j store.Job) {
		if j.Kind == store.OpenJob {
			if slices.ContainsFunc(j.Recipients, func(to mime.Address) bool {
				members := v.dir.Reaches(to, j.Era)
				return len(members) == 1 && members[0].Address.Same(address)
			}) {
				w.Opening++
			}
			return
		}
		if !account.HeldIn(j.Era) {
			return
		}
		switch j.Kind {
		case store.PushJob:
			if j.Push.Account.Same(address) && j.Push.Ended == "" {
				w.Edge++
			}
		case store.HookJob:
			if j.Sender.Same(address) {
				w.Events++
			}
		case store.SealJob, store.RelayJob:
			if cmp.Or(j.Flow, j.Sender.Key()) == address.Key() && !j.Automatic { // flows are of who handed in
				sent[j.Track] = true
			}
		}
	})
	w.Sent = len(sent)
	if err != nil {
		return nil, err
	}
	return &w, nil
}

// RemoveAccount removes an account with its mailboxes.
func (c *Client) RemoveAccount(ctx context.Context, address string, untold bool) (RemovedAccount, error) {
	return call[Removal, RemovedAccount](ctx, c, "account/remove", Removal{AccountName{address}, untold})
}
