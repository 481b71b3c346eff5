package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"postern/mime"
)

// A JobTotal is how much waits of one kind.
type JobTotal struct {
	Jobs  int   `json:"jobs"`
	Bytes int64 `json:"bytes"` // of their bodies; one that two jobs share counts twice
}

func (n JobTotal) encode() []byte { return u64u64(uint64(n.Jobs), uint64(n.Bytes)) }

func readJobTotal(v []byte) (JobTotal, error) {
	if len(v) != 16 {
		return JobTotal{}, fmt.Errorf("%w: the count of jobs", ErrCorrupt)
	}
	return JobTotal{int(binary.BigEndian.Uint64(v)), int64(binary.BigEndian.Uint64(v[8:]))}, nil
}

// countJob keeps the total of a job's kind as jobs come (1) and go (-1).
func (t *tx) countJob(j Job, by int) error {
	err := errors.Join(t.countHook(j, by), t.countPush(j, by))
	if err != nil {
		return err
	}
	return t.countIn(bucketJobCounts, []byte(j.Kind), j, by)
}

// forEdge reports whether a job waits for an edge to take its message.
func (j Job) forEdge() bool { return j.Kind == PushJob && j.Push.Ended == "" }

// countPush keeps the total of what waits for the edge of an account.
func (t *tx) countPush(j Job, by int) error {
	if !j.forEdge() {
		return nil
	}
	return t.countIn(bucketPushCounts, pushCountKey(j.Push.Account, j.Era), j, by)
}

// pushCountKey tells apart what came for those who had an address one after another.
func pushCountKey(a mime.Address, e Era) []byte {
	return binary.BigEndian.AppendUint64(joined(a.Key(), ""), uint64(e))
}

func (t *tx) countIn(bucket string, key []byte, j Job, by int) error {
	total, err := t.totalIn(bucket, key)
	if err != nil {
		return err
	}
	total.Jobs += by
	total.Bytes += int64(by) * j.Size
	switch {
	case total.Jobs < 0 || total.Bytes < 0:
		return fmt.Errorf("%w: the count of jobs", ErrCorrupt)
	case total.Jobs == 0:
		return t.remove(bucket, key)
	}
	return t.put(bucket, key, total.encode())
}

// totalIn is zero where there is none.
func (t *tx) totalIn(bucket string, key []byte) (JobTotal, error) {
	v := t.get(bucket, key)
	if v == nil {
		return JobTotal{}, nil
	}
	return readJobTotal(v)
}

// PushTotal implements QueueTx.
func (t *tx) PushTotal(a Account) (JobTotal, error) {
	var all JobTotal
	err := t.each(bucketPushCounts, joined(a.Address.Key(), ""), pushCountKey(a.Address, a.Era), func(_, v []byte) (bool, error) {
		total, err := readJobTotal(v)
		all.Jobs += total.Jobs
		all.Bytes += total.Bytes
		return err == nil, err
	})
	return all, err
}

// setJobTotals puts totals in the place of those that are there.
func (t *tx) setJobTotals(totals map[JobKind]JobTotal) error {
	all := make(map[string]JobTotal)
	for kind, total := range totals {
		all[string(kind)] = total
	}
	return t.setTotals(bucketJobCounts, all)
}

func (t *tx) setPushTotals(totals map[string]JobTotal) error {
	return t.setTotals(bucketPushCounts, totals)
}

func (t *tx) setTotals(bucket string, totals map[string]JobTotal) error {
	for _, key := range t.firstKeys(bucket, nil, math.MaxInt) {
		err := t.remove(bucket, key)
		if err != nil {
			return err
		}
	}
	for key, total := range totals {
		err := t.put(bucket, []byte(key), total.encode())
		if err != nil {
			return err
		}
	}
	return nil
}

// JobTotals implements QueueTx.
func (t *tx) JobTotals() (map[JobKind]JobTotal, error) {
	totals := make(map[JobKind]JobTotal)
	err := t.each(bucketJobCounts, nil, nil, func(k, v []byte) (bool, error) {
		total, err := readJobTotal(v)
		totals[JobKind(k)] = total
		return err == nil, err
	})
	return totals, err
}
