package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// What bbolt writes, as far as it is read here: a page begins with its id (8
// octets), its kind (2), the number of its elements (2), and how many pages more
// belong to it (4). A meta page says where everything is at one transaction, and
// ends with the FNV-1a of that. Numbers are in the order of the machine.
const (
	pageHead     = 16
	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageFreeList = 0x10

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSummed  = 56 // octets, which the sum follows
	manyFree    = 0xFFFF
)

// A pageMeta is what a meta page says.
type pageMeta struct {
	size int64  // of a page
	root uint64 // the page of the bucket that holds all others
	free uint64 // the page of the list of free pages
	end  uint64 // no page has this number, nor a greater one
	txid uint64
}

var order = binary.NativeEndian

// readMetaAt returns false for what is no meta page, or a damaged one.
func readMetaAt(f io.ReaderAt, off int64) (m pageMeta, ok bool) {
	var page [pageHead + metaSummed + 8]byte
	_, err := f.ReadAt(page[:], off)
	b := page[pageHead:]
	sum := fnv.New64a()
	sum.Write(b[:metaSummed])
	if err != nil || order.Uint32(b) != metaMagic || order.Uint32(b[4:]) != metaVersion || order.Uint64(b[metaSummed:]) != sum.Sum64() {
		return m, false
	}
	m = pageMeta{
		size: int64(order.Uint32(b[8:])),
		root: order.Uint64(b[16:]), free: order.Uint64(b[32:]), end: order.Uint64(b[40:]), txid: order.Uint64(b[48:]),
	}
	return m, m.size >= 512 && m.end < 1<<48
}

// newestMeta returns that of the transaction that was committed last, and the
// other one, as far as they are whole. It is wrong about a file without any.
func newestMeta(f io.ReaderAt) (newest, other pageMeta, ok bool) {
	newest, ok = readMetaAt(f, 0)
	for size := int64(1 << 10); size <= 1<<16; size <<= 1 {
		second, whole := readMetaAt(f, size)
		if !whole || second.size != size {
			continue
		}
		if !ok || second.txid > newest.txid {
			newest, second = second, newest
		}
		return newest, second, true
	}
	return newest, newest, ok
}

// metaOf returns the meta page of a transaction.
func metaOf(f io.ReaderAt, txid int) (pageMeta, error) {
	newest, other, ok := newestMeta(f)
	for _, m := range []pageMeta{newest, other} {
		if ok && m.txid == uint64(txid) {
			return m, nil
		}
	}
	return pageMeta{}, fmt.Errorf("%w: its first pages tell of no transaction %d", ErrCorrupt, txid)
}

// freePages reads the list of free pages. bbolt believes what it says: how long it
// is, and that nothing is in the pages.
func (m pageMeta) freePages(f io.ReaderAt) (pages []uint64, run uint64, err error) {
	if m.free < 2 || m.free >= m.end {
		return nil, 0, errors.New("the list of free pages is nowhere")
	}
	var head [pageHead + 8]byte
	off := int64(m.free) * m.size
	_, err = f.ReadAt(head[:], off)
	if err != nil {
		return nil, 0, fmt.Errorf("the list of free pages: %w", err)
	}
	off += pageHead
	run = 1 + uint64(order.Uint32(head[12:]))
	count, room := uint64(order.Uint16(head[10:])), (run*uint64(m.size)-pageHead)/8
	if count == manyFree {
		count, room, off = order.Uint64(head[pageHead:]), room-1, off+8
	}
	if order.Uint64(head[:]) != m.free || order.Uint16(head[8:]) != pageFreeList || run > m.end-m.free || count > room {
		return nil, 0, errors.New("the list of free pages is damaged")
	}
	octets := make([]byte, 8*count)
	_, err = f.ReadAt(octets, off)
	if err != nil {
		return nil, 0, fmt.Errorf("the list of free pages: %w", err)
	}
	last := uint64(1)
	for ; len(octets) > 0; octets = octets[8:] {
		id := order.Uint64(octets)
		if id <= last || id >= m.end {
			return nil, 0, fmt.Errorf("the list of free pages names page %d after page %d, of %d", id, last, m.end)
		}
		pages, last = append(pages, id), id
	}
	return pages, run, nil
}

// checkFreeList is for a file that bbolt is about to open: it would take memory for
// as many free pages as it is told of, without a limit. Somebody else may have the
// file open, and write to it: then the list is read again as it is now.
func checkFreeList(f *os.File) error {
	for {
		m, _, ok := newestMeta(f)
		if !ok {
			return nil // bbolt says what is wrong with it
		}
		_, _, err := m.freePages(f)
		if err == nil {
			return nil
		}
		now, _, _ := newestMeta(f)
		if now == m {
			return fmt.Errorf("%w: %v", ErrCorrupt, err)
		}
	}
}

// openChecked is the OpenFile of bbolt for files that are there.
func openChecked(name string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	err = checkNote(f)
	if err == nil {
		err = checkFreeList(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
