package gateway

import (
	"cmp"
	"slices"
	"strings"

	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// A hiding is why a notification is not put into the mailbox of whom it is
// addressed to.
type hiding struct {
	code   reason.Code
	why    string
	wanted bool // by the configuration
}

// hear moves the tracks of the messages that a notification is about, and finds
// out from whose mailboxes it is kept. However many it is addressed to, it reads no
// more tracks than if it were one, and writes each once.
func (p *part) hear(tx store.Tx) error {
	p.hidden, p.news, p.readers = make(map[string]hiding), nil, make(map[string]target)
	if p.report == nil {
		return nil
	}
	known := make(map[store.TrackID]*followed)
	var all []*followed
	for _, v := range p.opened.Verdicts {
		if !v.Accepted() {
			continue
		}
		sent, err := sentBy(tx, v.Recipient, p.report.ids, max(1, maxOwn/len(p.job.Recipients)))
		if err != nil {
			return err
		}
		tracks := make([]*followed, len(sent))
		for i, t := range sent {
			k := known[t.ID]
			if k == nil {
				k = &followed{Track: t}
				known[t.ID], all = k, append(all, k)
			}
			tracks[i] = k
		}
		whose, err := p.readerships(tx, v.Recipient, tracks)
		if err != nil {
			return err
		}
		h := &hearing{part: p, verdict: v}
		hidden := h.hear(whose)
		if hidden != nil {
			p.hidden[v.Recipient.Key()] = *hidden
		}
	}
	for _, k := range all {
		err := p.write(tx, k)
		if err != nil {
			return err
		}
	}
	return nil
}

// A followed is a track that a notification may be about, as it becomes, with what is
// said of it.
type followed struct {
	store.Track
	outcomes []outcome
}

// add adds an outcome, but for one that moves nothing and is there already: many may be
// addressed.
func (k *followed) add(o outcome) {
	same := func(p outcome) bool { return p.detail == o.detail && p.recipient == o.recipient }
	if o.state != "" || !slices.ContainsFunc(k.outcomes, same) {
		k.outcomes = append(k.outcomes, o)
	}
}

// write moves a track by what was heard of it.
func (p *part) write(tx store.Tx, k *followed) error {
	if len(k.outcomes) == 0 {
		return nil
	}
	err := record(tx, k.ID, p.now, k.outcomes)
	if err != nil {
		return err
	}
	p.news = append(p.news, news{k.ID, k.outcomes})
	return p.rewatch(tx, k.ID)
}

// A hearing is what one notification says to one whom it is addressed to of the
// messages that he sent.
type hearing struct {
	*part
	verdict sta.Verdict
	of      *readership // the messages that it may be about, oldest first
	shown   bool
	hidden  *hiding
}

// hear returns nil if the addressee is to see the notification.
func (h *hearing) hear(whose []*readership) *hiding {
	if len(whose) == 0 {
		return nil // of nothing of his: mail like any other
	}
	h.of = spokenOf(whose, h.report.entries)
	if h.of == nil {
		return h.mixed(whose)
	}
	h.readers[h.verdict.Recipient.Key()] = h.of.target
	for _, e := range h.report.entries {
		h.entry(e)
	}
	if h.shown {
		return nil
	}
	return h.hidden
}

// mixed hears what speaks of the messages of several: it moves nothing, and none of them
// sees it.
func (h *hearing) mixed(whose []*readership) *hiding {
	const why = "it speaks of messages of several senders"
	for _, h.of = range whose {
		for _, e := range h.report.entries {
			for _, r := range h.find(e) {
				r.track.add(outcome{recipient: r.Address, stage: store.StageNotify, code: reason.Malformed, detail: e.detail + ", not counted: " + why})
			}
		}
	}
	return &hiding{code: reason.Malformed, why: why}
}

// sentBy returns the tracks of the messages that somebody sent, or gets the
// notifications about, by the first of the Message-IDs that names one (DN-12).
func sentBy(tx store.Tx, addressee mime.Address, ids []string, most int) ([]store.Track, error) {
	for _, id := range ids {
		all, err := ownTracks(tx, id, addressee, most)
		if err != nil || len(all) > 0 {
			return all, err
		}
	}
	return nil, nil
}

// entry hears what is said of one recipient.
func (h *hearing) entry(e reportEntry) {
	same := h.find(e)
	if len(same) == 0 {
		h.shown = true // of nobody the message went to: for its reader to judge
		return
	}
	before := slices.ContainsFunc(same, func(r place) bool { return r.Told == store.ToldSuccess })
	for _, r := range same {
		o := outcome{recipient: r.Address, stage: store.StageNotify, code: e.code, detail: e.detail}
		if speaksFor(h.verdict.Trust.Binding, h.opened.Sender, r.Address) {
			h.rule(&o, r, e.word, before)
		} else {
			h.hidden = &hiding{code: reason.SenderMismatch, why: h.opened.Sender.String() + " does not speak for " + r.Address.String()}
			o.code, o.detail = reason.SenderMismatch, o.detail+", not counted: "+h.hidden.why
		}
		r.track.add(o)
	}
}

// rule finds out what a word of somebody entitled does, and does it to the copy of
// the track, by which the rest of the notification is judged. Before says that the
// sender was told that the same message was delivered.
func (h *hearing) rule(o *outcome, r place, w word, before bool) {
	ruled := rule(r.track.Track, *r.TrackRecipient, w, h.Notify.HideProcessed)
	switch {
	case before && r.Told == "":
		ruled = ruled.quietly(w)
	case h.mayBeNewTo(r.track.Track) && agrees(*r.TrackRecipient, w) && (w != wordProcessed || !h.Notify.HideProcessed):
		ruled.shown = true // somebody else was told
	}
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
		h.hidden = &hiding{why: said + ", " + ruled.why, wanted: ruled.why == hiddenByConfig}
	}
}

