package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/mime"
	"postern/mime/dsn"
	"postern/mime/mdn"
	"postern/pickup"
	"postern/trust/reason"
)

// fetchTime bounds reading a whole mailbox.
const fetchTime = 3 * time.Minute

// Answers that a sender gets for a recipient.
const (
	saidProcessed  = "processed"
	saidDispatched = "dispatched"
	saidFailed     = "failed"
)

// A finding is what the mailboxes hold about one message and recipient.
type finding struct {
	arrived int      // copies
	changed int      // copies that are not what was sent
	answers []string // to the sender
	reasons []string // of failures
}

// findings are by Message-ID and recipient.
type findings map[string]*finding

func (f findings) of(id, recipient string) *finding {
	key := id + " " + recipient
	if f[key] == nil {
		f[key] = &finding{}
	}
	return f[key]
}

// judge reads every mailbox and compares.
func (w *world) judge() {
	found := make(findings)
	for _, h := range w.houses {
		for domain, user := range users() {
			if domain != h.domain && (h != w.b || domain != "c.example") {
				continue
			}
			for _, raw := range w.inbox(h, user) {
				w.file(found, user, raw)
			}
		}
	}
	w.far.mu.Lock()
	defer w.far.mu.Unlock()
	for key := range w.far.took {
		id, recipient, _ := strings.Cut(key, " ")
		found.of(id, recipient).arrived++
	}
	w.report.Twice += w.far.again
	w.report.Again = w.far.after
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	for _, m := range w.ledger.messages {
		w.report.enter(m)
		for i, to := range m.to {
			w.report.judge(m, to, m.fates[i], found.of(m.id, to))
		}
	}
	w.explain()
}

// explain adds what both gateways know of the first messages that ended badly.
func (w *world) explain() {
	for _, id := range w.report.suspects {
		for _, h := range w.houses {
			out, err := h.run(h.config(), "track", id)
			if err == nil {
				w.report.Problems = append(w.report.Problems, h.domain+" tracked "+out)
			}
		}
	}
}

// inbox is everything in the mailbox of a user.
func (w *world) inbox(h *house, user string) []string {
	ctx, cancel := context.WithTimeout(w.t.Context(), fetchTime)
	defer cancel()
	got, err := pickup.FetchInbox(ctx, pickup.FetchOptions{Addr: h.imaps, TLS: h.tls(), User: user, Password: password, MaxBytes: 4 << 30})
	if err != nil {
		w.t.Fatalf("reading the mailbox of %s: %v\n%s", user, err, h.tail())
	}
	all := make([]string, len(got))
	for i, m := range got {
		all[i] = string(m.Raw)
	}
	return all
}

// file enters what came to a mailbox: a message of the load, or a notice.
func (w *world) file(found findings, user, raw string) {
	id := messageID(raw)
	w.ledger.mu.Lock()
	m := w.ledger.messages[id]
	w.ledger.mu.Unlock()
	if m != nil {
		f := found.of(id, user)
		f.arrived++
		if !strings.HasSuffix(raw, m.text) { // in front stands what was verified
			f.changed++
		}
		return
	}
	n, err := mdn.Parse(strings.NewReader(raw), mime.Limits{})
	if err == nil {
		said := string(n.Disposition)
		if n.Failure() {
			said = saidFailed
		}
		found.of(n.OriginalMessageID, n.FinalRecipient.String()).say(said)
		return
	}
	d, err := dsn.Parse(strings.NewReader(raw), mime.Limits{})
	if err != nil {
		w.report.add(&w.report.Strange, "in the mailbox of %s: %v\n%s", user, err, raw[:min(len(raw), 500)])
		return
	}
	for _, r := range d.Recipients {
		if r.Action == dsn.Failed {
			f := found.of(d.OriginalMessageID, r.Final.String())
			f.say(saidFailed)
			f.reasons = append(f.reasons, r.Diagnostic)
		}
	}
}

func (f *finding) say(what string) { f.answers = append(f.answers, what) }

func (f *finding) count(what ...string) int {
	n := 0
	for _, a := range f.answers {
		if slices.Contains(what, a) {
			n++
		}
	}
	return n
}

func (f *finding) String() string {
	return fmt.Sprintf("came %d times, answered %v %v", f.arrived, f.answers, f.reasons)
}

// messageID is that of a message's header.
func messageID(raw string) string {
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	_, rest, _ := strings.Cut("\r\n"+head, "\r\nMessage-ID: ")
	id, _, _ := strings.Cut(rest, "\r\n")
	return id
}

// enter counts a message.
func (r *report) enter(m *message) {
	r.Offered++
	if !m.accepted {
		return
	}
	domain := m.from[strings.LastIndexByte(m.from, '@')+1:]
	r.Accepted[domain]++
}

// judge counts what became of a message for one recipient.
func (r *report) judge(m *message, to string, want fate, f *finding) {
	about := func(counter *int) {
		if len(r.suspects) < suspectsKept && !slices.Contains(r.suspects, m.id) {
			r.suspects = append(r.suspects, m.id)
		}
		r.add(counter, "%s to %s, accepted %t, timely %t, fate %q: %v", m.id, to, m.accepted, m.timely, want, f)
	}
	if f.arrived > 0 && want != fails {
		r.Delivered++
	}
	if !m.accepted && f.arrived == 0 && len(f.answers) == 0 {
		return // it never was here
	}
	if want == arrives && r.unfound(to, f) {
		r.Unfound++
		r.Told++
		return
	}
	switch {
	case want == fails && f.arrived > 0, f.changed > 0:
		about(&r.Changed)
	case want != fails && f.arrived == 0 && f.count(saidFailed) == 0:
		about(&r.Lost)
	case want == arrives && f.arrived > 1:
		about(&r.Twice)
	}
	// Who did not ask for notice of delivery gets one positive answer, whichever of
	// the two is read first.
	good, bad := []string{saidProcessed, saidDispatched}, []string{saidFailed}
	if m.timely {
		good = []string{saidDispatched}
	}
	if want == fails {
		good, bad = bad, []string{saidProcessed, saidDispatched}
	}
	switch {
	case f.count(bad...) > 0:
		about(&r.Wrong)
	case f.count(good...) == 0:
		about(&r.Untold)
	case f.count(good...) > 1, m.timely && f.count(saidProcessed) > 1:
		about(&r.ToldTwice)
	default:
		r.Told++
	}
}

// unfound reports whether a message failed because its recipient's directory did
// not answer: that is no certificate, at once (CD-31, CD-43).
func (r *report) unfound(to string, f *finding) bool {
	return strings.HasSuffix(to, "@"+directoryDomain) && f.arrived == 0 && len(f.answers) == 1 && len(f.reasons) == 1 &&
		strings.HasSuffix(f.reasons[0], " "+reason.NoCertificate.String())
}
