package store

import "fmt"

// A Space is what a file system has left.
type Space struct {
	Free     int64 // bytes that are free for us
	ReadOnly bool  // nothing can be written at all
}

// Reusable implements Store. What the latest commits gave up is free from the next one
// on, if nothing reads it.
func (db *DB) Reusable() int64 {
	stats := db.bolt.Stats()
	pages := stats.FreePageN
	if stats.OpenTxN == 0 {
		pages += stats.PendingPageN
	}
	return int64(pages) * int64(db.bolt.Info().PageSize)
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