// mayBeNewTo reports whether the addressee of a notification may not have been shown what
// the track knows: where several get the notifications, that is what any of them got.
func (h *hearing) mayBeNewTo(t store.Track) bool {
	return len(t.AnswersTo) > 0 || !t.Sender.Same(h.verdict.Recipient)
}

// News are what became of another message than the one that a step is about.
type news struct {
	track    store.TrackID
	outcomes []outcome
}

// A place is a recipient of one of the tracks that a notification may be about.
type place struct {
	track *followed
	*store.TrackRecipient
}

// placesOf returns the recipients of some tracks, by Address.Key, each once of a track.
func placesOf(tracks []*followed) map[string][]place {
	all := make(map[string][]place)
	for _, t := range tracks {
		for j := range t.Recipients {
			r := &t.Recipients[j]
			key := r.Address.Key()
			known := all[key]
			if len(known) == 0 || known[len(known)-1].track != t {
				all[key] = append(known, place{t, r})
			}
		}
	}
	return all
}

// find returns the recipients that an entry is about: one, or the same of a message
// that a client handed in more than once, as one does that lost our answer, the nearest
// of too many. Of other messages under one Message-ID the first that waits for an answer
// gets it.
func (h *hearing) find(e reportEntry) []place {
	all := h.of.placesFor(e)
	if len(all) == 0 {
		return nil
	}
	first := slices.MinFunc(all, morePatient)
	var same []place
	at := 0
	for _, r := range all {
		if r.track == first.track {
			at = len(same)
		}
		if r.track == first.track || sameMessage(r.track.Track, first.track.Track) {
			same = append(same, r)
		}
	}
	return same[max(0, at-nearby):min(len(same), at+nearby+1)]
}

func morePatient(a, b place) int { return cmp.Compare(a.patience(), b.patience()) }

// patience is the less the more a recipient waits for an answer.
func (r place) patience() int {
	switch {
	case r.Told != "":
		return 2
	case answered(r.track.Track, *r.TrackRecipient):
		return 1 // which may still fail
	}
	return 0
}

// speaksFor reports whether a signer may say what became of a recipient: that is the
// recipient, or with a certificate of the domain those who report for it. A
// colleague's word is not the recipient's.
func speaksFor(by trust.Binding, signer, recipient mime.Address) bool {
	if recipient.Same(signer) {
		return true
	}
	reporter := slices.Contains([]string{"postmaster", "mailer-daemon"}, strings.ToLower(signer.Local()))
	return by == trust.ByDomain && reporter && recipient.Domain() == signer.Domain()
}
