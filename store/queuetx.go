package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Enqueue implements QueueTx.
func (t *tx) Enqueue(j Job) (JobID, error) {
	err := t.write(0)
	if err != nil {
		return 0, err
	}
	err = checkJob(j)
	if err != nil {
		return 0, err
	}
	if j.Body != 0 {
		body, err := t.refBody(j.Body)
		if err != nil {
			return 0, err
		}
		if j.Size == 0 {
			j.Size = body.size
		}
	}
	id, err := t.in(bucketJobs).NextSequence()
	if err != nil {
		return 0, err
	}
	j.ID = JobID(id)
	err = errors.Join(t.putJob(j), t.countJob(j.Kind, 1))
	return j.ID, err
}

func checkJob(j Job) error {
	if j.Kind == "" || j.Due.IsZero() || (j.Body == 0) != (j.Kind == WatchJob) {
		return errors.New("a job needs a kind, a due time and, unless it watches, a body")
	}
	return checkText("the kind of a job", string(j.Kind))
}

// putJob stores a job and its place in the index of due times; held jobs have
// none.
func (t *tx) putJob(j Job) error {
	j.Created, j.Due, j.Expires = j.Created.UTC(), j.Due.UTC(), j.Expires.UTC()
	err := t.putRecord(bucketJobs, u64(uint64(j.ID)), j)
	if err != nil || j.Held {
		return err
	}
	t.then(t.db.claims.wake)
	return t.put(bucketDue, dueKey(j.Kind, j.Due, j.ID), nil)
}

func (t *tx) countJob(kind JobKind, by int) error {
	n := 0
	v := t.get(bucketJobCounts, []byte(kind))
	if v != nil {
		if len(v) != 8 {
			return fmt.Errorf("%w: the count of jobs", ErrCorrupt)
		}
		n = int(binary.BigEndian.Uint64(v))
	}
	n += by
	if n < 0 {
		return fmt.Errorf("%w: the count of jobs", ErrCorrupt)
	}
	if n == 0 {
		return t.remove(bucketJobCounts, []byte(kind))
	}
	return t.put(bucketJobCounts, []byte(kind), u64(uint64(n)))
}

// Job implements QueueTx.
func (t *tx) Job(id JobID) (Job, error) {
	j, err := getRecord[Job](t, bucketJobs, u64(uint64(id)))
	if err != nil {
		return Job{}, fmt.Errorf("job %d: %w", id, err)
	}
	return j, nil
}

// EachJob implements QueueTx.
func (t *tx) EachJob(fn func(Job) bool) error {
	return t.each(bucketJobs, nil, nil, func(_, v []byte) (bool, error) {
		j, err := decodeRecord[Job](bucketJobs, v)
		if err != nil {
			return false, err
		}
		return fn(j), nil
	})
}

// Reschedule implements QueueTx.
func (t *tx) Reschedule(j Job) error {
	if !t.writable {
		return ErrReadOnly
	}
	err := checkJob(j)
	if err != nil {
		return err
	}
	old, err := t.Job(j.ID)
	if err != nil {
		return err
	}
	if old.Body != j.Body {
		_, err := t.refBody(j.Body)
		if err != nil {
			return err
		}
		err = t.unrefBody(old.Body)
		if err != nil {
			return err
		}
	}
	t.then(func() { t.db.claims.drop(j.ID) })
	err = t.remove(bucketDue, dueKey(old.Kind, old.Due, old.ID))
	if err != nil {
		return err
	}
	if old.Kind != j.Kind {
		err = errors.Join(t.countJob(old.Kind, -1), t.countJob(j.Kind, 1))
	}
	return errors.Join(err, t.putJob(j))
}

// Finish implements QueueTx.
func (t *tx) Finish(id JobID) error {
	if !t.writable {
		return ErrReadOnly
	}
	j, err := t.Job(id)
	if err != nil {
		return err
	}
	t.then(func() { t.db.claims.drop(id) })
	if j.Body != 0 {
		err = t.unrefBody(j.Body)
	}
	return errors.Join(err,
		t.remove(bucketJobs, u64(uint64(id))),
		t.remove(bucketDue, dueKey(j.Kind, j.Due, id)),
		t.countJob(j.Kind, -1))
}

// CountJobs implements QueueTx.
func (t *tx) CountJobs() (map[JobKind]int, error) {
	counts := make(map[JobKind]int)
	err := t.each(bucketJobCounts, nil, nil, func(k, v []byte) (bool, error) {
		if len(v) != 8 {
			return false, fmt.Errorf("%w: the count of jobs", ErrCorrupt)
		}
		counts[JobKind(k)] = int(binary.BigEndian.Uint64(v))
		return true, nil
	})
	return counts, err
}
