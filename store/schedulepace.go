package store

import "time"

// A flowPace is from when the next job of a flow in a lane may go, and how long after it
// the one after. The zero value is none.
type flowPace struct {
	from uint64
	step time.Duration
}

// after is the pace when a job has gone.
func (p flowPace) after(now uint64) flowPace {
	p.from = now + uint64(p.step)
	return p
}

func (s *schedule) pace(kind JobKind, lane, flow string, p flowPace) {
	u := s.kind(kind)
	if u.lanes[lane] != nil { // else it has no jobs
		u.pace(u.lanes[lane], flow, p)
	}
}

// pace sets the pace of a flow in a lane.
func (u *lineup) pace(l *lane, name string, p flowPace) {
	for class := range classes {
		key := flowKey{class, name}
		q := u.queues[queueKey{u.flows[key], l}]
		if q != nil {
			u.later.take(q) // before its place is another
		}
		l.setPace(key, p)
		if q != nil {
			u.settle(q)
		}
	}
	u.advance(u.now)
}

// setPace notes a pace for what goes from now on.
func (l *lane) setPace(key flowKey, p flowPace) {
	switch {
	case p.from == 0:
		delete(l.paces, key)
	case l.paces == nil:
		l.paces = map[flowKey]flowPace{key: p}
	default:
		l.paces[key] = p
	}
}
