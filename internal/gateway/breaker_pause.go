package gateway

import "time"

func (c *Core) pauseLane(id laneID, until time.Time) { c.Store.Pause(id.kind, id.lane, until) }

func (c *Core) resumeLane(id laneID) { c.Store.Resume(id.kind, id.lane) }
