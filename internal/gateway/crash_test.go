package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/smtp"
	"postern/store"
)

// A mortal store kills its process at one of its updates: before the commit, which
// is then lost, or right after it, when nobody learns of it any more. Audit records
// are counted as they are committed.
type mortal struct {
	store.Store
	at        int  // the update that kills; counted from 0, less than 0 is none
	after     bool // the commit is made
	count     int
	dead      bool
	die       func()
	committed map[audit.Action]int
}

func (m *mortal) Update(ctx context.Context, fn func(store.Tx) error) error {
	if m.dead {
		return store.ErrClosed
	}
	kill := m.count == m.at
	m.count++
	var records []audit.Record
	err := m.Store.Update(ctx, func(tx store.Tx) error {
		records = nil
		err := fn(recordingTx{tx, &records})
		if err == nil && kill && !m.after {
			return errAgain
		}
		return err
	})
	if err == nil {
		for _, r := range records {
			m.committed[r.Action]++
			for _, p := range r.Parts {
				if r.Action == audit.Opened && p.State == string(store.TrackDelivered) && p.Recipient != "alice@a.example" {
					m.committed[audit.Delivered]++
				}
			}
		}
	}
	if kill {
		m.dead = true
		m.die()
		return store.ErrClosed
	}
	return err
}

// A recordingTx notes the audit records of a transaction.
type recordingTx struct {
	store.Tx
	records *[]audit.Record
}

func (r recordingTx) Audit(rec audit.Record) error {
	*r.records = append(*r.records, rec)
	return r.Tx.Audit(rec)
}

// A mortalSite is a site whose process dies once and is started again.
type mortalSite struct {
	*site
	life *mortal
}

func (s *site) mortal(at int, after bool) *mortalSite {
	m := &mortalSite{s, &mortal{Store: s.Store, at: at, after: after, die: func() {}, committed: make(map[audit.Action]int)}}
	s.Store = m.life
	return m
}

// run is site.run of a process that may die in a step.
func (m *mortalSite) run() {
	m.t.Helper()
	for range 1000 {
		all := m.jobs(store.SealJob, store.RelayJob, store.OpenJob, store.WatchJob, store.KeptJob)
		i := slices.IndexFunc(all, func(j store.Job) bool { return !j.Idle() && !j.Due.After(m.Now()) })
		if i < 0 {
			return
		}
		ctx, die := context.WithCancel(m.t.Context())
		m.life.die = die
		m.doStep(ctx, all[i], m.stepOf(all[i].Kind))
		m.waits.Wait()
		die()
		m.life.dead = false
	}
	m.t.Fatal("the steps do not come to an end")
}

// handOver carries a message. A destination that dies over it is sent it again when
// it is back: nobody told that it was taken (RFC 1047).
func (w *world) handOver(d smtp.Delivery, raw []byte) {
	w.t.Helper()
	far := w.sites[d.Destination]
	if far == nil {
		return
	}
	for range 2 {
		e := smtp.Envelope{Remote: netip.MustParseAddrPort("192.0.2.1:25"), From: d.From, To: d.To}
		_, err := Backbone{far.Core}.Accept(w.t.Context(), e, bytes.NewReader(raw))
		if err == nil {
			return
		}
		m, ok := far.Store.(*mortal)
		if !ok || !m.dead {
			w.t.Fatal(err)
		}
		m.dead = false
	}
	w.t.Fatal("it dies again")
}

// A fate is what became of everything.
type fate struct {
	Alice, Bob, Local, Eve int // messages in INBOXes
	States                 []string
	Delivered, Overdue     int // in the audit trail; Delivered without alice's notices
	Jobs                   int
}

// lived runs messages of every fate through every step of two sites, one of which
// dies at an update: one to somebody far, who answers, one to a neighbour, one to
// nobody; one that is not believed; one that nobody answers.
func lived(t *testing.T, victim string, at int, after bool) (f fate, updates int) {
	t.Helper()
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	silent := w.site("silent.example")
	stranger := w.bare("eve.example")
	other := w.pki.Root("other")
	stranger.addKey("eve.example", other.Leaf("eve.example"))
	stranger.trust("", store.Both, w.root)
	a.accounts("alice@a.example", "local@a.example")
	b.accounts("bob@b.example")
	silent.accounts("sam@silent.example")
	stranger.accounts("eve@eve.example")
	at2 := map[string]int{"a": -1, "b": -1}
	at2[victim] = at
	mortals := []*mortalSite{a.mortal(at2["a"], after), b.mortal(at2["b"], after)}

	to := []string{"bob@b.example", "local@a.example", "nobody@n.example", "sam@silent.example"}
	id := a.submit(message("alice@a.example", "bob@b.example>, <local@a.example>, <nobody@n.example>, <sam@silent.example"), "alice@a.example", to...)
	stranger.submit(message("eve@eve.example", "bob@b.example", "X-From: eve"), "eve@eve.example", "bob@b.example")
	stranger.run()
	settle := func() {
		for range 50 {
			moved := false
			for _, m := range mortals {
				m.run()
			}
			for _, s := range []*site{a, b, stranger} {
				sent, raw := s.taken()
				for i, d := range sent {
					if d.Destination != "silent.example" {
						moved = true
						w.handOver(d, raw[i])
					}
				}
			}
			if !moved {
				return
			}
		}
		t.Fatal("the sites do not come to rest")
	}
	settle()
	for range 4 { // the deadlines of notifications, the end of retries, and that of the refused
		w.clock.advance(2 * 24 * time.Hour)
		settle()
	}
	w.clock.advance(b.Care.KeepRefused)
	settle()
	for _, m := range mortals {
		if (m.site == a) == (victim == "a") {
			updates = m.life.count
		}
		f.Delivered += m.life.committed[audit.Delivered]
		f.Overdue += m.life.committed[audit.Overdue]
		f.Jobs += len(m.jobs())
		report, err := m.life.Store.Check(t.Context())
		if err != nil || len(report.Problems) > 0 {
			t.Errorf("the store: %v, %v", report.Problems, err)
		}
	}
	f.Alice, f.Local, f.Bob = len(a.inbox("alice@a.example")), len(a.inbox("local@a.example")), len(b.inbox("bob@b.example"))
	f.Eve = len(stranger.inbox("eve@eve.example"))
	f.States = a.states(id)
	return f, updates
}

// A process that dies at any of its updates, before or after the commit, and is
// started again: each message is delivered once, each notice made once, and the audit
// trail tells of each deed once.
func TestACrashAtAnyUpdateChangesNothing(t *testing.T) {
	want, _ := lived(t, "a", -1, false)
	t.Logf("without a crash: %+v", want)
	equal(t, "bob's INBOX", want.Bob, 1)
	equal(t, "local's INBOX", want.Local, 1)
	for _, victim := range []string{"a", "b"} {
		for _, after := range []bool{false, true} {
			for at := 1; ; at++ { // the first update of each takes a message
				name := fmt.Sprintf("%s dies at update %d, after the commit %t", victim, at, after)
				got, updates := lived(t, victim, at, after)
				equal(t, name, got, want)
				if at >= updates-1 {
					break
				}
			}
		}
	}
}
