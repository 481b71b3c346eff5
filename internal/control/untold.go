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

// An owed answer is that somebody will be told, in the name of an address, what became of a
// message that waits.
type owed struct {
	store.PushName
	job  store.Era
	open bool // the message is to be opened first
}

// A means is what there is for an answer: whether certificates of its address and of the
// domain sign it, and open what it is about. Where damage hides whose the address is that is
// unknown, and the answer waits.
type means struct{ ownSigns, domainSigns, ownOpens, domainOpens, unknown bool }

// lacks reports whether there is less than there was before: nothing that signs, or not all
// that opened. To which of its certificates a message is sealed is not known before.
func (m means) lacks(before means) bool {
	return before.unknown && !m.unknown && !m.ownSigns && !m.domainSigns ||
		(before.ownSigns || before.domainSigns) && !m.ownSigns && !m.domainSigns ||
		before.ownOpens && !m.ownOpens || before.domainOpens && !m.domainOpens
}

// meansOf finds out what there is for an answer.
func (v *view) meansOf(a owed) (m means, err error) {
	era, err := gateway.EraOf(v.Tx, a.Track, a.job)
	if err != nil {
		return m, err
	}
	m.unknown = v.dir.IsUnknown(a.Address, era)
	m.ownSigns, m.domainSigns = v.dir.Signs(a.Address, era, v.now)
	if a.open {
		m.ownOpens, m.domainOpens = v.dir.Opens(a.Address)
	}
	return m, nil
}

// awaited are the answers that are still to be given.
func (v *view) awaited() (all []owed, err error) {
	err = v.eachJob(func(j store.Job) {
		for _, n := range answering(j) {
			all = append(all, owed{n, j.Era, j.Kind == store.OpenJob})
		}
	})
	return all, err
}

// untold refuses a removal after which messages that wait could not be opened, or nobody
// could be told what becomes of them (DN-8). before is what there was for each answer.
func (v *view) untold(instead string, awaited []owed, before []means) error {
	lost := make(map[store.TrackID]bool)
	var one mime.Address
	for i, a := range awaited {
		after, err := v.meansOf(a)
		if err != nil {
			return err
		}
		if after.lacks(before[i]) {
			lost[a.Track], one = true, a.Address
			if before[i].unknown {
				instead = "mend the damaged record first, as store check says"
			}
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return &Error{Kind: Negative,
		Message: fmt.Sprintf("messages wait, such as one to %s, %d in all, that could not be opened any more, or of which nobody could be told: the certificates that do so go as well", one, len(lost)),
		Hint:    instead + "; postern queue list --to " + one.String() + " shows what waits; --untold removes it all the same"}
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
