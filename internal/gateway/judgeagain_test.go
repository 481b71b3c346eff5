package gateway

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/store"
)

// judgeAgain does to the kept originals what an operator's retry does.
func (s *site) judgeAgain() {
	s.t.Helper()
	for _, j := range s.jobs(store.KeptJob) {
		s.update(func(tx store.Tx) error {
			j, err := s.JudgeAgain(tx, j)
			return errors.Join(err, tx.Reschedule(j))
		})
	}
}

func (s *site) isSound() {
	s.t.Helper()
	report, err := s.Store.Check(s.t.Context())
	if err != nil || len(report.Problems) > 0 {
		s.t.Errorf("%v, %v", report.Problems, err)
	}
}

// What was refused because an anchor was missing is delivered and acknowledged when
// the anchor is there and an operator asks, however late.
func TestRefusedIsJudgedAgain(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	other := w.pki.Root("other")
	raw := peer{t: t, at: w.clock, id: other.Leaf("a.example")}.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	id := b.receive(raw, addr(t, "alice@a.example"), addr(t, "bob@b.example"))
	b.run()
	equal(t, "at first", b.states(id), []string{"bob@b.example refused untrusted-anchor"})
	w.clock.advance(5 * 24 * time.Hour)
	b.trust("b.example", store.Both, other)
	b.judgeAgain()
	equal(t, "asked for", b.states(id), []string{"bob@b.example queued"})
	job := b.jobs()[0]
	equal(t, "attempts", job.Attempts, 0)
	equal(t, "tried for", job.Expires.Sub(job.Created), b.RetryFor)
	b.doStep(t.Context(), job, b.open)
	equal(t, "judged again", b.states(id), []string{"bob@b.example delivered"})
	equal(t, "delivered", len(b.inbox("bob@b.example")), 1)
	equal(t, "acknowledged", b.jobs()[0].Sender, addr(t, "bob@b.example"))
	equal(t, "kept", len(b.jobs(store.KeptJob)), 0)
	equal(t, "by its own Message-ID", b.tracksOf("<m1@a.example>")[0].ID, id)
	b.isSound()
}

// What is refused again is kept no longer than it was to be before, and held if it
// was held.
func TestRefusedAgainIsKeptAsBefore(t *testing.T) {
	for name, row := range map[string]struct {
		held  bool
		after time.Duration
		left  int
	}{
		"in its time":          {false, time.Hour, 1},
		"held":                 {true, time.Hour, 1},
		"held, after its time": {true, 1000 * time.Hour, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.site("b.example")
			b.accounts("bob@b.example")
			id := b.from(peer{t: t, at: w.clock, id: w.pki.Root("other").Leaf("a.example")})
			b.run()
			before := b.jobs(store.KeptJob)[0]
			before.Held = row.held
			b.update(func(tx store.Tx) error { return tx.Reschedule(before) })
			w.clock.advance(row.after)
			b.judgeAgain()
			b.run()
			equal(t, "state", b.states(id), []string{"bob@b.example refused untrusted-anchor"})
			kept := b.jobs()
			equal(t, "kept", len(kept), row.left)
			equal(t, "until", kept[0].Due, before.Due)
			equal(t, "held", kept[0].Held, row.held)
			equal(t, "how", kept[0].Kept, store.Keeping{})
			b.isSound()
			w.clock.advance(b.Care.KeepRefused)
			kept[0].Held = false
			b.update(func(tx store.Tx) error { return tx.Reschedule(kept[0]) })
			b.run()
			equal(t, "after its time", len(b.jobs()), 0)
		})
	}
}

// What was kept before it was judged again is not lost for want of room, nor because
// none are kept any more: an operator may hold it for a dispute.
func TestRefusedAgainNeedsNoRoom(t *testing.T) {
	for name, full := range map[string]func(b *site, size int64, stranger peer){
		"others that are held fill it": func(b *site, size int64, stranger peer) {
			b.RefusedBytes = size
			b.from(stranger)
			b.doStep(b.t.Context(), b.jobs(store.OpenJob)[1], b.open)
			junk := b.jobs(store.KeptJob)[0]
			junk.Held = true
			b.update(func(tx store.Tx) error { return tx.Reschedule(junk) })
		},
		"the bound is less now": func(b *site, size int64, _ peer) { b.RefusedBytes = size - 1 },
		"none are kept now":     func(b *site, _ int64, _ peer) { b.Care.KeepRefused = -1 },
	} {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, held %t", name, held), func(t *testing.T) {
				w := newWorld(t)
				b := w.site("b.example")
				b.accounts("bob@b.example")
				stranger := peer{t: t, at: w.clock, id: w.pki.Root("other").Leaf("a.example")}
				b.from(stranger)
				b.run()
				before := b.jobs()[0]
				before.Held = held
				b.update(func(tx store.Tx) error { return tx.Reschedule(before) })
				b.judgeAgain()
				full(b, before.Size, stranger)
				b.run()
				var after store.Job
				b.view(func(tx store.Tx) (err error) {
					after, err = tx.Job(before.ID)
					return err
				})
				equal(t, "kind", after.Kind, store.KeptJob)
				equal(t, "until", after.Due, before.Due)
				equal(t, "held", after.Held, held)
				want := "refused again, kept until 2026-06-08T12:00:00Z"
				if held {
					want = "refused again, held as before"
				}
				equal(t, "records", b.details(audit.Changed), []string{want})
				b.isSound()
			})
		}
	}
}

