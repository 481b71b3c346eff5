package gateway

import (
	"slices"

	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// A hiding is why a notification is not put into the mailbox of whom it is
// addressed to.
type hiding struct {
	code reason.Code
	why  string
}

// hear moves the tracks of the messages that a notification is about, and finds
// out from whose mailboxes it is kept.
func (p *part) hear(tx store.Tx) error {
	p.hidden, p.news = make(map[string]hiding), nil
	if p.report == nil {
		return nil
	}
	for _, v := range p.opened.Verdicts {
		if !v.Accepted() {
			continue
		}
		h, err := p.hearFor(tx, v)
		if err != nil {
			return err
		}
		if h != nil {
			p.hidden[v.Recipient.Key()] = *h
		}
	}
	return nil
}

// A hearing is what one notification does to the messages of one sender.
type hearing struct {
	*part
	verdict  sta.Verdict
	tracks   []store.Track // that it may be about, oldest first, as they become
	outcomes map[store.TrackID][]outcome
	shown    bool
	hidden   *hiding
}

// hearFor moves the messages that the one a notification is addressed to has
// sent. It returns nil if he is to see it.
func (p *part) hearFor(tx store.Tx, v sta.Verdict) (*hiding, error) {
	tracks, err := sentBy(tx, v.Recipient, p.report.ids)
	if err != nil || len(tracks) == 0 {
		return nil, err // of nothing of his: mail like any other
	}
	h := &hearing{part: p, verdict: v, tracks: tracks, outcomes: make(map[store.TrackID][]outcome)}
	for _, e := range p.report.entries {
		h.entry(e)
	}
	for _, t := range h.tracks {
		heard := h.outcomes[t.ID]
		if len(heard) == 0 {
			continue
		}
		err := record(tx, t.ID, p.now, heard)
		if err != nil {
			return nil, err
		}
		err = p.rewatch(tx, t.ID)
		if err != nil {
			return nil, err
		}
		p.news = append(p.news, news{t.ID, heard})
	}
	if h.shown {
		return nil, nil
	}
	return h.hidden, nil
}

// sentBy returns the tracks of a sender of ours by the first of the Message-IDs
// that names one of his messages (DN-12).
func sentBy(tx store.Tx, sender mime.Address, ids []string) ([]store.Track, error) {
	for _, id := range ids {
		all, err := tx.TracksByMessageID(id)
		if err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(t store.Track) bool { return !t.Outbound || !t.Sender.Same(sender) })
		if len(all) > 0 {
			return all, nil
		}
	}
	return nil, nil
}

// entry hears what is said of one recipient.
func (h *hearing) entry(e reportEntry) {
	i, j, found := h.find(e)
	if !found {
		h.shown = true // of nobody the message went to: for its reader to judge
		return
	}
	t := &h.tracks[i]
	r := &t.Recipients[j]
	o := outcome{recipient: r.Address, stage: store.StageNotify, code: e.code, detail: e.detail}
	if speaksFor(h.verdict.Trust.Binding, h.opened.Sender, r.Address) {
		h.rule(&o, t, r, e.word)
	} else {
		h.hidden = &hiding{reason.SenderMismatch, h.opened.Sender.String() + " does not speak for " + r.Address.String()}
		o.code, o.detail = reason.SenderMismatch, o.detail+", not counted: "+h.hidden.why
	}
	h.outcomes[t.ID] = append(h.outcomes[t.ID], o)
}

// rule finds out what a word of somebody entitled does, and does it to the copy of
// the track, by which the rest of the notification is judged.
func (h *hearing) rule(o *outcome, t *store.Track, r *store.TrackRecipient, w word) {
	ruled := rule(*t, *r, w, h.Notify.HideProcessed)
	o.state, o.answer = ruled.state, ruled.told
	if o.state != "" {
		r.State, r.Told = o.state, o.answer
	}
	if ruled.shown {
		h.shown = true
		return
	}
	said := o.detail
	o.detail += ", not shown: " + ruled.why
	if h.hidden == nil {
		h.hidden = &hiding{reason.OK, said + ", " + ruled.why}
	}
}

// News are what became of another message than the one that a step is about.
type news struct {
	track    store.TrackID
	outcomes []outcome
}

// find returns the recipient that an entry is about. A client may have sent a
// message more than once under its Message-ID: the first that still waits for an
// answer gets it.
func (h *hearing) find(e reportEntry) (track, recipient int, found bool) {
	for _, a := range []mime.Address{e.recipient, e.original} {
		if a.IsZero() {
			continue
		}
		for i, t := range h.tracks {
			j := slices.IndexFunc(t.Recipients, func(r store.TrackRecipient) bool { return r.Address.Same(a) })
			if j < 0 {
				continue
			}
			track, recipient, found = i, j, true
			if t.Recipients[j].Told == "" {
				return track, recipient, true
			}
		}
		if found {
			return track, recipient, true
		}
	}
	return 0, 0, false
}

// speaksFor reports whether a signer may say what became of a recipient: with a
// certificate of the domain for all of it, with one of an address for itself
// alone. A neighbour's word is not the recipient's.
func speaksFor(by trust.Binding, signer, recipient mime.Address) bool {
	if by == trust.ByDomain {
		return recipient.Domain() == signer.Domain()
	}
	return recipient.Same(signer)
}
