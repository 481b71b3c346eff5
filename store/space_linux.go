package store

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// SpaceOf returns the space of the file system that a folder is on.
func SpaceOf(dir string) (Space, error) {
	var s unix.Statfs_t
	err := unix.Statfs(dir, &s)
	if err != nil {
		return Space{}, fmt.Errorf("asking for the space of %s: %w", dir, err)
	}
	size := uint64(max(s.Bsize, 1))
	blocks := min(s.Bavail, math.MaxInt64/size) // a file system may claim anything
	return Space{Free: int64(blocks * size), ReadOnly: s.Flags&unix.ST_RDONLY != 0}, nil
}
