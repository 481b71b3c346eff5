package gateway

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"postern/internal/audit"
	"postern/internal/cms"
	"postern/mime"
	"postern/store"
)

// beginTrack writes the track of a message that was taken or made, with its
// record: taken by whom, or made as a notification.
func beginTrack(tx store.Tx, action audit.Action, actor string, t store.Track, e store.Event) error {
	err := tx.Audit(audit.Record{
		At: e.At, Actor: actor, Action: action, Object: "from " + sender(t.Sender), Track: string(t.ID),
		Detail: fmt.Sprintf("%d octets for %d recipients", t.Size, len(t.Recipients)),
	})
	if err != nil {
		return err
	}
	return putTrack(tx, t, e)
}

func sender(a mime.Address) string {
	if a.IsZero() {
		return "<>"
	}
	return a.String()
}

func peerActor(a netip.AddrPort) string { return audit.Peer(a.Addr().Unmap().String()) }

// auditDeeds says which action the outcomes of a step are. What comes first in
// the table counts: whoever opens a message may notify as well. Whatever is
// delivered was opened, and whoever is trusted was discovered.
func auditDeeds() []struct {
	stage  string
	action audit.Action
} {
	return []struct {
		stage  string
		action audit.Action
	}{
		{store.StageOpen, audit.Opened},
		{store.StageRelay, audit.Relayed},
		{store.StagePush, audit.Relayed},
		{store.StageSeal, audit.Sealed},
		{store.StageDiscover, audit.Sealed},
		{store.StageMonitor, audit.Overdue},
		{string(store.KeptJob), audit.Dropped},
		{store.StageQueue, audit.Dropped},
	}
}

// deedOf names what a step did; what only speaks of notifications is an answer
// that came in.
func deedOf(outcomes []outcome) audit.Action {
	for _, d := range auditDeeds() {
		if slices.ContainsFunc(outcomes, func(o outcome) bool { return o.stage == d.stage }) {
			return d.action
		}
	}
	return audit.Answered
}

// auditStep records what a step did to a message, one part for each recipient,
// with the keys it used. A step that did nothing has no record, nor has that a sender was
// told of a wait, for the notice has one of its own.
func auditStep(tx store.Tx, r audit.Record, outcomes []outcome) error {
	outcomes = slices.DeleteFunc(slices.Clone(outcomes), func(o outcome) bool { return o.stage == store.StageMonitor && o.code.IsOK() })
	if len(outcomes) == 0 {
		return nil
	}
	r.Actor, r.Action = cmp.Or(outcomes[0].by, audit.System), deedOf(outcomes)
	switch outcomes[0].answer {
	case store.ToldSilent:
		r.Detail = "silently: the sender was not told"
	case store.ToldUnasked:
		r.Detail = "the sender was not told, as he asked"
	}
	place := make(map[string]int)
	for _, o := range outcomes {
		if o.recipient.IsZero() {
			continue // it speaks of the message as a whole
		}
		i, known := place[o.recipient.Key()]
		if !known {
			i = len(r.Parts)
			place[o.recipient.Key()] = i
			r.Parts = append(r.Parts, audit.Part{Recipient: o.recipient.String()})
		}
		o.become(&r.Parts[i])
	}
	for _, o := range outcomes {
		r.Parts = append(r.Parts, o.members...)
	}
	return auditParts(tx, r)
}

// auditParts writes as many records as the parts of one need.
func auditParts(tx store.Tx, r audit.Record) error {
	all := r.Parts
	for {
		r.Parts = all[:min(len(all), audit.MaxParts)]
		err := tx.Audit(r)
		all = all[len(r.Parts):]
		if err != nil || len(all) == 0 {
			return err
		}
	}
}

// become puts an outcome over what is known of its recipient: where it stands
// counts more than what led there.
func (o outcome) become(p *audit.Part) {
	if o.state == "" && p.State != "" {
		return
	}
	p.State, p.Reason = string(o.state), ""
	if o.duplicate {
		p.State = audit.Duplicate
	}
	if !o.code.IsOK() {
		p.Reason = o.code.String()
	}
}

// keysUsed are the certificates whose keys signed a message; none while nothing
// could be sealed.
func (s *sealing) keysUsed() []string {
	if len(s.copies) == 0 {
		return nil
	}
	return certificatesOf(s.signers)
}

func certificatesOf(signers []cms.Signer) []string {
	var all []string
	for _, s := range signers {
		all = append(all, store.FingerprintOf(s.Certificate.Raw).String())
	}
	return all
}

// keysUsed are the certificates whose keys decrypted a message.
func (o *opening) keysUsed() []string {
	var all []string
	for _, p := range o.parts {
		used := p.opened.Enveloped().Certificate
		if used == nil {
			continue
		}
		f := store.FingerprintOf(used.Raw).String()
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	return all
}
