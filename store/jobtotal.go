package store

import (
	"encoding/binary"
	"fmt"
	"math"
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
	err := t.countHook(j, by)
	if err != nil {
		return err
	}
	var total JobTotal
	v := t.get(bucketJobCounts, []byte(j.Kind))
	if v != nil {
		total, err = readJobTotal(v)
		if err != nil {
			return err
		}
	}
	total.Jobs += by
	total.Bytes += int64(by) * j.Size
	switch {
	case total.Jobs < 0 || total.Bytes < 0:
		return fmt.Errorf("%w: the count of jobs", ErrCorrupt)
	case total.Jobs == 0:
		return t.remove(bucketJobCounts, []byte(j.Kind))
	}
	return t.put(bucketJobCounts, []byte(j.Kind), total.encode())
}

// setJobTotals puts totals in the place of those that are there.
func (t *tx) setJobTotals(totals map[JobKind]JobTotal) error {
	for _, kind := range t.firstKeys(bucketJobCounts, nil, math.MaxInt) {
		err := t.remove(bucketJobCounts, kind)
		if err != nil {
			return err
		}
	}
	for kind, total := range totals {
		err := t.put(bucketJobCounts, []byte(kind), total.encode())
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
