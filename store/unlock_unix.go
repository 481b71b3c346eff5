//go:build unix

package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// unlock lets go of bbolt's lock on a file. Closing the file is not enough
// while it is mapped, and a mapping that bbolt did not hand out stays.
func unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }
