package gateway

import (
	"slices"
	"time"
)

// leave has a lane, or one flow in it, left alone until then.
func (c *Core) leave(id laneID, until time.Time) {
	if id.flow == "" {
		c.Store.Pause(id.kind, id.lane, until)
		return
	}
	c.Store.Pace(id.kind, id.lane, id.flow, until, longestSlow)
}

// endLeave ends that.
func (c *Core) endLeave(id laneID) {
	if id.flow == "" {
		c.Store.Resume(id.kind, id.lane)
		return
	}
	c.breakers.dropFlow(id)
	c.Store.Pace(id.kind, id.lane, id.flow, time.Time{}, 0)
}

// addFlow notes that a flow is left alone, and forgets those that had nothing more to
// send since they were.
func (c *Core) addFlow(id laneID, now time.Time) {
	s := &c.breakers
	if s.putOff == nil {
		s.putOff = make(map[laneID][]laneID)
	}
	whole := id.whole()
	s.putOff[whole] = slices.DeleteFunc(s.putOff[whole], func(other laneID) bool {
		b := s.of(other)
		old := b == nil || now.Sub(b.until) > breakerMemory
		if old {
			s.forget(other)
			c.Store.Pace(other.kind, other.lane, other.flow, time.Time{}, 0)
		}
		return old
	})
	s.putOff[whole] = append(s.putOff[whole], id)
}

// dropFlow forgets that a flow is left alone.
func (s *breakers) dropFlow(id laneID) {
	is := func(other laneID) bool { return other == id }
	left := slices.DeleteFunc(s.putOff[id.whole()], is)
	if len(left) == 0 {
		delete(s.putOff, id.whole())
		return
	}
	s.putOff[id.whole()] = left
}

// flowTaken notes that something of a flow was taken. If it had been put off, it was
// for the destination's rate, maybe, and others try whether that allows more.
func (c *Core) flowTaken(id laneID) {
	opened, _ := c.openLane(id)
	if !opened {
		return
	}
	now := c.Steady()
	c.breakers.mu.Lock()
	defer c.breakers.mu.Unlock()
	flows := c.breakers.putOff[id.whole()]
	n := min(wakes, len(flows))
	for _, other := range flows[:n] {
		b := c.breakers.of(other)
		if b != nil && now.Before(b.until) {
			b.until = now
			c.leave(other, now)
		}
	}
	c.breakers.turn(id.whole(), n)
}

// turn has others woken next time.
func (s *breakers) turn(lane laneID, n int) {
	if flows := s.putOff[lane]; n < len(flows) {
		s.putOff[lane] = append(slices.Clone(flows[n:]), flows[:n]...)
	}
}

// putOffLane tells of a lane in which flows are left alone, each by itself, and
// whether any is: what has not been tried for long has nothing left to send.
func (c *Core) putOffLane(lane laneID, flows []laneID) (l DownLane, any bool) {
	now := c.Steady()
	l = DownLane{Kind: lane.kind, Lane: lane.lane, Slow: true}
	for _, id := range flows {
		b := c.breakers.of(id)
		if b == nil || now.Sub(b.until) > slowMemory {
			continue
		}
		any = true
		if l.Since.IsZero() || b.since.Before(l.Since) {
			l.Since = b.since
		}
		if next := c.Wall(b.until); l.Next.IsZero() || next.Before(l.Next) {
			l.Next, l.Reason, l.Detail = next, b.why.code.String(), b.why.detail
		}
	}
	return l, any
}
