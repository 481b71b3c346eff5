package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// checkPages refuses a file whose pages bbolt must not read. It believes every number
// in them: one octet that was changed can lead it out of the mapping, in a circle, or
// over what is in use, and no net holds all that comes of it. All pages are walked, but
// where the frame is enough to begin with.
func checkPages(b *bolt.DB, file *os.File, o Options) (all bool, err error) {
	err = walkBefore(b, file, o, true)
	if err == nil && frameIsEnough(b, o) {
		return false, nil
	}
	return true, walkBefore(b, file, o, false) // which has the last word
}

// walkBefore walks the pages of a file that nobody uses.
func walkBefore(b *bolt.DB, file *os.File, o Options, frame bool) error {
	return b.View(func(tx *bolt.Tx) error {
		w, err := newPageWalk(tx, file)
		if err != nil {
			return err
		}
		w.frame = frame
		return w.sound(func() error {
			if o.Reading == nil || frame {
				return nil
			}
			return o.Reading(w.progress())
		}, false)
	})
}

// frameIsEnough reports whether the other pages can be walked later: they must be
// before a migration, and where the store was not stopped cleanly. One of a newer
// schema is not used at all.
func frameIsEnough(b *bolt.DB, o Options) bool {
	enough, err := guarded(func() (enough bool, err error) {
		err = b.View(func(tx *bolt.Tx) error {
			version, err := readSchema(tx)
			if err != nil || version < schemaVersion {
				return err
			}
			enough = o.frame || version > schemaVersion
			if enough || o.apart {
				return nil
			}
			enough, err = stoppedCleanly(tx, witnessOf(b.Path()), o.MasterKey)
			return err
		})
		return enough, err
	})
	return enough && err == nil // whoever loads it tells what is wrong
}

// stoppedCleanly reports whether nothing was written to the store since it was closed:
// the witness then has the end of its trail, which has the number of the transaction.
func stoppedCleanly(tx *bolt.Tx, witness string, master KeyWrapper) (bool, error) {
	said, err := os.ReadFile(witness)
	if err != nil {
		return false, err
	}
	end := in(tx, bucketMeta).Get([]byte(metaAuditHead))
	if !bytes.Equal(said, witnessText(end, true)) {
		return false, nil
	}
	ring, err := readKeyring(tx, master)
	return err == nil && ring.headFits(tx, stateOf(tx)), err
}

// CheckPages implements Store.
func (db *DB) CheckPages(ctx context.Context, told func(PageProgress)) error {
	err := db.checkPages(ctx, told)
	if err != nil {
		return fmt.Errorf("checking the pages of the store: %w", err)
	}
	return nil
}

func (db *DB) checkPages(ctx context.Context, told func(PageProgress)) error {
	if db.checked {
		return nil
	}
	_, w, end, err := db.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	p := &pace{work: 20 * time.Millisecond}
	return w.sound(func() error {
		told(w.progress())
		if w.next == 0 { // until then a page can end the process: see tree
			return ctx.Err()
		}
		w.readers = fewReaders
		return p.rest(ctx)
	}, false)
}
