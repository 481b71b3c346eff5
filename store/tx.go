package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

// A tx is one Tx. Several of them share a bbolt transaction when they are
// committed together.
type tx struct {
	bolt     *bolt.Tx
	db       *DB
	writable bool
	wrote    bool
	bytes    int      // written, roughly
	after    []func() // run when the commit has reached the disk
	bodies   map[BodyID]bodyUse
	pending  *audit.Record // the last one, which waits for its rows
	left     leftRows
}

var _ Tx = (*tx)(nil)

// run calls fn and then settles what fn left to the end.
func (t *tx) run(fn func(*tx) error) error {
	err := protected(t, fn)
	if err != nil {
		return err
	}
	return protected(t, func(t *tx) error { return errors.Join(t.settleBodies(), t.settleAudit()) })
}

func (t *tx) in(bucket string) *bolt.Bucket { return in(t.bolt, bucket) }

func (t *tx) get(bucket string, key []byte) []byte { return t.in(bucket).Get(key) }

func (t *tx) put(bucket string, key, value []byte) error {
	err := t.write(len(key) + len(value))
	if err != nil {
		return err
	}
	if value == nil {
		value = []byte{} // bbolt would read nil as absent until the commit
	}
	return t.in(bucket).Put(key, value)
}

func (t *tx) remove(bucket string, key []byte) error {
	err := t.write(len(key))
	if err != nil {
		return err
	}
	return t.in(bucket).Delete(key)
}

// write must come before every change.
func (t *tx) write(bytes int) error {
	if !t.writable {
		return ErrReadOnly
	}
	t.wrote = true
	t.bytes += bytes
	return nil
}

// then has fn called after the commit, on the goroutine of the writer.
func (t *tx) then(fn func()) { t.after = append(t.after, fn) }

func (t *tx) putRecord(bucket string, key []byte, record any) error {
	if !t.writable {
		return ErrReadOnly
	}
	value, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encoding a record of %s: %w", bucket, err)
	}
	return t.put(bucket, key, value)
}

// getRecord returns ErrNotFound when there is none.
func getRecord[T any](t *tx, bucket string, key []byte) (T, error) {
	value := t.get(bucket, key)
	if value == nil {
		var zero T
		return zero, ErrNotFound
	}
	return decodeRecord[T](bucket, value)
}

func decodeRecord[T any](bucket string, value []byte) (T, error) {
	var record T
	err := json.Unmarshal(value, &record)
	if err != nil {
		return record, fmt.Errorf("%w: a record of %s: %v", ErrCorrupt, bucket, err)
	}
	return record, nil
}

// each calls fn for the keys that begin with prefix, in order, beginning at
// from, until it returns false or an error. fn must not change the bucket.
func (t *tx) each(bucket string, prefix, from []byte, fn func(k, v []byte) (bool, error)) error {
	if from == nil {
		from = prefix
	}
	c := t.in(bucket).Cursor()
	for k, v := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		more, err := fn(k, v)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// exists says whether key is there, with any value.
func (t *tx) exists(bucket string, key []byte) bool { return t.get(bucket, key) != nil }

// checkText refuses what cannot be part of a composite key.
func checkText(what, s string) error {
	const longest = 1024
	if len(s) > longest {
		return fmt.Errorf("%s is longer than %d bytes", what, longest)
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%s has a NUL in it", what)
	}
	return nil
}
