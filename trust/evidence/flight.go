package evidence

import (
	"context"
	"errors"
	"time"
)

// A flight brings one document, from the network or from the cache. Equal
// questions share it, and it goes on when nobody waits any more.
type flight struct {
	entry *entry
	who   parties
	load  bool // from the cache
	fetch bool // after that from the network, even if it was there
	rank  int  // of the URL among those of the certificate that asks
	must  bool // be it to a host that is dead
	began time.Time
	time  time.Duration // that it may take
	// quiet is for what failed before: nobody waits for it. Over is for a
	// budget that is over: nobody waits any longer.
	quiet, over bool
	started     bool
	budget      *time.Timer
	waiters     []*waiter
}

// A waiter is told when one of its flights brought something, or nothing more is
// to be expected of any.
type waiter struct {
	done   chan struct{}
	open   int // flights that may still bring something
	closed bool
}

// wait adds a flight to those that are waited for, unless nobody should.
func (w *waiter) wait(f *flight) {
	if f == nil || f.quiet || f.over {
		return
	}
	if w.done == nil {
		w.done = make(chan struct{})
	}
	w.open++
	f.waiters = append(f.waiters, w)
}

// pending is for Issuers and Revocation: nil without anything to wait for.
func (w *waiter) pending() <-chan struct{} { return w.done }

// handOver has the waiters of a flight wait for another one as well.
func (f *flight) handOver(to *flight) {
	for _, w := range f.waiters {
		w.wait(to)
	}
}

// tell lets the waiters of a flight know that it is over, with or without a
// document.
func (f *flight) tell(good bool) {
	for _, w := range f.waiters {
		w.open--
		if !w.closed && (good || w.open == 0) {
			w.closed = true
			close(w.done)
		}
	}
	f.waiters = nil
}

// fetch has a document fetched, unless that would be too early or in vain.
func (k *Keeper) fetch(e *entry, now time.Time, rank int) {
	h, must := k.host(e), e.untried()
	if e.flight != nil || e.trouble.paused(now) || h.closed(now) && !must {
		return
	}
	k.launch(&flight{entry: e, rank: rank, must: must, quiet: e.trouble.known(now) || h.slow(now)}, now)
}

// load has a document read from the cache, and then fetched if asked.
func (k *Keeper) load(e *entry, now time.Time, rank int, fetch bool) {
	if e.flight == nil {
		k.launch(&flight{entry: e, rank: rank, load: true, fetch: fetch}, now)
	}
}

func (k *Keeper) launch(f *flight, now time.Time) {
	l := k.laneOf(f)
	if k.closed || !l.newest && len(l.queue) >= maxQueue {
		return
	}
	f.began, f.who = now, f.entry.who
	f.quiet = f.quiet || f.entry.crowded(now)
	f.entry.flight = f
	if !f.load {
		k.host(f.entry).queued++
	}
	f.budget = time.AfterFunc(k.budget(), func() { k.late(f) })
	last := l.add(f)
	if last != nil {
		k.abandon(last, errNoTurn, now)
	}
	k.dispatch(now)
}

// late ends the wait for a flight, which goes on.
func (k *Keeper) late(f *flight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f.entry.flight != f {
		return
	}
	f.over = true
	if f.started && !f.load {
		k.host(f.entry).late = k.now()
	}
	f.tell(false)
}

// dispatch starts the flights for which there is a place now, in each lane the
// first in its queue first.
func (k *Keeper) dispatch(now time.Time) {
	for _, l := range k.lanes {
		rest := l.queue[:0]
		for _, f := range l.queue {
			vain, why := k.hopeless(f, l, now)
			switch {
			case vain:
				k.abandon(f, why, now)
			case l.running < l.wide && (f.load || k.host(f.entry).running < perHost):
				k.start(f, l)
			default:
				rest = append(rest, f)
			}
		}
		clear(l.queue[len(rest):])
		l.queue = rest
	}
}

// hopeless reports whether a flight need not be started any more, and if that is
// held against the document, why.
func (k *Keeper) hopeless(f *flight, l *lane, now time.Time) (bool, error) {
	if k.closed {
		return true, nil
	}
	if now.Sub(f.began) > l.time {
		return true, errNoTurn
	}
	if f.load || f.must {
		return false, nil
	}
	h := k.host(f.entry)
	return h.dead(now) && h.trouble.paused(now), nil
}

func (k *Keeper) start(f *flight, l *lane) {
	f.started, f.time = true, l.timeOfNext()
	l.running++
	if !f.load {
		h := k.host(f.entry)
		h.queued--
		h.running++
	}
	k.flights.Go(func() { k.fly(f) })
}

var errNoTurn = errors.New("so much was being fetched that its turn did not come")

// abandon ends a flight that never started. Whoever waited for it and asks again
// is told why, and does not come back at once.
func (k *Keeper) abandon(f *flight, why error, now time.Time) {
	if !f.load {
		k.host(f.entry).queued--
		if why != nil {
			f.entry.trouble.add(now, why, true)
		}
	}
	f.budget.Stop()
	f.entry.flight = nil
	f.tell(false)
}

// fly brings a document and takes note of what came of it.
func (k *Keeper) fly(f *flight) {
	ctx, cancel := context.WithTimeout(k.ctx, f.time)
	defer cancel()
	g := k.get(ctx, f)
	if k.land(f, g) {
		k.save(f.entry)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.laneOf(f).running--
	if !f.load {
		k.host(f.entry).running--
	}
	k.dispatch(k.now())
}
