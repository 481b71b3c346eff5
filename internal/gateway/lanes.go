package gateway

import (
	"context"
	"strings"
	"sync"
	"time"

	"postern/mime"
	"postern/store"
)

// How many jobs of one kind are worked on at once: for one domain, so that a
// domain that does not answer holds up its own mail alone; for all domains that
// share their last two labels, which one owner may have as many of as he likes; and
// for one sender, who may write to as many as he likes.
const (
	laneWidth   = 8
	zoneWidth   = 32
	senderWidth = sealWorkers / 2
)

// A key names a lane. Lanes of different kinds have different widths.
type key struct {
	name  string
	width int
}

// laneQueue bounds the jobs that wait in memory for one lane; more are put
// off by crowdedPause each time they are due.
const (
	laneQueue    = 10_000
	crowdedPause = 2 * time.Minute
)

// Lanes let so many jobs into work for each key. Those that wait keep their
// claims; when there is room their claims are given back, and whoever is free
// takes them up again. The zero value is ready.
type lanes struct {
	mu     sync.Mutex
	of     map[key]*lane
	inside map[store.JobID]struct{}
}

type lane struct {
	busy    int
	waiting []store.JobID
}

// A place is what enter found for a job.
type place int

const (
	placeInside place = iota
	placeWaiting
	placeNone // too many wait
)

// enter lets a job in if there is room in the lanes of all its keys. One
// that waits may have left room in another lane: wake are the jobs whose claims
// are to be given back for it. A job that is inside already, because somebody
// ended its claim, waits too: it is never worked on twice at once.
func (l *lanes) enter(id store.JobID, keys []key) (p place, wake []store.JobID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(keys) == 0 {
		return placeInside, nil
	}
	full, wait := l.full(keys)
	_, twice := l.inside[id]
	if twice {
		full, wait = keys[0], true
	}
	if !wait {
		if l.inside == nil {
			l.inside = make(map[store.JobID]struct{})
		}
		l.inside[id] = struct{}{}
		for _, k := range keys {
			l.lane(k).busy++
		}
		return placeInside, nil
	}
	queue := l.lane(full)
	p = placeNone
	if len(queue.waiting) < laneQueue {
		queue.waiting = append(queue.waiting, id)
		p = placeWaiting
	}
	for _, k := range keys {
		if k != full {
			wake = append(wake, l.next(k, 1)...)
		}
	}
	return p, wake
}

// full returns the first key whose lane has no room, and whether there is one.
func (l *lanes) full(keys []key) (key, bool) {
	for _, k := range keys {
		if q := l.of[k]; q != nil && q.busy >= k.width {
			return k, true
		}
	}
	return key{}, false
}

func (l *lanes) lane(k key) *lane {
	q := l.of[k]
	if q == nil {
		if l.of == nil {
			l.of = make(map[key]*lane)
		}
		q = new(lane)
		l.of[k] = q
	}
	return q
}

// leave ends a job's stay and returns the jobs that there is room for now.
func (l *lanes) leave(id store.JobID, keys []key) (wake []store.JobID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.inside, id)
	for _, k := range keys {
		l.lane(k).busy--
		wake = append(wake, l.next(k, k.width)...)
	}
	return wake
}

// next takes at most n jobs off a lane's queue, as many as there is room for.
func (l *lanes) next(k key, n int) []store.JobID {
	q := l.of[k]
	if q == nil {
		return nil
	}
	n = max(min(n, k.width-q.busy, len(q.waiting)), 0)
	first := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	if q.busy == 0 && len(q.waiting) == 0 {
		delete(l.of, k)
	}
	return first
}

// clear returns all that wait, which then wait no more.
func (l *lanes) clear() []store.JobID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []store.JobID
	for _, q := range l.of {
		all = append(all, q.waiting...)
	}
	l.of, l.inside = nil, nil
	return all
}

// inLane does a job when there is room for it in its lanes.
func (c *Core) inLane(ctx context.Context, l *lanes, job store.Job, keys []key, do step) {
	p, wake := l.enter(job.ID, keys)
	c.releaseAll(wake)
	switch p {
	case placeInside:
		defer func() { c.releaseAll(l.leave(job.ID, keys)) }()
		c.doStep(ctx, job, do)
	case placeNone:
		job.Due = c.Steady().Add(crowdedPause) // no attempt was made
		c.putBack(ctx, job)
	case placeWaiting:
	}
}

func (c *Core) releaseAll(ids []store.JobID) {
	for _, id := range ids {
		c.Store.Release(id)
	}
}

func (c *Core) relayLanes(_ context.Context, job store.Job) []key {
	return keysOf(job, job.Destination)
}

// sealLanes are for the domains whose certificates have to be looked up. Our own
// are not looked up, and wait for nobody.
func (c *Core) sealLanes(ctx context.Context, job store.Job) []key {
	dir, err := c.Directory(ctx)
	var away []mime.Domain
	for _, a := range job.Recipients {
		if d := a.Domain(); err != nil || !dir.IsOurs(d) {
			away = append(away, d)
		}
	}
	return keysOf(job, away...)
}

// keysOf returns each key once, and none for no domain.
func keysOf(job store.Job, domains ...mime.Domain) []key {
	var all []key
	seen := make(map[key]bool)
	for _, d := range domains {
		for _, k := range []key{{string(d), laneWidth}, {zoneOf(d), zoneWidth}, {job.Sender.Key(), senderWidth}} {
			if !seen[k] {
				seen[k] = true
				all = append(all, k)
			}
		}
	}
	return all
}

// zoneOf returns the last two labels of a domain.
func zoneOf(d mime.Domain) string {
	labels := strings.Split(string(d), ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}

func noLanes(context.Context, store.Job) []key { return nil }
