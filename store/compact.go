package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

// A Compaction is what Compact did: the sizes of the file, in bytes, and what is in it.
type Compaction struct {
	Before int64       `json:"before"`
	After  int64       `json:"after"`
	Store  CheckReport `json:"store"`
}

// CompactOptions are those of Compact.
type CompactOptions struct {
	Options // of the store
	// Record is written into the audit trail, with the size that was.
	Record audit.Record
	// Accept has the audit trail vouch for rows that are not as it says: see accept.
	// Otherwise they are carried on as they are.
	Accept bool
	// Via is a folder on another disk, for a store whose disk has no room for two.
	Via string
}

// compactStep is how many bytes one transaction of a compaction writes.
const compactStep = 4 << 20

// Compact writes the store at path anew, without the pages that are free, and puts
// the result, checked whole, in its place. Nobody may use the store meanwhile
// (ErrLocked). It needs room for what is in use beside what is there, which is
// asked for first (ErrFull). A crash at any moment leaves one whole store.
//
// With a folder o.Via, which is for one that is on another disk, the room is needed
// there, and the result is written over the store. What ends that in the middle leaves
// the store in o.Via alone: opening it is an *ElsewhereError then, and another Compact
// goes on. What ends it before may leave a file there, which is not written over or
// removed: ErrInTheWay.
func Compact(ctx context.Context, path string, o CompactOptions) (Compaction, error) {
	c, err := compact(ctx, path, o)
	var elsewhere *ElsewhereError
	if errors.As(err, &elsewhere) && elsewhere.Err == nil {
		c, err = goOn(ctx, path, o)
	}
	if err != nil {
		return Compaction{}, fmt.Errorf("compacting the store %s: %w", path, err)
	}
	return c, nil
}

func compact(ctx context.Context, path string, o CompactOptions) (c Compaction, err error) {
	o.Reading = func(PageProgress) error { return ctx.Err() }
	db, err := Open(path, o.Options)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }() // the lock, until all is done
	used, err := db.usedBytes(ctx)
	if err != nil {
		return c, err
	}
	file, err := fileOf(path)
	if err != nil {
		return c, err
	}
	next, err := makeNext(file, o.Via, compactEnd)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, removeUnless(next, err)) }()
	err = needSpace(filepath.Dir(next), used)
	if err == nil {
		err = writeCompact(next, db)
	}
	if err != nil {
		return c, err
	}
	err = ctx.Err()
	if err != nil {
		return c, err
	}
	c.Before, err = fileSize(path)
	if err != nil {
		return c, err
	}
	o.small, o.apart, o.frame = true, true, true
	o.Record.Detail = fmt.Sprintf("compacted from %d bytes", c.Before)
	var end []byte
	c.Store, end, err = approve(ctx, next, o, true)
	if err != nil {
		return c, err
	}
	c.After, err = fileSize(next)
	if err != nil {
		return c, err
	}
	db.stop() // nobody writes to the file any more
	h := &held{path: file, bolt: db.bolt}
	if !db.witness.keep {
		return c, h.put(next)
	}
	db.witness.keep = false // the new file has another end
	return c, replaceWitnessed(h, next, db.witness.path, end)
}

// usedBytes is how much of the file is in use. It fails if the pages are not sound.
func (db *DB) usedBytes(ctx context.Context) (int64, error) {
	_, w, end, err := db.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	err = w.sound(ctx.Err, true)
	return int64(w.inUse) * w.size, err
}

// writeCompact copies all records into an empty file, and that to the disk.
func writeCompact(path string, from *DB) error {
	b, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout: defaultTimeout, FreelistType: bolt.FreelistMapType, NoStatistics: true,
		NoSync: true, // nothing counts before the end
	})
	if err != nil {
		return err
	}
	_, err = guarded(func() (struct{}, error) { return struct{}{}, bolt.Compact(b, from.bolt, compactStep) })
	if err == nil && !from.setBack {
		err = b.Update(from.ring.Load().resealHead) // the transactions are counted anew
	}
	if err == nil {
		err = b.Sync()
	}
	err = errors.Join(err, b.Close())
	if err == nil {
		err = giveAway(path)
	}
	return ofDisk(err)
}

// approve checks a store that nobody uses yet, and writes the record into its audit
// trail if that is asked for.
func approve(ctx context.Context, path string, o CompactOptions, record bool) (report CheckReport, end []byte, err error) {
	db, err := Open(path, o.Options)
	if err != nil {
		return report, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	report, found, err := db.examine(ctx, nil)
	if err == nil {
		err = report.Damaged("the store")
	}
	if err == nil && record {
		err = db.recount(ctx, found.counts)
		if err == nil {
			err = db.accept(ctx, found, o.Record, o.Accept)
		}
	}
	if err != nil {
		return report, nil, err
	}
	end, _, err = db.end()
	return report, end, err
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
