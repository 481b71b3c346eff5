package gateway

import (
	"time"

	"postern/store"
)

// A pauser is a store that holds back the jobs of a lane.
type pauser interface {
	Pause(kind store.JobKind, lane string, until time.Time)
	Resume(kind store.JobKind, lane string)
}

func (c *Core) pauseLane(id laneID, until time.Time) {
	s, ok := c.Store.(pauser)
	if ok {
		s.Pause(id.kind, id.lane, until)
	}
}

func (c *Core) resumeLane(id laneID) {
	s, ok := c.Store.(pauser)
	if ok {
		s.Resume(id.kind, id.lane)
	}
}
