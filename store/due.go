package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// The index of due times has an entry for every job that is not held. Its key
// is dueKey, its value what else the schedule needs:
//
//	flags u8 (1: automatic), expires u64, length of lane uvarint, lane, flow

const dueAutomatic = 1

func dueValue(it item) []byte {
	v := make([]byte, 0, 11+len(it.lane)+len(it.flow))
	var flags byte
	if it.automatic {
		flags = dueAutomatic
	}
	v = binary.BigEndian.AppendUint64(append(v, flags), it.expires)
	v = binary.AppendUvarint(v, uint64(len(it.lane)))
	v = append(v, it.lane...)
	return append(v, it.flow...)
}

var errDueValue = errors.New("a damaged value in the index of due times")

func readDueValue(v []byte, it *item) error {
	if len(v) < 9 || v[0] > dueAutomatic {
		return errDueValue
	}
	n, size := binary.Uvarint(v[9:])
	if size <= 0 {
		return errDueValue
	}
	rest := v[9+size:]
	if n > uint64(len(rest)) {
		return errDueValue
	}
	it.automatic = v[0] == dueAutomatic
	it.expires = binary.BigEndian.Uint64(v[1:])
	it.lane, it.flow = string(rest[:n]), string(rest[n:])
	return nil
}

// readDue reads an entry. One whose value is damaged still leads to its job,
// whose record the claim will show.
func readDue(k, v []byte) (it item, ok bool) {
	at := len(k) - 17
	if at < 1 || k[at] != 0 {
		return it, false
	}
	it.kind = JobKind(k[:at])
	it.due = binary.BigEndian.Uint64(k[at+1:])
	it.id = JobID(binary.BigEndian.Uint64(k[at+9:]))
	err := readDueValue(v, &it)
	return it, err == nil || it.id > 0
}

// loadDue builds the schedule.
func (db *DB) loadDue(tx *bolt.Tx) error {
	s := &db.claims.schedule
	s.at(sortable(db.Steady()))
	return in(tx, bucketDue).ForEach(func(k, v []byte) error {
		it, ok := readDue(k, v)
		if ok {
			s.set(it)
		}
		return nil
	})
}

// fillQueue gives the jobs of schemas before 4 their lanes and flows, each entry of
// the index of due times its value, and the counts of jobs their bytes. A damaged
// job stays as it was and is not counted.
func fillQueue(b *bolt.Tx) error {
	t := &tx{bolt: b, writable: true}
	err := b.DeleteBucket([]byte(bucketJobCounts))
	if err == nil {
		err = createBuckets(b, bucketJobCounts)
	}
	if err == nil {
		err = rewriteRecords(t, bucketJobs, t.fillJob)
	}
	if err != nil {
		return fmt.Errorf("filling the queue's index: %w", err)
	}
	return nil
}

func (t *tx) fillJob(key []byte, j *Job) (changed bool, err error) {
	switch j.Kind {
	case RelayJob:
		j.Lane, j.Flow = j.Destination.String(), j.Sender.Key()
	case SealJob:
		j.Flow = j.Sender.Key()
	}
	if checkJob(*j) != nil || !bytes.Equal(key, u64(uint64(j.ID))) {
		return false, nil
	}
	err = t.countJob(*j, 1)
	if err == nil && !j.Idle() {
		err = t.put(bucketDue, dueKey(j.Kind, j.Due, j.ID), dueValue(itemOf(*j)))
	}
	return true, err
}

// FirstJob implements QueueTx.
func (t *tx) FirstJob(kind JobKind) (Job, error) {
	prefix := append([]byte(kind), 0)
	k, _ := t.in(bucketDue).Cursor().Seek(prefix)
	if !bytes.HasPrefix(k, prefix) || len(k) != len(prefix)+16 {
		return Job{}, fmt.Errorf("a job of kind %s: %w", kind, ErrNotFound)
	}
	return t.Job(JobID(binary.BigEndian.Uint64(k[len(k)-8:])))
}
