package gateway

import (
	"context"
	"errors"

	"postern/store"
)

// maxMadeRoom is how many originals go at once for a new one. One that would need
// more is not kept: a great message is not worth a thousand small ones.
const maxMadeRoom = 1000

// keepOriginal makes of a job that has ended what is kept of it for an operator. The
// oldest originals go in the same transaction, so that all together never take more
// than RefusedBytes.
func (c *Core) keepOriginal(tx store.Tx, job store.Job) error {
	room, err := c.makeRoom(tx, job.Size)
	if err != nil {
		return err
	}
	if !room {
		return tx.Finish(job.ID)
	}
	return tx.Reschedule(job)
}

// keepCopy is keepOriginal for a job that goes on with other recipients.
func (c *Core) keepCopy(tx store.Tx, job store.Job) error {
	room, err := c.makeRoom(tx, job.Size)
	if err != nil || !room {
		return err
	}
	_, err = tx.Enqueue(job)
	return err
}

// makeRoom removes the oldest originals until one of so many bytes fits, and says
// whether it does.
func (c *Core) makeRoom(tx store.Tx, bytes int64) (bool, error) {
	if c.Care.KeepRefused < 0 || bytes > c.RefusedBytes {
		return false, nil
	}
	totals, err := tx.JobTotals()
	if err != nil {
		return false, err
	}
	gone, room, err := c.removeOldest(tx, bytes+totals[store.KeptJob].Bytes)
	if err != nil {
		return false, err
	}
	return room, auditOriginals(tx, c.Now(), gone, "made room")
}

// removeOldest removes originals until so many bytes are few enough, or says that
// they will not be.
func (c *Core) removeOldest(tx store.Tx, bytes int64) (gone []store.Job, room bool, err error) {
	for bytes > c.RefusedBytes {
		if len(gone) == maxMadeRoom {
			return gone, false, nil
		}
		oldest, err := tx.FirstJob(store.KeptJob)
		if errors.Is(err, store.ErrNotFound) {
			return gone, false, nil // an operator holds the rest
		}
		if err != nil {
			return nil, false, err
		}
		err = tx.Finish(oldest.ID)
		if err != nil {
			return nil, false, err
		}
		gone = append(gone, oldest)
		bytes -= oldest.Size
	}
	return gone, true, nil
}

// drop ends the keeping of a refused message.
func (c *Core) drop(ctx context.Context, job store.Job) error {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		err := tx.Finish(job.ID)
		if err != nil {
			return err
		}
		return auditOriginals(tx, c.Now(), []store.Job{job}, "was kept long enough")
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // it made room for another meanwhile
	}
	return err
}
