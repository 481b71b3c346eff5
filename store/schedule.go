package store

import "time"

// A schedule decides which job goes next. It is kept in memory alone, knows
// nothing of the disk and of goroutines, and costs the same whatever waits.
//
// Jobs of a kind wait in queues, one for each flow and lane. Flows take turns;
// within a flow its lanes do; within a queue the job due first comes first.
// Notifications go before others in three turns of four.
type schedule struct {
	now    uint64
	kinds  map[JobKind]*lineup
	jobs   map[JobID]*waitingJob
	claims map[JobID]*claimed
}

// A claimed job is in work. Lane and flow are those whose room it takes.
type claimed struct {
	lineup *lineup
	lane   *lane // nil if it takes none
	flow   *flow
	again  bool // it waits again, as then, when the claim has ended
	then   item
}

func newSchedule() schedule {
	return schedule{
		kinds: make(map[JobKind]*lineup), jobs: make(map[JobID]*waitingJob), claims: make(map[JobID]*claimed),
	}
}

// at sets the time for what follows.
func (s *schedule) at(now uint64) { s.now = now }

func (s *schedule) kind(kind JobKind) *lineup {
	u := s.kinds[kind]
	if u == nil {
		u = newLineup(kind, Limits{}, s.now)
		s.kinds[kind] = u
	}
	u.now = s.now
	return u
}

// set adds a job or replaces what is known of it. What is set of a job in work
// counts when its claim has ended.
func (s *schedule) set(it item) {
	if c := s.claims[it.id]; c != nil {
		c.again, c.then = true, it
		return
	}
	old := s.jobs[it.id]
	s.jobs[it.id] = s.kind(it.kind).add(it)
	if old != nil { // only now: what is known of its lane goes with its last job
		s.kind(old.queue.flow.lineup.kind).remove(old)
	}
}

// remove takes a job out. A claim on it goes on until it is released.
func (s *schedule) remove(id JobID) {
	if c := s.claims[id]; c != nil {
		c.again = false
		return
	}
	w := s.jobs[id]
	if w == nil {
		return
	}
	delete(s.jobs, id)
	s.kind(w.queue.flow.lineup.kind).remove(w)
}

// pick hands out the next job of a kind.
func (s *schedule) pick(kind JobKind) (item, bool) {
	u := s.kinds[kind]
	if u == nil {
		return item{}, false
	}
	u.advance(s.now)
	it, l, f, ok := u.pick()
	if !ok {
		return item{}, false
	}
	delete(s.jobs, it.id)
	s.claims[it.id] = &claimed{lineup: u, lane: l, flow: f, again: true, then: it}
	return it, true
}

// release ends a claim.
func (s *schedule) release(id JobID) {
	c := s.claims[id]
	if c == nil {
		return
	}
	delete(s.claims, id)
	c.lineup.now = s.now
	if c.again { // before its room is free: what is known of its lane stays
		s.set(c.then)
	}
	if c.lane != nil {
		c.lineup.giveBack(c.lane, c.flow)
	}
}

// limit replaces the limits of a kind; what is in work counts towards them.
func (s *schedule) limit(kind JobKind, limits Limits) {
	old := s.kind(kind)
	u := newLineup(kind, limits, s.now)
	s.kinds[kind] = u
	for name, l := range old.lanes {
		u.lane(name).paces = l.paces
	}
	for _, c := range s.claims {
		if c.lineup != old {
			continue
		}
		c.lineup = u
		if c.lane != nil {
			c.lane, c.flow = u.lane(c.lane.name), u.flow(c.flow.class, c.flow.name)
			u.reserve(c.lane, c.flow)
		}
	}
	for id, w := range s.jobs {
		if w.queue.flow.lineup == old {
			s.jobs[id] = u.add(w.item())
		}
	}
	for _, l := range old.lanes {
		if l.until > 0 || l.probing {
			u.pause(l.name, l.until)
		}
		u.tidyLane(u.lane(l.name))
	}
}

func (s *schedule) pause(kind JobKind, lane string, until uint64) { s.kind(kind).pause(lane, until) }

func (s *schedule) resume(kind JobKind, lane string) { s.kind(kind).resume(lane) }

// waits reports whether a lane has jobs, or some of it are in work.
func (s *schedule) waits(kind JobKind, name string) bool {
	u := s.kinds[kind]
	if u == nil || u.lanes[name] == nil {
		return false
	}
	l := u.lanes[name]
	return l.jobs+l.busy > 0
}

// next is when a job of a kind may become due, by itself.
func (s *schedule) next(kind JobKind) (at uint64, ok bool) {
	u := s.kinds[kind]
	if u == nil {
		return 0, false
	}
	return u.next()
}

// sortable is the time by which the schedule goes.
func sortable(t time.Time) uint64 { return max(sortableTime(t), 1) } // 0 is never
