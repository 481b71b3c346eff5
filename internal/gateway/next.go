package gateway

import (
	"errors"

	"postern/store"
)

// waitsForProcessed is the Detail of a notification that waits until the processed
// one about the same message is on its way (DN-10).
const waitsForProcessed = "waits for the processed notification"

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
	if errors.Is(err, store.ErrNotFound) || err == nil && !j.Waits {
		return nil // an operator was faster
	}
	if err != nil {
		return err
	}
	now := c.Steady()
	j.Waits = false // it may be held by an operator, who lets it go himself
	if j.Detail == waitsForProcessed {
		j.Detail = ""
	}
	j.Created, j.Due, j.Expires = now, now, now.Add(j.Expires.Sub(j.Due))
	return tx.Reschedule(j)
}

// nextOf is what is to go on when the i-th copy of a message has gone. A job that
// is over hands on what waits for it to its last copy.
func (s *sealing) nextOf(i int, rest []store.Job) store.JobID {
	if len(rest) > 0 || i < len(s.copies)-1 {
		return 0
	}
	return s.job.Next
}

// handOn ends a seal job of which nothing remains.
func (s *sealing) handOn(tx store.Tx) error {
	if len(s.copies) > 0 {
		return tx.Finish(s.job.ID) // its last copy knows what is next
	}
	return s.finish(tx, s.job)
}
