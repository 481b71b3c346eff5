package gateway

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"postern/sta"
	"postern/store"
)

// A destination that failed breakAfter times in a row is left alone, first for
// firstBreak and then twice as long each time; after each wait one job tries
// whether it is back.
const (
	breakAfter   = 3
	firstBreak   = 30 * time.Second
	longestBreak = 15 * time.Minute
)

// A destination that takes no more for the moment, such as for its rate, is left alone
// as well, for a short time: first for firstSlow, and twice as long whenever it took
// less than slowEnough since the last time, so that few attempts are in vain. What a
// rate allows in these times adds up in the meantime, and all of it is taken after.
// If it talks on, it is left alone by the sender whom it put off, for it may be about
// him: others are not held up. The more there are such, the longer each of them waits,
// and when one of them is taken, wakes more try at once.
const (
	firstSlow   = 2 * time.Second
	longestSlow = 30 * time.Second
	slowEnough  = 32
	slowShare   = 2 * time.Second // for each sender put off, if that is more
	wakes       = 2
	slowMemory  = 5 * time.Minute // without being slow, and it is so no more
)

// mostPaced is how often a message is put off like that before it waits for itself:
// what meets it again and again, while others are taken, is its own.
const mostPaced = 16

// Lanes that failed are forgotten after a while if nothing more is sent to them,
// and beyond a number no more are remembered: then each job waits by itself. Flows have
// such a number of their own, for a destination can have as many of them put off as
// there are addresses that it gets answers from.
const (
	maxBreakers   = 10_000
	breakerMemory = time.Hour
)

// A laneID names what jobs wait for: a destination of relay, or a domain whose
// certificates are looked up.
type laneID struct {
	kind store.JobKind
	lane string
	flow string // what one sender sends there; "" is all
}

// whole is the lane that a flow is in.
func (id laneID) whole() laneID { return laneID{kind: id.kind, lane: id.lane} }

// A breaker counts the failures of one lane since its last success.
type breaker struct {
	failures int
	opened   int       // how often it was paused; 0 is closed
	slowed   int       // how often for being slow, since it took enough in between
	taken    int       // messages since it was slow
	since    time.Time // of the first failure, by the wall clock
	last     time.Time // of the latest failure, by the steady clock
	until    time.Time // when it is tried again, by the steady clock
	why      failure   // the latest
}

// Breakers keep jobs from a destination that does not answer. They live in memory
// alone: after a restart every destination is tried again. The zero value is ready.
type breakers struct {
	mu     sync.Mutex
	lanes  map[laneID]*breaker
	flows  map[laneID]*breaker
	putOff map[laneID][]laneID // the flows of a lane that are left alone
}

// of returns the breaker of a lane or a flow, or nil.
func (s *breakers) of(id laneID) *breaker {
	if id.flow != "" {
		return s.flows[id]
	}
	return s.lanes[id]
}

func (s *breakers) forget(id laneID) {
	if id.flow != "" {
		delete(s.flows, id)
		return
	}
	delete(s.lanes, id)
}

// laneFailed notes that a lane as a whole gave no service, and pauses it when that
// is the third time in a row, or its probe.
func (c *Core) laneFailed(id laneID, why failure) {
	now := c.Steady()
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	b := c.breakers.at(id, now, c.endLeave)
	if b == nil {
		return
	}
	if b.opened == 0 && now.Sub(b.last) > slowMemory {
		b.slowed = 0
	}
	b.failures++
	b.last, b.why = now, why
	if b.failures == 1 && b.opened == 0 && (!why.slow || b.slowed == 0) {
		b.since = c.Now()
	}
	if b.failures < breakAfter || now.Before(b.until) { // begun before the pause, it says nothing new
		return
	}
	if id.flow != "" && b.opened == 0 {
		c.addFlow(id, now)
	}
	others := c.breakers.putOff[id.whole()]
	wait, news := b.pause(max(longestSlow, time.Duration(len(others))*slowShare))
	wait = jitter(wait, c.uneven)
	b.until = now.Add(wait)
	c.leave(id, b.until)
	if len(others) > 1 {
		news = "" // it is known of the first
	}
	if news != "" {
		c.Log.Warn(news, "kind", id.kind, "destination", id.lane, "reason", why.code, "since", b.since, "tries_again_in", wait.Round(time.Second))
	}
}

// pause leaves a lane alone, for how long and with what to tell of it; "" is no news.
func (b *breaker) pause(longest time.Duration) (wait time.Duration, news string) {
	if !b.why.slow {
		b.opened++
		return doubled(firstBreak, longestBreak, b.opened-1), "a destination is down"
	}
	if b.slowed == 0 {
		news = "a destination takes no more for the moment"
	}
	if b.taken >= slowEnough {
		b.slowed = 0
	}
	b.opened, b.taken = max(b.opened, 1), 0
	b.slowed++
	return doubled(firstSlow, longest, b.slowed-1), news
}

// laneWorked notes that a lane gave service, whatever it said of the message.
func (c *Core) laneWorked(id laneID) {
	opened, slow := c.openLane(id)
	if opened && !slow {
		c.Log.Info("a destination is back", "kind", id.kind, "destination", id.lane)
	}
}

// openLane forgets the failures of a lane, but not for a while that it was slow, and
// reports whether it was left alone, and for that.
func (c *Core) openLane(id laneID) (opened, slow bool) {
	now := c.Steady()
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	b := c.breakers.of(id)
	if b == nil {
		return false, false
	}
	b.taken++
	if b.opened > 0 && b.why.slow && now.Before(b.until) {
		return false, false // begun before the pause, it says nothing new
	}
	paused := b.opened > 0
	if paused {
		c.endLeave(id)
	}
	b.failures, b.opened, b.until = 0, 0, time.Time{}
	if b.slowed == 0 || now.Sub(b.last) > slowMemory {
		c.breakers.forget(id)
	}
	return paused, b.why.slow
}

