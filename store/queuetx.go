package store

import (
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
	j.Era, err = t.eraGiven(j.Era)
	if err != nil {
		return 0, err
	}
	err = t.refJob(&j)
	if err != nil {
		return 0, err
	}
	id, err := t.in(bucketJobs).NextSequence()
	if err != nil {
		return 0, err
	}
	j.ID = JobID(id)
	t.left.is(bucketJobs, u64(id), jobSum(j))
	err = errors.Join(t.putJob(j), t.countJob(j, 1))
	return j.ID, err
}

func checkJob(j Job) error {
	bodiless := j.Kind == WatchJob || j.Kind == HookJob
	if j.Kind == "" || j.Due.IsZero() || (j.Body == 0) != bodiless || (j.Hook == "") != (j.Kind != HookJob) {
		return errors.New("a job needs a kind, a due time and, unless it is to watch or for a hook, which it names, a body")
	}
	if (j.Kind == PushJob) == j.Push.Account.IsZero() {
		return errors.New("a job for an edge names the account, and no other does")
	}
	return errors.Join(
		checkText("the kind of a job", string(j.Kind)),
		checkText("the lane of a job", j.Lane),
		checkText("the hook of a job", j.Hook),
		checkText("the flow of a job", j.Flow))
}

// putJob stores a job and its place in the index of due times; held jobs have
// none.
func (t *tx) putJob(j Job) error {
	j.Created, j.Due, j.Expires = j.Created.UTC(), j.Due.UTC(), j.Expires.UTC()
	err := t.putRecord(bucketJobs, u64(uint64(j.ID)), j)
	if err != nil {
		return err
	}
	if j.Idle() {
		t.unschedule(j.ID)
		return nil
	}
	it := itemOf(j)
	t.then(func() { t.db.claims.change(func(s *schedule) { s.set(it) }) })
	return t.put(bucketDue, dueKey(j.Kind, j.Due, j.ID), dueValue(it))
}

func (t *tx) unschedule(id JobID) {
	t.then(func() { t.db.claims.change(func(s *schedule) { s.remove(id) }) })
}

// refJob takes a job's reference to its body, which jobs that watch or are for a hook do not have.
func (t *tx) refJob(j *Job) error {
	if j.Body == 0 {
		return nil
	}
	body, err := t.refBody(j.Body)
	if err == nil && j.Size == 0 {
		j.Size = body.size
	}
	return err
}

func (t *tx) unrefJob(j Job) error {
	if j.Body == 0 {
		return nil
	}
	return t.unrefBody(j.Body)
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
func (t *tx) EachJob(from JobID, fn func(Job) bool) error {
	return t.each(bucketJobs, nil, u64(uint64(from)), func(_, v []byte) (bool, error) {
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
	j.Era = old.Era
	if old.Body != j.Body {
		err := errors.Join(t.refJob(&j), t.unrefJob(old))
		if err != nil {
			return err
		}
	}
	if sum := jobSum(j); sum != jobSum(old) {
		t.left.is(bucketJobs, u64(uint64(j.ID)), sum)
	}
	return errors.Join(
		t.remove(bucketDue, dueKey(old.Kind, old.Due, old.ID)),
		t.countJob(old, -1), t.countJob(j, 1),
		t.putJob(j))
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
	t.unschedule(id)
	t.left.gone(bucketJobs, u64(uint64(id)))
	return errors.Join(
		t.unrefJob(j),
		t.remove(bucketJobs, u64(uint64(id))),
		t.remove(bucketDue, dueKey(j.Kind, j.Due, id)),
		t.countJob(j, -1))
}
