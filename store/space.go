package store

import (
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// A Space is what a file system has left.
type Space struct {
	Free     int64 // bytes that are free for us
	ReadOnly bool  // nothing can be written at all
}

// A Within is what of the store's file is free within it, since it was deleted, and is
// written before the file grows.
type Within struct {
	Runs int64 // bytes in pieces that hold a chunk of a body
	All  int64 // bytes of all free pages; messages that are small fit into any
}

// A reusable remembers what was free in runs that hold a chunk, and how much had been
// allocated when it was read.
type reusable struct {
	mu        sync.Mutex
	known     bool
	runs      int64
	allocated int64
}

// Reusable implements Store. bbolt writes what it writes at once into pages that follow
// each other, so that not every free page is of use for everything. What was allocated
// since the list of free pages was read may all have come from the runs; when it is a
// sixteenth of them the list is read anew.
func (db *DB) Reusable() Within {
	r := &db.reusable
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := db.bolt.Stats()
	pages := stats.FreePageN
	if stats.OpenTxN == 0 {
		pages += stats.PendingPageN // which are free from the next commit on
	}
	all := int64(pages) * int64(db.bolt.Info().PageSize)
	allocated := stats.TxStats.GetPageAlloc()
	if !r.known || allocated-r.allocated > r.runs/16 {
		runs, err := db.freeRuns()
		if err == nil { // else two commits were made meanwhile, or the next says what is wrong
			r.known, r.runs, r.allocated = true, runs, allocated
		}
	}
	return Within{Runs: max(min(r.runs-(allocated-r.allocated), all), 0), All: all}
}

// freeRuns adds up the runs of free pages that hold a chunk with what stands around it.
func (db *DB) freeRuns() (bytes int64, err error) {
	err = db.bolt.View(func(tx *bolt.Tx) error {
		m, err := metaOf(db.file, tx.ID())
		if err != nil {
			return err
		}
		free, _, err := m.freePages(db.file)
		least := int64(db.chunkSize)/m.size + 1
		for i := 0; i < len(free); {
			run := 1
			for i+run < len(free) && free[i+run] == free[i]+uint64(run) {
				run++
			}
			if int64(run) >= least {
				bytes += int64(run) * m.size
			}
			i += run
		}
		return err
	})
	return bytes, err
}

// needSpace is ErrFull unless a folder has room for so many bytes.
func needSpace(dir string, bytes int64) error {
	s, err := SpaceOf(dir)
	if err != nil {
		return err
	}
	if s.ReadOnly {
		return &readOnlyDisk{fmt.Errorf("%d bytes are needed in %s", bytes, dir)}
	}
	if s.Free < bytes {
		return fmt.Errorf("%w: %d bytes are needed in %s, and %d are free", ErrFull, bytes, dir, s.Free)
	}
	return nil
}
