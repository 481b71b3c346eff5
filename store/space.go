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

// A reusable remembers how much of the file was free in runs that hold a chunk, and how
// many pages were free in all then.
type reusable struct {
	mu    sync.Mutex
	known bool
	pages int
	bytes int64
}

// Reusable implements Store. bbolt writes what it writes at once into pages that follow
// each other: a free run that no chunk fits into is no space. The list of free pages is
// read anew when a sixteenth of it changed.
func (db *DB) Reusable() int64 {
	r := &db.reusable
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := db.bolt.Stats()
	pages := stats.FreePageN
	if stats.OpenTxN == 0 {
		pages += stats.PendingPageN // which are free from the next commit on
	}
	if r.known && max(pages-r.pages, r.pages-pages) <= r.pages/16 {
		return r.bytes
	}
	bytes, err := db.freeRuns()
	if err != nil {
		return 0 // a commit says what is wrong with the file
	}
	r.known, r.pages, r.bytes = true, pages, bytes
	return r.bytes
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
