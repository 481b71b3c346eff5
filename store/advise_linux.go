package store

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forgetFrom is the length from which it pays to forget.
const forgetFrom = 64 << 10

// forget lets go of the pages that reading b mapped into this process; the
// kernel keeps them in its cache for as long as it likes. It is safe because
// the mapping is shared, of a file and read only: the next read finds the same
// bytes. b must lie in the mapping of a snapshot that is still in use.
func forget(b []byte) {
	if len(b) < forgetFrom {
		return
	}
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	// Pages that b shares with other records stay.
	skip := -start % page
	length := (uintptr(len(b)) - skip) / page * page
	// An error changes nothing but how much memory counts as ours.
	_ = unix.Madvise(b[skip:skip+length], unix.MADV_DONTNEED)
}
