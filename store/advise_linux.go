package store

import (
	"os"
	"unsafe"

	bolt "go.etcd.io/bbolt"
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

// forgetMapping lets go of every page of the file that is mapped. Removing a
// chunk reads its first page, and the kernel maps up to 15 neighbours with it:
// of 64 removed chunks that is 4 MiB, which would count as ours for good.
func forgetMapping(b *bolt.DB) {
	_ = b.View(func(tx *bolt.Tx) error { // meanwhile the mapping stays where it is
		// An error changes nothing but how much memory counts as ours.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, b.Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED)
		return nil
	})
}
