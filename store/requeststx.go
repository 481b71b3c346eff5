package store

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Request implements RequestTx.
func (t *tx) Request(k RequestKey) (Request, error) {
	r, err := getRecord[Request](t, bucketRequests, k[:])
	if err != nil {
		return r, fmt.Errorf("a request: %w", err)
	}
	return r, nil
}

// PutRequest implements RequestTx.
func (t *tx) PutRequest(k RequestKey, r Request) error {
	if !t.writable {
		return ErrReadOnly
	}
	if len(r.Track) != trackIDSize {
		return fmt.Errorf("a track id has %d characters", trackIDSize)
	}
	old, err := t.Request(k)
	switch {
	case err == nil:
		err = t.remove(bucketRequestTimes, requestTime(old.At, k))
	case errors.Is(err, ErrNotFound):
		err = nil
	}
	if err != nil {
		return err
	}
	r.At = r.At.UTC()
	return errors.Join(
		t.putRecord(bucketRequests, k[:], r),
		t.put(bucketRequestTimes, requestTime(r.At, k), nil))
}

func requestTime(at time.Time, k RequestKey) []byte { return append(u64(sortableTime(at)), k[:]...) }

// ForgetRequests implements RequestTx.
func (t *tx) ForgetRequests(before time.Time, most int) (int, error) {
	if !t.writable {
		return 0, ErrReadOnly
	}
	var old [][]byte
	end := u64(sortableTime(before))
	err := t.each(bucketRequestTimes, nil, nil, func(k, _ []byte) (bool, error) {
		if len(old) == most || bytes.Compare(k, end) >= 0 {
			return false, nil
		}
		if len(k) != 8+len(RequestKey{}) {
			return false, fmt.Errorf("%w: the times of requests", ErrCorrupt)
		}
		old = append(old, bytes.Clone(k))
		return true, nil
	})
	for _, k := range old {
		err = errors.Join(err, t.remove(bucketRequests, k[8:]), t.remove(bucketRequestTimes, k))
	}
	return len(old), err
}
