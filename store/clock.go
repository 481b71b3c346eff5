package store

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// A Clock is a clock by which jobs are due that goes on over restarts: what it
// needs for that is kept in the store.
type Clock interface {
	Now() time.Time
	// Resume goes on from what Keep returned, maybe in another process; from nil
	// where nothing is kept. It is called before anything is due.
	Resume(kept []byte) error
	Keep() []byte
}

// clockEvery is how far behind what is kept of the clock may be.
const clockEvery = time.Minute

// resumeClock lets the clock of the queue go on.
func (db *DB) resumeClock(b *bolt.Tx) error {
	if db.clock == nil {
		return nil
	}
	err := db.clock.Resume(in(b, bucketMeta).Get([]byte(metaClock)))
	if err != nil {
		return fmt.Errorf("%w: the clock of the queue: %w", ErrCorrupt, err)
	}
	return nil
}

// keepClock adds the clock to a transaction that is committed anyway, if what is
// kept of it is older than a minute. While nothing is written nothing is due that
// was not due before.
func (w *writer) keepClock(b *bolt.Tx) error {
	if w.db.clock == nil {
		return nil
	}
	now := w.db.clock.Now()
	if !w.kept.IsZero() && now.Sub(w.kept) < clockEvery {
		return nil
	}
	w.kept = now
	return in(b, bucketMeta).Put([]byte(metaClock), w.db.clock.Keep())
}

// Steady implements Store.
func (db *DB) Steady() time.Time {
	if db.clock == nil {
		return db.now()
	}
	return db.clock.Now()
}
