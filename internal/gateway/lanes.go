package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"postern/mime"
	"postern/store"
)

// laneWidth is how many jobs of one kind are worked on at once for one
// domain, so that a domain that does not answer holds up its own mail alone.
const laneWidth = 8

// laneQueue bounds the jobs that wait in memory for one domain; more are put
// off by crowdedPause each time they are due.
const (
	laneQueue    = 10_000
	crowdedPause = 2 * time.Minute
)

// Lanes let so many jobs into work for each domain. Those that wait keep their
// claims; when there is room their claims are given back, and whoever is free
// takes them up again. The zero value is ready.
type lanes struct {
	mu     sync.Mutex
	of     map[mime.Domain]*lane
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

// enter lets a job in if there is room in the lanes of all its domains. One
// that waits may have left room in another lane: wake are the jobs whose claims
// are to be given back for it. A job that is inside already, because somebody
// ended its claim, waits too: it is never worked on twice at once.
func (l *lanes) enter(id store.JobID, domains []mime.Domain) (p place, wake []store.JobID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(domains) == 0 {
		return placeInside, nil
	}
	full := l.full(domains)
	_, twice := l.inside[id]
	if twice {
		full = domains[0]
	}
	if full == "" {
		if l.inside == nil {
			l.inside = make(map[store.JobID]struct{})
		}
		l.inside[id] = struct{}{}
		for _, d := range domains {
			l.lane(d).busy++
		}
		return placeInside, nil
	}
	queue := l.lane(full)
	p = placeNone
	if len(queue.waiting) < laneQueue {
		queue.waiting = append(queue.waiting, id)
		p = placeWaiting
	}
	for _, d := range domains {
		if d != full {
			wake = append(wake, l.next(d, 1)...)
		}
	}
	return p, wake
}

// full returns the first of domains whose lane has no room, or "".
func (l *lanes) full(domains []mime.Domain) mime.Domain {
	for _, d := range domains {
		if q := l.of[d]; q != nil && q.busy >= laneWidth {
			return d
		}
	}
	return ""
}

func (l *lanes) lane(d mime.Domain) *lane {
	q := l.of[d]
	if q == nil {
		if l.of == nil {
			l.of = make(map[mime.Domain]*lane)
		}
		q = new(lane)
		l.of[d] = q
	}
	return q
}

// leave ends a job's stay and returns the jobs that there is room for now.
func (l *lanes) leave(id store.JobID, domains []mime.Domain) (wake []store.JobID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.inside, id)
	for _, d := range domains {
		l.lane(d).busy--
		wake = append(wake, l.next(d, laneWidth)...)
	}
	return wake
}

// next takes at most n jobs off a lane's queue, as many as there is room for.
func (l *lanes) next(d mime.Domain, n int) []store.JobID {
	q := l.of[d]
	if q == nil {
		return nil
	}
	n = max(min(n, laneWidth-q.busy, len(q.waiting)), 0)
	first := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	if q.busy == 0 && len(q.waiting) == 0 {
		delete(l.of, d)
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

// inLane does a job when there is room for it in the lanes of its domains.
func (c *Core) inLane(ctx context.Context, l *lanes, job store.Job, domains []mime.Domain, do step) {
	p, wake := l.enter(job.ID, domains)
	c.releaseAll(wake)
	switch p {
	case placeInside:
		defer func() { c.releaseAll(l.leave(job.ID, domains)) }()
		c.doStep(ctx, job, do)
	case placeNone:
		job.Due = c.Now().Add(crowdedPause) // no attempt was made
		c.putBack(ctx, job)
	case placeWaiting:
	}
}

func (c *Core) releaseAll(ids []store.JobID) {
	for _, id := range ids {
		c.Store.Release(id)
	}
}

func (c *Core) relayLanes(_ context.Context, job store.Job) []mime.Domain {
	return []mime.Domain{job.Destination}
}

// sealLanes are the domains whose certificates have to be looked up. Our own
// are not looked up, and wait for nobody.
func (c *Core) sealLanes(ctx context.Context, job store.Job) []mime.Domain {
	dir, err := c.Directory(ctx)
	var all []mime.Domain
	for _, a := range job.Recipients {
		d := a.Domain()
		if slices.Contains(all, d) || err == nil && dir.IsOurs(d) {
			continue
		}
		all = append(all, d)
	}
	return all
}

func noLanes(context.Context, store.Job) []mime.Domain { return nil }
