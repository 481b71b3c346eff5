package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	bolt "go.etcd.io/bbolt"
)

// openAnyway opens the file, and for reading alone if it cannot be written and o asks
// for that: o then says why.
func openAnyway(path string, o *Options) (*bolt.DB, *os.File, error) {
	b, file, err := openFile(path, *o)
	if o.ReadAnyway && (errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)) {
		o.unwritable = fmt.Errorf("%w: %w", ErrUnwritable, err)
		return openFile(path, *o)
	}
	return b, file, err
}

// Unwritable is why the store was opened for reading alone, or nil.
func (db *DB) Unwritable() error { return db.unwritable }
