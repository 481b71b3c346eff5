package control

import (
	"fmt"
	"slices"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A Removal is an address that is to go.
type Removal struct {
	AccountName
	// Untold has it go while messages wait of which nobody could be told any more, or that
	// nothing else opens.
	Untold bool `json:"untold,omitempty"`
}

// A DomainRemoval is a domain that is to go.
type DomainRemoval struct {
	DomainName
	Untold bool `json:"untold,omitempty"` // as that of a Removal
}

// tellable refuses to remove addresses while messages to them wait that only the
// certificates open which go as well, or whose senders only those tell what became of them,
// where those of the domain do not stand in (DN-8).
func (v *view) tellable(in Removal, instead string, addresses ...mime.Address) error {
	if in.Untold {
		return nil
	}
	w, err := v.untold(going{
		has:   func(a mime.Address) bool { return slices.ContainsFunc(addresses, a.Same) },
		signs: func(own, domains bool) bool { return own && !domains },
		opens: func(own, _ bool) bool { return own }, // which of them a message is sealed to is not known before
	})
	if err != nil || w.n == 0 {
		return err
	}
	return &Error{Kind: Negative,
		Message: fmt.Sprintf("messages to %s wait, %d in all, and without its certificate they cannot be opened, or nobody can be told what becomes of them", w.one, w.n),
		Hint:    instead + "; postern queue list --to " + w.one.String() + " shows what waits; --untold removes the address all the same"}
}

// tellableOf is tellable for a domain, with which the certificates of all its addresses go.
func (v *view) tellableOf(in DomainRemoval, domain mime.Domain) error {
	if in.Untold {
		return nil
	}
	either := func(own, domains bool) bool { return own || domains }
	w, err := v.untold(going{func(a mime.Address) bool { return a.Domain() == domain }, either, either})
	if err != nil || w.n == 0 {
		return err
	}
	return &Error{Kind: Negative,
		Message: fmt.Sprintf("messages to addresses of %s wait, such as %s, %d in all, and without its certificates they cannot be opened, or nobody can be told what becomes of them", domain, w.one, w.n),
		Hint:    "remove it when they are through, which postern queue list --to " + domain.String() + " shows; --untold removes the domain all the same"}
}

// A going is what goes: which addresses, and whether what signs or opens for one is lost
// with it, by whether certificates of its own do, and those of its domain.
type going struct {
	has          func(mime.Address) bool
	signs, opens func(own, domains bool) bool
}

// An untold is how many messages would be lost, and whom one of them is to.
type untold struct {
	one mime.Address
	n   int
}

// untold counts the messages that wait and need what goes.
func (v *view) untold(g going) (untold, error) {
	type answer struct {
		store.PushName
		job  store.Era
		open bool
	}
	var waits []answer
	err := v.eachJob(func(j store.Job) {
		for _, n := range answering(j) {
			if g.has(n.Address) {
				waits = append(waits, answer{n, j.Era, j.Kind == store.OpenJob})
			}
		}
	})
	if err != nil {
		return untold{}, err
	}
	var u untold
	tracks := make(map[store.TrackID]bool)
	for _, w := range waits {
		era, err := gateway.EraOf(v.Tx, w.Track, w.job)
		if err != nil {
			return untold{}, err
		}
		if g.signs(v.dir.Signs(w.Address, era, v.now)) || w.open && g.opens(v.dir.Opens(w.Address)) {
			tracks[w.Track], u.one = true, w.Address
		}
	}
	u.n = len(tracks)
	return u, nil
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
