package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// A copying is a message that is handed in again and again while all kinds of things
// happen to it, in any order, and what its sender may be told.
type copying struct {
	*site
	random *rand.Rand
	timely bool
	code   reason.Code // what the far side says to what is relayed
	sent   bool        // so that it can answer
	seen   int         // notifications that were looked at
	// Copies that no answer was shown of: none at all, none that is final. Success says
	// that delivery was shown.
	open, untold map[store.TrackID]bool
	success      bool
	deeds        []string
}

// DN-11, DN-21, DN-22: whatever happens to the copies of a message in whatever order,
// nobody waits in vain, and answers neither come twice nor contradict each other.
func TestDN21_CopiesInAnyOrder(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			a.accounts("alice@a.example")
			w.site("b.example").accounts("bob@b.example")
			c := &copying{
				site: a, random: rand.New(rand.NewPCG(seed, 7)), timely: seed%2 == 0, open: make(map[store.TrackID]bool), untold: make(map[store.TrackID]bool),
			}
			a.answer = func(d smtp.Delivery) []smtp.Result {
				c.sent = true
				return said(d, c.code)
			}
			for range 30 {
				c.deed()
				c.look()
				if c.random.IntN(4) > 0 {
					c.work()
				}
			}
			c.end()
			if t.Failed() {
				t.Log(strings.Join(c.deeds, ", "))
			}
		})
	}
}

func (c *copying) deed() {
	codes := []reason.Code{reason.OK, reason.PeerDeferred, reason.PeerRefused}
	switch n := c.random.IntN(15); n {
	case 0, 1, 2:
		c.handIn()
	case 3, 4, 5:
		c.code = codes[n-3]
		c.did("the far side says %s", c.code)
	case 6, 7:
		c.hear(mdn.Processed)
	case 8:
		c.hear(mdn.Dispatched)
	case 9:
		c.hear(mdn.Failed)
	case 10, 11:
		c.change(n == 10)
	case 12:
		c.dropOne(c.random.IntN(2) == 0)
	default:
		d := []time.Duration{time.Minute, 31 * time.Minute, 29 * time.Minute, 24 * time.Hour}[c.random.IntN(4)]
		c.did("%s pass", d)
		c.world.clock.advance(d)
	}
}

// look judges what was shown since the last time.
func (c *copying) look() {
	c.t.Helper()
	all := c.shown()
	for _, word := range all[c.seen:] {
		c.did("SHOWN %s", word)
		c.judge(word)
	}
	c.seen = len(all)
}

// work does what is due, and judges that nobody waits in vain.
func (c *copying) work() {
	c.t.Helper()
	c.did("all steps are done")
	c.run()
	c.look()
	for _, t := range c.copies() {
		if !c.hopeful(t) {
			c.t.Errorf("%s of %s waits in vain: %+v", t.ID, t.Received, t.Recipients[0])
		}
	}
}

func (c *copying) did(format string, args ...any) {
	c.deeds = append(c.deeds, fmt.Sprintf(format, args...))
}

func (c *copying) handIn() {
	if len(c.copies()) == nearby { // of more than those the nearest alone are asked
		return
	}
	var fields []string
	if c.timely {
		fields = append(fields, wanted)
	}
	id := c.submit(message("alice@a.example", "bob@b.example", fields...), "alice@a.example", "bob@b.example")
	c.open[id], c.untold[id] = true, true
	c.did("copy %d is handed in", len(c.copies()))
}

func (c *copying) copies() []store.Track { return c.tracksOf("<m1@a.example>") }

func (c *copying) hear(d mdn.Disposition) {
	if !c.sent {
		return
	}
	c.did("%s comes", d)
	c.hears("b.example", "bob@b.example", d, d == mdn.Dispatched)
}

// one picks a job of a copy, if there is one.
func (c *copying) one() (store.Job, bool) {
	all := c.jobs(store.SealJob, store.RelayJob)
	if len(all) == 0 {
		return store.Job{}, false
	}
	return all[c.random.IntN(len(all))], true
}

func (c *copying) change(held bool) {
	j, ok := c.one()
	if !ok || j.Held == held {
		return
	}
	c.did("job %d is held: %v", j.ID, held)
	j.Held = held
	if !held {
		j = c.LetGo(j)
	}
	c.update(func(tx store.Tx) error { return tx.Reschedule(j) })
}

func (c *copying) dropOne(silent bool) {
	j, ok := c.one()
	if !ok {
		return
	}
	c.did("job %d is dropped, silently: %v", j.ID, silent)
	equal(c.t, "drop", c.Drop(c.t.Context(), j.ID, "operator:1", silent, nil), nil)
	if silent {
		delete(c.open, j.Track)
		delete(c.untold, j.Track)
	}
}

func (c *copying) judge(word string) {
	c.t.Helper()
	ours := strings.HasPrefix(word, "failed ")
	switch {
	case ours || word == "failed":
		if c.success || ours && len(c.open) == 0 || len(c.untold) == 0 {
			c.t.Errorf("%s was shown after an answer", word)
		}
		for id := range c.untold {
			if !ours || c.open[id] {
				delete(c.untold, id)
			}
		}
		clear(c.open)
	case word == "dispatched+":
		if c.success || len(c.untold) == 0 {
			c.t.Errorf("%s was shown after an answer", word)
		}
		c.success = true
		clear(c.open)
		clear(c.untold)
	case word == "processed" && !c.timely:
		if len(c.open) == 0 {
			c.t.Errorf("%s was shown after an answer", word)
		}
		clear(c.open)
	}
}

// hopeful reports whether the sender of a copy has an answer, or will have one: it is
// still under way, or its far side has time to answer, or that of another copy has which
// it failed beside.
func (c *copying) hopeful(t store.Track) bool {
	r := t.Recipients[0]
	switch {
	case c.isAnswered(r):
		return true
	case slices.ContainsFunc(c.jobs(store.SealJob, store.RelayJob), func(j store.Job) bool {
		return j.Track == t.ID && (j.Held || c.Steady().Before(j.Expires))
	}):
		return true
	case !r.Relayed.IsZero():
		return c.hasTime(r)
	}
	return slices.ContainsFunc(c.copies(), func(other store.Track) bool { return c.hasTime(other.Recipients[0]) })
}

func (c *copying) isAnswered(r store.TrackRecipient) bool {
	return r.Told != "" || !c.timely && r.State == store.TrackProcessed
}

func (c *copying) hasTime(r store.TrackRecipient) bool {
	return !c.isAnswered(r) && !r.Relayed.IsZero() && c.Steady().Before(r.Relayed.Add(time.Hour))
}

// end lets everything go, and looks whether all have an answer.
func (c *copying) end() {
	c.t.Helper()
	c.hold(false)
	for range 12 {
		c.did("12 hours pass")
		c.world.clock.advance(12 * time.Hour)
		c.work()
	}
	for _, t := range c.copies() {
		if r := t.Recipients[0]; !c.isAnswered(r) {
			c.t.Errorf("%s has no answer: %+v", t.ID, r)
		}
	}
	equal(c.t, "jobs left", len(c.jobs(store.SealJob, store.RelayJob, store.WatchJob)), 0)
}
