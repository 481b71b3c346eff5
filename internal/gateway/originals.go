package gateway

import (
	"context"
	"errors"
	"slices"

	"postern/internal/cms/smime"
	"postern/store"
)

// maxMadeRoom is how many originals go at once for a new one. One that would need
// more is not kept: a great message is not worth a thousand small ones.
const maxMadeRoom = 1000

// kept makes of a job of a message that was refused what is kept of it: the sealed
// original. One that was judged again is kept as it was to be before.
func (c *Core) kept(job store.Job) store.Job {
	how := job.Kept
	if !judgedAgain(job) {
		how.Until = c.Steady().Add(c.Care.KeepRefused)
	}
	job.Kind, job.Due, job.Expires, job.Held = store.KeptJob, how.Until, how.Until, how.Held
	job.Next, job.Kept = 0, store.Keeping{}
	return job
}

// JudgeAgain makes of the kept original of a refused message a job that is to be
// opened as if it had come just now, for those whom it was refused to. Their track
// follows; the job is the caller's to store.
func (c *Core) JudgeAgain(tx store.Tx, job store.Job) (store.Job, error) {
	now := c.Steady()
	job.Kept = store.Keeping{Until: job.Due, Held: job.Held}
	job.Kind, job.Held = store.OpenJob, false
	job.Created, job.Due, job.Expires = now, now, now.Add(c.RetryFor)
	job.Attempts, job.Ordered, job.Reason, job.Detail = 0, 0, "", ""
	t, known, err := trackOf(tx, job.Track)
	if err != nil || !known {
		return job, err
	}
	for i := range t.Recipients {
		r := &t.Recipients[i]
		if r.State == store.TrackRefused && slices.ContainsFunc(job.Recipients, r.Address.Same) {
			*r = store.TrackRecipient{Address: r.Address, State: store.TrackQueued, Updated: c.Now()}
		}
	}
	return job, tx.PutTrack(t)
}

// judgedAgain reports whether the original of a job was kept before.
func judgedAgain(job store.Job) bool { return !job.Kept.Until.IsZero() }

// MayBeSealed reports whether a job is one of those whose message lies as it goes or came
// over the backbone. That of a submission is not sealed yet, and that of a push not any
// more, whatever its header says.
func MayBeSealed(job store.Job) bool {
	return job.Body != 0 && job.Kind != store.SealJob && job.Kind != store.PushJob
}

// ErrNotSealed says that the message of a job does not lie encrypted.
var ErrNotSealed = errors.New("the message is not encrypted")

// Original returns the message of a job as it lies, which must be encrypted: what is
// inside is not for operators.
func (c *Core) Original(ctx context.Context, job store.Job) (smime.Source, error) {
	if !MayBeSealed(job) {
		return nil, ErrNotSealed
	}
	src, err := c.stored(ctx, job.Body)
	if err != nil {
		return nil, err
	}
	header, err := readHeader(src)
	if unreadable(err) || err == nil && !smime.IsEncrypted(header) {
		return nil, ErrNotSealed
	}
	return src, err
}

// keepOriginal makes of a job that has ended what is kept of it for an operator. The
// oldest originals go in the same transaction, so that all together take no more than
// RefusedBytes, but for those that were judged again.
func (c *Core) keepOriginal(tx store.Tx, job store.Job) error {
	room, err := c.makeRoom(tx, job)
	if err != nil {
		return err
	}
	if !room {
		return tx.Finish(job.ID)
	}
	kept := c.kept(job)
	return errors.Join(tx.Reschedule(kept), c.auditKeptAgain(tx, job, kept))
}

// keepCopy is keepOriginal for a job that goes on with other recipients.
func (c *Core) keepCopy(tx store.Tx, job store.Job) error {
	room, err := c.makeRoom(tx, job)
	if err != nil || !room {
		return err
	}
	kept := c.kept(job)
	kept.ID, err = tx.Enqueue(kept)
	return errors.Join(err, c.auditKeptAgain(tx, job, kept))
}

// makeRoom removes the oldest originals until that of a job fits, and says whether it
// does. One that was kept before always does: to have it judged again loses nothing.
func (c *Core) makeRoom(tx store.Tx, job store.Job) (bool, error) {
	switch {
	case judgedAgain(job):
		return true, nil
	case c.Care.KeepRefused < 0 || job.Size > c.RefusedBytes:
		return false, nil
	}
	totals, err := tx.JobTotals()
	if err != nil {
		return false, err
	}
	gone, room, err := c.removeOldest(tx, job.Size+totals[store.KeptJob].Bytes)
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

// drop ends the keeping of a refused message, unless an operator was faster, who
// holds it or has it judged again.
func (c *Core) drop(ctx context.Context, job store.Job) error {
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		stored, err := tx.Job(job.ID)
		if err != nil || stored.Kind != store.KeptJob || stored.Idle() {
			return err
		}
		err = tx.Finish(job.ID)
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
