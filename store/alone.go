package store

import (
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// A large value lies alone in a bucket of its own, under aloneKey. bbolt puts
// several records into a page and rewrites a page as a whole: values side by side
// would be written again with every neighbour (docs/store.md). Of a small one
// bbolt keeps the whole bucket in the page of its parent.
const aloneKey = "c"

// alone returns such a value in place, or nil.
func (t *tx) alone(bucket string, key []byte) []byte {
	b := t.in(bucket).Bucket(key)
	if b == nil {
		return nil
	}
	return b.Get([]byte(aloneKey))
}

func (t *tx) putAlone(bucket string, key, value []byte) error {
	err := t.write(len(key) + len(value))
	if err != nil {
		return err
	}
	return putAlone(t.in(bucket), key, value)
}

func putAlone(parent *bolt.Bucket, key, value []byte) error {
	b, err := parent.CreateBucketIfNotExists(key)
	if err != nil {
		return err
	}
	if value == nil {
		value = []byte{} // bbolt would read nil as absent until the commit
	}
	return b.Put([]byte(aloneKey), value)
}

// removeAlone frees the pages of a value, if there is one, without reading more
// than the first.
func (t *tx) removeAlone(bucket string, key []byte) error {
	err := t.write(len(key))
	if err != nil {
		return err
	}
	if b := t.in(bucket).Bucket(key); b != nil {
		// bbolt would go on into buckets in it, and never end if it were in itself.
		k, v := b.Cursor().First()
		if string(k) != aloneKey || v == nil {
			return fmt.Errorf("%w: %s %x holds something else", ErrCorrupt, bucket, key)
		}
	}
	err = t.in(bucket).DeleteBucket(key)
	if errors.Is(err, bolterrors.ErrBucketNotFound) {
		return nil
	}
	return err
}
