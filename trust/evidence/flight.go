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
	fetch bool // after that from the network
	began time.Time
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

// A lane is for fetches that share a bound.
type lane struct {
	wide    int // flights at the same time
	running int
	queue   []*flight
}

// Bounds on flights. Those of CRLs bound their memory: 8 times 32 MiB.
const (
	perHost    = 2
	maxQueue   = 1024 // flights that wait for a place, in each lane
	issuerWide = 64
	ocspWide   = 24
	crlWide    = 8
	loadWide   = 4
	// fetchTime is for one document, and for the wait in the queue.
	fetchTime = 30 * time.Second
)

func newLanes() map[kind]*lane {
	return map[kind]*lane{
		issuers: {wide: issuerWide}, ocsps: {wide: ocspWide}, crls: {wide: crlWide}, loads: {wide: loadWide},
	}
}

// loads is the lane of documents that come from the cache.
const loads kind = "load"

func (k *Keeper) laneOf(f *flight) *lane {
	if f.load {
		return k.lanes[loads]
	}
	return k.lanes[f.entry.key.kind]
}

// fetch has a document fetched, unless that would be too early or in vain.
func (k *Keeper) fetch(e *entry, now time.Time) {
	h := k.host(e.host)
	if e.flight != nil || e.trouble.paused(now) || h.closed(now) {
		return
	}
	k.launch(&flight{entry: e, quiet: e.trouble.known(now) || h.slow(now)}, now)
}

// load has a document read from the cache, and then fetched if asked.
func (k *Keeper) load(e *entry, now time.Time, fetch bool) {
	if e.flight == nil {
		k.launch(&flight{entry: e, load: true, fetch: fetch}, now)
	}
}

func (k *Keeper) launch(f *flight, now time.Time) {
	l := k.laneOf(f)
	if k.closed || len(l.queue) >= maxQueue {
		return
	}
	f.began, f.who = now, f.entry.who
	f.quiet = f.quiet || f.entry.crowded(now)
	f.entry.flight = f
	l.queue = append(l.queue, f)
	if !f.load {
		k.visits(f).queued++
	}
	f.budget = time.AfterFunc(k.budget(), func() { k.late(f) })
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
		k.host(f.entry.host).late = k.now()
	}
	f.tell(false)
}

// visits counts the fetches that share a flight's places at its host.
func (k *Keeper) visits(f *flight) *visits { return k.host(f.entry.host).visits(f.entry.key.kind) }

// dispatch starts the flights for which there is a place now, in each lane the
// first come first.
func (k *Keeper) dispatch(now time.Time) {
	for _, l := range k.lanes {
		rest := l.queue[:0]
		for _, f := range l.queue {
			switch {
			case k.hopeless(f, now):
				k.abandon(f, now)
			case l.running < l.wide && (f.load || k.visits(f).running < perHost):
				k.start(f, l)
			default:
				rest = append(rest, f)
			}
		}
		clear(l.queue[len(rest):])
		l.queue = rest
	}
}

// hopeless reports whether a flight need not be started any more.
func (k *Keeper) hopeless(f *flight, now time.Time) bool {
	if k.closed || now.Sub(f.began) > fetchTime {
		return true
	}
	h := k.host(f.entry.host)
	return !f.load && h.dead(now) && h.trouble.paused(now)
}

func (k *Keeper) start(f *flight, l *lane) {
	f.started = true
	l.running++
	if !f.load {
		v := k.visits(f)
		v.queued--
		v.running++
	}
	k.flights.Go(func() { k.fly(f) })
}

var errNoTurn = errors.New("so much was being fetched that its turn did not come")

// abandon ends a flight that never started.
func (k *Keeper) abandon(f *flight, now time.Time) {
	if !f.load && !k.closed && now.Sub(f.began) > fetchTime {
		f.entry.trouble.add(now, errNoTurn, true)
	}
	if !f.load {
		k.visits(f).queued--
	}
	f.budget.Stop()
	f.entry.flight = nil
	f.tell(false)
}

// fly brings a document and takes note of what came of it.
func (k *Keeper) fly(f *flight) {
	ctx, cancel := context.WithTimeout(k.ctx, fetchTime)
	defer cancel()
	g := k.get(ctx, f)
	if k.land(f, g) {
		k.save(f.entry)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.laneOf(f).running--
	if !f.load {
		k.visits(f).running--
	}
	k.dispatch(k.now())
}
