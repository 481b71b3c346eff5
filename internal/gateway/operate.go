package gateway

import (
	"context"
	"errors"
	"sync"

	"postern/store"
	"postern/trust/reason"
)

// ErrInWork says that a job is worked on at this moment, such as by handing its
// message to the destination.
var ErrInWork = errors.New("the message is being worked on at this moment")

// errOvertaken ends a step whose job was held or dropped since it began, or that seals for an
// address which went since.
var errOvertaken = errors.New("an operator was faster")

// A sending is the set of jobs that are being relayed: what the far side has
// nearly taken can no longer be taken back. The zero value is ready.
type sending struct {
	mu  sync.Mutex
	ids map[store.JobID]struct{}
}

// begin notes that a job is being relayed, until end.
func (s *sending) begin(id store.JobID) (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = make(map[store.JobID]struct{})
	}
	s.ids[id] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.ids, id)
	}
}

func (s *sending) has(id store.JobID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.ids[id]
	return ok
}

// standing is errOvertaken when a job was held or dropped since its step began. A
// step asks in the transaction of its work.
func standing(tx store.Tx, id store.JobID) error {
	stored, err := tx.Job(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && stored.Held {
		return errOvertaken
	}
	return err
}

// putAgain reschedules a job after a step. What an operator did meanwhile stands.
func putAgain(tx store.Tx, job store.Job) error {
	stored, err := tx.Job(job.ID)
	if err != nil {
		return err
	}
	job.Held = stored.Held
	job.Push.Also = stored.Push.Also // as the message came again
	return tx.Reschedule(job)
}

// LetGo is a held job that goes on now, with as much time before it as a new one.
func (c *Core) LetGo(job store.Job) store.Job {
	job.Held, job.Due = false, c.Steady()
	if e := c.expiry(job.Automatic); e.After(job.Expires) {
		job.Expires = e
	}
	return job
}

// A dropping is how an operator ends jobs.
type dropping struct {
	actor  string
	silent bool
	still  func(store.Job) bool // whether he means a job as it is now; nil is any
}

// Drop ends a job for an operator. The sender of an outgoing message gets a
// failure notice unless silent, and never for a notification (AS-86); an incoming
// one is refused. ErrInWork says that it is too late for the moment, and
// store.ErrNotFound that the job has ended, or is no longer one that the operator
// means: still says which he does, nil is any.
func (c *Core) Drop(ctx context.Context, id store.JobID, actor string, silent bool, still func(store.Job) bool) error {
	var job store.Job
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		job, err = tx.Job(id)
		return err
	})
	if err != nil {
		return err
	}
	d := dropping{actor, silent, still}
	switch job.Kind {
	case store.PushJob:
		return c.dropPush(ctx, job, d)
	case store.HookJob:
		return c.dropHook(ctx, job, d)
	}
	end := ending{job: job, at: c.Now(), done: dropped(job, d)}
	if !silent {
		end.failed = failuresOf(end.done)
	}
	err = c.endOutgoing(ctx, end, func(tx store.Tx) error {
		stored, err := c.droppable(tx, job, d)
		if err != nil {
			return err
		}
		return c.finish(tx, stored)
	})
	if err == nil {
		c.tell(job.Track, end.done)
	}
	return err
}

// dropped is what a drop makes of a job's recipients. The originals of messages
// that were refused before are dropped without more.
func dropped(job store.Job, d dropping) []outcome {
	state, answer := store.TrackState(""), store.Answer("")
	switch job.Kind {
	case store.SealJob, store.RelayJob:
		state = store.TrackFailed
		if d.silent && !job.Automatic {
			answer = store.ToldSilent
		}
	case store.OpenJob:
		state = store.TrackRefused
	}
	all := outcomes(job, state, reason.Dropped, "dropped by "+d.actor)
	for i := range all {
		all[i].stage, all[i].by, all[i].answer = store.StageQueue, d.actor, answer
	}
	return all
}

// droppable is a job as it is stored, if it may be dropped now.
func (c *Core) droppable(tx store.Tx, job store.Job, d dropping) (store.Job, error) {
	stored, err := tx.Job(job.ID)
	if err != nil {
		return stored, err
	}
	if d.still != nil && !d.still(stored) {
		return stored, store.ErrNotFound
	}
	if len(stored.Recipients) != len(job.Recipients) || stored.Kind != job.Kind {
		return stored, ErrInWork // it went on since it was read
	}
	if c.sending.has(job.ID) {
		return stored, ErrInWork
	}
	return stored, nil
}
