package store

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adviseFrom is the length from which advice pays.
const adviseFrom = 64 << 10

// expect has the kernel read b from the disk in one go. bbolt maps the file for
// random access, so that it would be read page by page otherwise.
func expect(b []byte) { advise(b, unix.MADV_WILLNEED) }

// forget lets go of the pages that reading b mapped into this process; the
// kernel keeps them in its cache for as long as it likes.
func forget(b []byte) { advise(b, unix.MADV_DONTNEED) }

// advise is safe because the mapping is shared, of a file and read only: what
// is let go of is found again. b must lie in the mapping of a read-only
// snapshot that is still in use, never in memory of our own.
func advise(b []byte, advice int) {
	if len(b) < adviseFrom {
		return
	}
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	// Pages that b shares with other records stay.
	skip := -start % page
	length := (uintptr(len(b)) - skip) / page * page
	// An error changes nothing but speed and how much memory counts as ours.
	_ = unix.Madvise(b[skip:skip+length], advice)
}
