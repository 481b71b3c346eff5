package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// withID gives alice's message a Message-ID of so many octets without its brackets.
func withID(octets int, fields ...string) string {
	id := "<" + strings.Repeat("x", octets-len("@a.example")) + "@a.example>"
	return strings.Replace(message("alice@a.example", "bob@b.example", fields...), " <m1@a.example>", "\n "+id, 1)
}

// A failure is told whatever Message-ID the client chose, and no job stays.
func TestAS75_LongMessageIDs(t *testing.T) {
	for octets := 970; octets <= 990; octets++ {
		w := newWorld(t)
		a := w.site("a.example")
		w.site("b.example")
		a.accounts("alice@a.example")
		a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
		id := a.submit(withID(octets), "alice@a.example", "bob@b.example")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		for _, kind := range []store.JobKind{store.SealJob, store.RelayJob} {
			a.doStep(ctx, a.jobs(kind)[0], a.stepOf(kind))
		}
		cancel()
		equal(t, "states", a.states(id), []string{"bob@b.example failed peer-refused"})
		equal(t, "told", len(a.inbox("alice@a.example")), 1)
		equal(t, "jobs", len(a.jobs()), 0)
	}
}

// What others wrote never keeps a failure from being told.
func TestAS75_NoticesOfWhatCannotBeQuoted(t *testing.T) {
	for name, spoil := range map[string]func(*store.Track, *smtp.Result){
		"a Message-ID from before": func(tr *store.Track, _ *smtp.Result) { tr.MessageID = "<" + strings.Repeat("x", 975) + ">" },
		"a status that is none":    func(_ *store.Track, r *smtp.Result) { r.Reply, r.Enhanced, r.Text = 550, "5.77777.1", "no" },
		"words that are not ASCII": func(_ *store.Track, r *smtp.Result) { r.Reply, r.Enhanced, r.Text = 550, "5.1.1", "n\x00\xe9\r\n" },
		"words without an end":     func(_ *store.Track, r *smtp.Result) { r.Reply, r.Text = 550, strings.Repeat("x", 2000) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, id := sent(t, w, nil, "bob@b.example")
			r := smtp.Result{Recipient: addr(t, "bob@b.example"), Code: reason.PeerRefused}
			var track store.Track
			a.update(func(tx store.Tx) (err error) {
				track, err = tx.Track(id)
				if err != nil {
					return err
				}
				spoil(&track, &r)
				return tx.PutTrack(track)
			})
			job := store.Job{Track: id, Sender: track.Sender}
			err := a.endOutgoing(t.Context(), ending{job: job, at: a.Now(), failed: []failure{relayFailure(r)}}, func(store.Tx) error { return nil })
			equal(t, "error", err, nil)
			equal(t, "notices", len(a.inbox("alice@a.example")), 1)
		})
	}
}

// The answer comes while a failure is about to be told (DN-21).
func TestDN21_AnswerBeforeTheFailureIsWritten(t *testing.T) {
	for name, end := range map[string]func(*site, store.Job){
		"refused": func(a *site, j store.Job) { a.doStep(a.t.Context(), j, a.relay) },
		"dropped": func(a *site, j store.Job) {
			equal(a.t, "drop", a.Drop(a.t.Context(), j.ID, "operator:0", false, nil), nil)
		},
		"given up": func(a *site, j store.Job) {
			equal(a.t, "given up", a.giveUp(a.t.Context(), j, reason.New(reason.Internal, "no more")), true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			w.site("b.example")
			a.accounts("alice@a.example")
			far := w.root.Leaf("b.example")
			w.find = func(discovery.Request) (discovery.Result, bool) { return published(far), true }
			code := reason.PeerUnreachable // the line broke after the dot
			a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, code) }
			id := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
			a.run()
			w.clock.advance(time.Minute)
			code = reason.PeerRefused
			plain, job := a.Store, a.jobs(store.RelayJob)[0]
			a.Store = &composing{Store: plain, then: func() {
				a.Store = plain
				n := mdn.Notification{
					From: addr(t, "bob@b.example"), To: addrs(t, "alice@a.example"), MessageID: "<n@n.example>", Date: w.clock.Now(),
					FinalRecipient: addr(t, "bob@b.example"), OriginalMessageID: "<m1@a.example>", Disposition: mdn.Dispatched, FinalDestination: true,
				}
				text, err := n.Compose(nil)
				equal(t, "composed", err, nil)
				raw := peer{t: t, at: w.clock, id: far}.seal(string(text), a, "alice@a.example")
				a.receive(raw, addr(t, "bob@b.example"), addrs(t, "alice@a.example")...)
				a.doStep(t.Context(), a.jobs(store.OpenJob)[0], a.open)
			}}
			end(a, job)
			equal(t, "shown", a.shown(), []string{"dispatched+"})
			equal(t, "states", a.states(id), []string{"bob@b.example dispatched"})
		})
	}
}

// A composing store calls then when the first notice has been composed.
type composing struct {
	store.Store
	then func()
}

func (s *composing) NewBody(ctx context.Context) (store.BodyWriter, error) {
	b, err := s.Store.NewBody(ctx)
	s.then()
	return b, err
}
