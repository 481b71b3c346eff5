package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"postern/mime"
	"postern/store"
)

// A RemovedDomain is a domain that is no longer ours.
type RemovedDomain struct {
	DomainName
	// Unbelieved are the bundles that nobody believes any more, now that it does not.
	Unbelieved []string `json:"unbelieved_bundles"`
	// Aliases are the aliases and groups that were in it, and are gone.
	Aliases []string `json:"removed_aliases"`
	// Waiting is what waited for its addresses, or was to be sent as one of them; nil where
	// that cannot be told, for damage.
	Waiting *Waiting `json:"waiting,omitempty"`
}

// removeDomain refuses while the domain has accounts, so that no mailbox is lost by a slip.
// The domain's keys, anchors and aliases go with it.
func (s *Service) removeDomain(ctx context.Context, in DomainRemoval) (removed RemovedDomain, err error) {
	name, err := mime.ParseDomain(in.Name)
	if err != nil {
		return RemovedDomain{}, err
	}
	r := removal{
		object: "domain " + name.String(), detail: "removed, with its keys, anchors and aliases",
		untold: in.Untold, instead: "remove it when they are through",
	}
	err = s.remove(ctx, r, func(v *view) error {
		err := requireEmpty(v, name)
		if err != nil {
			return err
		}
		removed = RemovedDomain{DomainName: DomainName{name.String()}}
		removed.Waiting, err = v.waitingAt(name)
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			return err
		}
		removed.Unbelieved, err = believedByNoOther(v, name)
		if err != nil {
			return err
		}
		removed.Aliases, err = aliasesIn(v, name)
		if err != nil {
			return err
		}
		return v.RemoveDomain(name)
	})
	return removed, err
}

// requireEmpty refuses a domain that is not there, or has accounts.
func requireEmpty(tx store.Tx, name mime.Domain) error {
	_, err := tx.Domain(name)
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: Negative, Message: fmt.Sprintf("there is no domain %s", name), Hint: "postern domain list shows them"}
	}
	if err != nil && !errors.Is(err, store.ErrCorrupt) { // one that is damaged can go
		return err
	}
	accounts, err := tx.Accounts()
	for _, a := range accounts {
		if a.Address.Domain() == name {
			return &Error{Kind: Negative, Message: fmt.Sprintf("the domain %s has accounts, such as %s", name, a.Address),
				Hint: "remove them first with postern account remove"}
		}
	}
	return err
}

// waitingAt counts what waits for the addresses of a domain, or was handed in by accounts
// as one of them and is not signed yet.
func (v *view) waitingAt(domain mime.Domain) (*Waiting, error) {
	if v.dir == nil {
		return nil, nil
	}
	var w Waiting
	unsigned := make(map[store.TrackID]bool)
	err := v.eachJob(func(j store.Job) {
		switch {
		case j.Kind == store.OpenJob && slices.ContainsFunc(j.Recipients, func(to mime.Address) bool {
			return to.Domain() == domain && len(v.dir.Reaches(to, j.Era)) > 0
		}):
			w.Opening++
		case j.Kind == store.PushJob && j.Push.Ended == "" && slices.ContainsFunc(j.Names(), func(n store.PushName) bool {
			return n.Address.Domain() == domain
		}):
			w.Edge++
		case j.Kind == store.SealJob && !j.Automatic && j.Sender.Domain() == domain:
			unsigned[j.Track] = true
		}
	})
	w.Sent = len(unsigned)
	if err != nil {
		return nil, err
	}
	return &w, nil
}

// believedByNoOther returns the bundles that a domain alone believes; never nil.
func believedByNoOther(tx store.Tx, domain mime.Domain) ([]string, error) {
	bundles, err := tx.Bundles()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, b := range bundles {
		if len(b.Attached) == 1 && b.Attached[0].Domain == domain {
			names = append(names, b.Name)
		}
	}
	return names, nil
}