// details returns those of the records of an action.
func (s *site) details(action audit.Action) []string {
	var all []string
	s.view(func(tx store.Tx) error {
		all = nil
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err == nil && e.Action == action {
				all = append(all, e.Detail)
			}
			return true
		})
	})
	return all
}

// Judged again for those alone whom it was refused to; who has it gets it no second
// time, and those that are still refused it are as they were.
func TestJudgedAgainForThoseWhoWereRefused(t *testing.T) {
	w := newWorld(t)
	b := w.bare("b.example", "c.example", "d.example")
	for _, d := range []string{"b.example", "c.example", "d.example"} {
		b.addKey(d, w.root.Leaf(d))
	}
	b.trust("b.example", store.Both, w.root)
	b.accounts("bob@b.example", "carol@c.example", "dan@d.example")
	all := []string{"bob@b.example", "carol@c.example", "dan@d.example"}
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example>, <carol@c.example>, <dan@d.example"), b, all...)
	id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, all...)...)
	b.run()
	until := b.jobs(store.KeptJob)[0].Due
	b.taken()
	b.trust("c.example", store.Both, w.root)
	w.clock.advance(time.Minute)
	b.judgeAgain()
	equal(t, "to judge", b.jobs()[0].Recipients, addrs(t, "carol@c.example", "dan@d.example"))
	b.run()
	equal(t, "states", b.states(id), []string{"bob@b.example delivered", "carol@c.example delivered", "dan@d.example refused no-anchors"})
	for _, a := range all[:2] {
		equal(t, "INBOX of "+a, len(b.inbox(a)), 1)
	}
	kept := b.jobs(store.KeptJob)
	equal(t, "kept for", kept[0].Recipients, addrs(t, "dan@d.example"))
	equal(t, "kept until", kept[0].Due, until)
	b.isSound()
}

// A message whose step fails until its time is over is kept as before, too.
func TestGivenUpAgainIsKeptAsBefore(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	b.from(peer{t: t, at: w.clock, id: w.pki.Root("other").Leaf("a.example")})
	b.run()
	until := b.jobs(store.KeptJob)[0].Due
	b.judgeAgain()
	job := b.jobs()[0]
	if !b.giveUp(t.Context(), job, errors.New("it fails")) {
		t.Fatal("it was not ended")
	}
	equal(t, "until", b.jobs(store.KeptJob)[0].Due, until)
}

// The end of an original's time does not overtake an operator who holds it or has it
// judged again at that moment.
func TestTheEndOfKeepingOvertakesNoOperator(t *testing.T) {
	for name, change := range map[string]func(s *site, tx store.Tx, j store.Job) (store.Job, error){
		"judged again": func(s *site, tx store.Tx, j store.Job) (store.Job, error) { return s.JudgeAgain(tx, j) },
		"held": func(_ *site, _ store.Tx, j store.Job) (store.Job, error) {
			j.Held = true
			return j, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.site("b.example")
			b.accounts("bob@b.example")
			b.from(peer{t: t, at: w.clock, id: w.pki.Root("other").Leaf("a.example")})
			b.run()
			claimed := b.jobs(store.KeptJob)[0]
			b.update(func(tx store.Tx) error {
				j, err := change(b, tx, claimed)
				return errors.Join(err, tx.Reschedule(j))
			})
			err := b.drop(t.Context(), claimed)
			if err != nil {
				t.Error(err)
			}
			equal(t, "left", len(b.jobs()), 1)
		})
	}
}

// What lies in clear is not for operators, and what is sealed is given as it lies.
func TestOriginalIsSealed(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example", "ann@a.example")
	b := w.site("b.example")
	b.accounts("bob@b.example")
	text := message("alice@a.example", "bob@b.example")
	a.submit(text, "alice@a.example", "bob@b.example")
	submitted := a.jobs()[0]
	a.doStep(t.Context(), submitted, a.seal)
	b.receive(crlf(text), addr(t, "alice@a.example"), addr(t, "bob@b.example"))
	b.receive([]byte("rubbish"), addr(t, "alice@a.example"), addr(t, "bob@b.example"))
	b.from(peer{t: t, at: w.clock, id: w.pki.Root("other").Leaf("a.example")})
	came := b.jobs(store.OpenJob)
	b.doStep(t.Context(), came[2], b.open)
	for name, row := range map[string]struct {
		at     *site
		job    store.Job
		sealed bool
	}{
		"submitted":     {a, submitted, false},
		"sealed":        {a, a.jobs(store.RelayJob)[0], true},
		"came in clear": {b, came[0], false},
		"rubbish":       {b, came[1], false},
		"kept":          {b, b.jobs(store.KeptJob)[0], true},
		"without body":  {a, store.Job{Kind: store.WatchJob}, false},
	} {
		src, err := row.at.Original(t.Context(), row.job)
		if errors.Is(err, ErrNotSealed) == row.sealed || (src != nil) != row.sealed {
			t.Errorf("%s: %v", name, err)
		}
		if src != nil {
			equal(t, name, src.Size(), row.job.Size)
		}
	}
}
