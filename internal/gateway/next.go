package gateway

import (
	"errors"

	"postern/store"
)

// finish ends a job, however it went, and lets the one go on that waited for it.
// Every end of a job of the two ways goes through it.
func (c *Core) finish(tx store.Tx, job store.Job) error {
	err := c.letGo(tx, job.Next)
	if err != nil {
		return err
	}
	return tx.Finish(job.ID)
}

// letGo has a job go on that waited for another. It has all its time before it.
func (c *Core) letGo(tx store.Tx, id store.JobID) error {
	if id == 0 {
		return nil
	}
	j, err := tx.Job(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !j.Held {
		return nil // an operator was faster
	}
	if err != nil {
		return err
	}
	now := c.Steady()
	j.Held, j.Created, j.Due, j.Expires = false, now, now, now.Add(j.Expires.Sub(j.Due))
	return tx.Reschedule(j)
}
