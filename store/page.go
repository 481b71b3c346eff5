package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// elementSize is that of an entry in the table that a page begins with, after its
// head. Of a branch it is a place, the length of a key and a page; of a leaf a kind,
// a place, the length of a key and that of the value behind it. A place counts from
// the entry.
const elementSize = 16

// A page is one that can be looked at: it is where it says it is, is of a kind that
// is known, and ends within the file. Its elements are not looked at.
type page struct {
	id     uint64
	kind   uint16
	count  int64
	run    uint64 // pages
	length int64  // octets
	at     int64  // in the file
	head   []byte // the first of them
}

// pageIn is the page that octets hold.
func pageIn(octets []byte) *page {
	return &page{
		id: order.Uint64(octets), kind: order.Uint16(octets[8:]), count: int64(order.Uint16(octets[10:])),
		run: 1 + uint64(order.Uint32(octets[12:])), length: int64(len(octets)), head: octets,
	}
}

// page looks at the first octets of a page. It tells what is wrong and returns nil then.
func (w *pageWalk) page(id uint64, h *head) *page {
	if h.err != nil {
		w.tell("page %d: %v", id, h.err)
		return nil
	}
	p := pageIn(h.octets)
	switch {
	case p.id != id:
		w.tell("page %d says that it is page %d", id, p.id)
	case p.kind != pageBranch && p.kind != pageLeaf:
		w.tell("page %d is of the kind %#x, neither branch nor leaf", id, p.kind)
	case p.run > w.end-id:
		w.tell("page %d goes on over %d pages, beyond the end of the file", id, p.run)
	default:
		p.at, p.length = int64(id)*w.size, int64(p.run)*w.size
		return p
	}
	return nil
}

// read returns octets of a page that are known to be in it. It tells if they cannot
// be read, and returns nil then.
func (w *pageWalk) read(p *page, from, n int64) []byte {
	if from+n <= int64(len(p.head)) {
		return p.head[from : from+n]
	}
	octets := make([]byte, n)
	_, err := w.file.ReadAt(octets, p.at+from)
	if err != nil {
		w.tell("page %d: %v", p.id, err)
		return nil
	}
	return octets
}

// An element of a page.
type element struct {
	key    []byte
	page   uint64 // of a branch
	bucket bool   // of a leaf: the value is a bucket
	value  int64  // where it is, from the begin of the page
	size   int64  // how long it is
}

// elements reads the elements of a page, up to one that does not lie within it, and
// checks their order.
func (w *pageWalk) elements(p *page, s step) []element {
	if p.count > (p.length-pageHead)/elementSize || p.count == 0 && p.kind == pageBranch {
		w.tell("page %d: it cannot have %d elements", p.id, p.count)
		return nil
	}
	table := w.read(p, pageHead, p.count*elementSize)
	if table == nil {
		return nil
	}
	all := make([]element, 0, p.count)
	low := s.low
	for i := range p.count {
		e, ok := w.element(p, i, table[i*elementSize:])
		if !ok {
			return all
		}
		c := bytes.Compare(e.key, low)
		if c < 0 || c == 0 && i > 0 || s.high != nil && bytes.Compare(e.key, s.high) >= 0 {
			w.note("page %d: the key of element %d is not in order", p.id, i)
		}
		all, low = append(all, e), e.key
	}
	return all
}

// element reads one, or tells what is wrong with it.
func (w *pageWalk) element(p *page, i int64, entry []byte) (e element, ok bool) {
	if p.kind == pageBranch {
		e.page = order.Uint64(entry[8:])
	} else {
		kind := order.Uint32(entry)
		if kind > 1 {
			w.tell("page %d: element %d is of the kind %#x", p.id, i, kind)
			return e, false
		}
		e.bucket, e.size = kind == 1, int64(order.Uint32(entry[12:]))
		entry = entry[4:]
	}
	from, length := pageHead+i*elementSize+int64(order.Uint32(entry)), int64(order.Uint32(entry[4:]))
	e.value = from + length
	if from < pageHead+p.count*elementSize || length == 0 || length > bolt.MaxKeySize || e.value+e.size > p.length {
		w.tell("page %d: element %d does not lie within it", p.id, i)
		return e, false
	}
	e.key = w.read(p, from, length)
	return e, e.key != nil
}