// heardFrom has a destination that is left alone tried as soon as a message came from
// there that was believed: who sends is likely to take mail again. One that sends
// and takes none is tried no more often than one that failed just now.
func (c *Core) heardFrom(opened []*sta.Opened) {
	for _, o := range opened {
		if slices.ContainsFunc(o.Verdicts, sta.Verdict.Accepted) {
			c.tryLane(laneID{kind: store.RelayJob, lane: string(o.Sender.Domain())})
		}
	}
}

// tryLane shortens the pause of a lane.
func (c *Core) tryLane(id laneID) {
	now := c.Steady()
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	b := c.breakers.of(id)
	if b == nil || !now.Before(b.until) {
		return
	}
	until := b.last.Add(firstBreak)
	if until.Before(now) {
		until = now
	}
	if until.Before(b.until) {
		b.until = until
		c.Store.Pause(id.kind, id.lane, until)
	}
}

// at returns the breaker of a lane, a new one if need be, or nil when too many
// are remembered.
func (s *breakers) at(id laneID, now time.Time, end func(laneID)) *breaker {
	of := &s.lanes
	if id.flow != "" {
		of = &s.flows
	}
	b := (*of)[id]
	if b != nil {
		return b
	}
	if len(*of) >= maxBreakers {
		s.sweep(*of, now, end)
	}
	if len(*of) >= maxBreakers {
		return nil
	}
	if *of == nil {
		*of = make(map[laneID]*breaker)
	}
	b = new(breaker)
	(*of)[id] = b
	return b
}

// sweep forgets lanes to which nothing was sent for a while. What is paused until
// later stays.
func (s *breakers) sweep(of map[laneID]*breaker, now time.Time, end func(laneID)) {
	for id, b := range of {
		if now.Sub(b.last) > breakerMemory && !now.Before(b.until) {
			end(id)
			delete(of, id)
		}
	}
}

// whyDown returns the latest failure of a lane or a flow that is left alone. Of a flow
// that was not tried for long nobody knows.
func (c *Core) whyDown(id laneID) (why failure, since time.Time, down bool) {
	now := c.Steady()
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	b := c.breakers.of(id)
	if b == nil || b.opened == 0 || id.flow != "" && now.Sub(b.until) > slowMemory {
		return failure{}, time.Time{}, false
	}
	return b.why, b.since, true
}

// inLane is a job that is tried again after an attempt that began then. If its lane
// failed in it, or is left alone, that is what the job waits for: a destination that
// is back gets all at once, and nobody waits for an hour of his own.
func (c *Core) inLane(id laneID, j store.Job, began time.Time) store.Job {
	now := c.Steady()
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	b := c.breakers.of(id)
	soon := now.Add(firstRetry)
	if b != nil && b.why.slow {
		soon = now.Add(firstSlow)
	}
	if b != nil && (now.Before(b.until) || !b.last.Before(began)) && soon.Before(j.Due) {
		j.Due = soon
	}
	return j
}

// A DownLane is a destination that is left alone for a while, because it does not
// answer, or takes no more for the moment.
type DownLane struct {
	Kind   store.JobKind `json:"kind"`
	Lane   string        `json:"lane"` // a domain, whose edge at which host:port, or which web hook of whom at which host
	Slow   bool          `json:"slow"` // it takes no more for the moment
	Since  time.Time     `json:"since"`
	Next   time.Time     `json:"next"` // when it is tried again, by the wall clock
	Reason string        `json:"reason"`
	Detail string        `json:"detail"`
}

// DownLanes lists the destinations that are left alone, by kind and name.
func (c *Core) DownLanes() []DownLane {
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	var all []DownLane
	for id, b := range c.breakers.lanes {
		if b.opened > 0 {
			all = append(all, DownLane{Kind: id.kind, Lane: id.lane, Slow: b.why.slow, Since: b.since, Next: c.Wall(b.until),
				Reason: b.why.code.String(), Detail: b.why.detail})
		}
	}
	for id, flows := range c.breakers.putOff {
		whole := c.breakers.of(id)
		l, any := c.putOffLane(id, flows)
		if any && (whole == nil || whole.opened == 0) {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b DownLane) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Lane, b.Lane)) })
	return all
}

// OpenLane lets jobs to a destination go at once, until it fails again: then it has
// been down since it was before.
func (c *Core) OpenLane(kind store.JobKind, lane string) {
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	whole := laneID{kind: kind, lane: lane}
	for _, id := range append(slices.Clone(c.breakers.putOff[whole]), whole) {
		b := c.breakers.of(id)
		if b != nil && b.opened > 0 {
			b.failures, b.opened, b.until = breakAfter-1, 0, c.Steady()
			c.endLeave(id)
		}
	}
}

// AskAgain has the domains of a message that waits for a look-up asked by the next,
// although they gave no answer a moment ago.
func (c *Core) AskAgain(j store.Job) {
	if j.Kind != store.SealJob || c.found == nil {
		return
	}
	for _, r := range j.Recipients {
		c.found.AskAgain(r.Domain())
	}
}

// Wall returns a time of the queue as people read it: moved by the whole seconds
// that the two clocks are apart.
func (c *Core) Wall(steady time.Time) time.Time {
	return steady.Add(c.Now().Sub(c.Steady()).Round(time.Second))
}
