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
	if b == nil || t.liesAlone(b) != nil {
		return nil
	}
	return b.Get([]byte(aloneKey))
}

// liesAlone looks at the first octets of a value's page, which is not of the frame,
// before bbolt does: it would follow what is no leaf, and free as many pages as the
// page says that it has.
func (t *tx) liesAlone(b *bolt.Bucket) error {
	if b.Root() == 0 { // in the page of its parent, or new
		return nil
	}
	var octets [pageHead + elementSize]byte
	size := t.bolt.DB().Info().PageSize
	_, err := t.db.file.ReadAt(octets[:], int64(b.Root())*int64(size))
	p, entry := pageIn(octets[:]), octets[pageHead:]
	length := pageHead + elementSize + len(aloneKey) + int(order.Uint32(entry[12:]))
	pages := uint64(length+size-1) / uint64(size)
	if err != nil || p.id != uint64(b.Root()) || p.kind != pageLeaf || p.count != 1 || p.run != pages ||
		order.Uint32(entry) != 0 || order.Uint32(entry[4:]) != elementSize || order.Uint32(entry[8:]) != uint32(len(aloneKey)) {
		t.db.doubt.Store(true)
		return fmt.Errorf("%w: page %d is not that of a value", ErrCorrupt, b.Root())
	}
	return nil
}

func (t *tx) putAlone(bucket string, key, value []byte) error {
	err := t.write(len(key) + len(value))
	if b := t.in(bucket).Bucket(key); err == nil && b != nil {
		err = t.liesAlone(b)
	}
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
		err = t.liesAlone(b)
		if err != nil {
			return err
		}
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
