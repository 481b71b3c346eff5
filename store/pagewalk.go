package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// deepest bounds the way from the first page to any other: two buckets deep, and
// in each a tree in which every page leads to two others at least.
const deepest = 64

// A pageWalk follows the pages of one snapshot. It reads the file, never the
// mapping, and believes no number that it reads: bbolt, which does, can be led out
// of the mapping or in a circle by one octet that was changed.
type pageWalk struct {
	pageMeta
	file    io.ReaderAt
	readers int                              // pages that are read at once
	frame   bool                             // no more than the frame is read: see tree
	rest    func() error                     // now and then
	tell    func(format string, args ...any) // of what is wrong
	note    func(format string, args ...any) // of what is wrong and misleads nobody

	used, free pageSet
	inUse      uint64 // pages
	unused     uint64 // pages
	wrong      bool   // bbolt must not read these pages

	top     *tree   // that of the bucket which holds all others
	alone   *tree   // that of each value which lies alone
	values  pageSet // of those: they are visited when nothing else is left
	next    uint64  // of which this is the next to be looked for
	pending []step
	heads   []head
}

// PageProgress says how far a walk over the pages of the file is.
type PageProgress struct{ Done, All uint64 }

func (w *pageWalk) progress() PageProgress { return PageProgress{Done: w.inUse + w.unused, All: w.end} }

// A pageSet is a set of pages, a bit for each.
type pageSet []uint64

func newPageSet(end uint64) pageSet { return make(pageSet, end/64+1) }

func (s pageSet) has(id uint64) bool { return s[id/64]>>(id%64)&1 == 1 }

func (s pageSet) add(id uint64) { s[id/64] |= 1 << (id % 64) }

// begin begins a snapshot and the walk over its pages; end ends both. The page that
// says where they are is kept for two transactions only, so that none writes while it
// is read. After a walk that found pages which bbolt must not read nothing is written
// any more, which would spread it, until the store is opened anew: that finds it too.
func (db *DB) begin(ctx context.Context) (snapshot *bolt.Tx, w *pageWalk, end func(), err error) {
	err = db.commits.between(ctx, func() (err error) {
		snapshot, err = db.bolt.Begin(false)
		if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			return ErrClosed
		}
		if err == nil {
			w, err = newPageWalk(snapshot, db.file)
		}
		return err
	})
	if err != nil && snapshot != nil {
		err = errors.Join(err, snapshot.Rollback())
	}
	return snapshot, w, func() {
		_ = snapshot.Rollback() // first: who writes may wait for it
		if w.wrong {
			db.spoilt()
		}
	}, err
}

func (db *DB) spoilt() {
	db.doubt.Store(true)
	_ = db.commits.between(context.Background(), func() error { // or it is closed
		db.commits.writer.broken = fmt.Errorf("%w: nothing is written to pages that are not sound: run postern store check", ErrCorrupt)
		return nil
	})
}

// walkPages checks all pages, and reports whether bbolt may read them.
func (db *DB) walkPages(ctx context.Context, p *pace, tell func(string, ...any)) (readable bool, err error) {
	_, w, end, err := db.begin(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	if p != nil {
		w.readers = fewReaders
	}
	err = w.walk(func() error { return p.rest(ctx) }, tell, tell)
	return !w.wrong, err
}

// sound returns the first thing that is wrong as an error, which is ErrCorrupt. If
// what misleads nobody is of interest it is wrong as well.
func (w *pageWalk) sound(rest func() error, all bool) (first error) {
	tell := func(format string, args ...any) {
		first = cmp.Or(first, fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...))
	}
	note := tell
	if !all {
		note = func(string, ...any) {}
	}
	err := w.walk(func() error { return cmp.Or(first, rest()) }, tell, note)
	return cmp.Or(first, err)
}

func newPageWalk(tx *bolt.Tx, file io.ReaderAt) (*pageWalk, error) {
	m, err := metaOf(file, tx.ID())
	return &pageWalk{pageMeta: m, file: file, readers: manyReaders}, err
}

// walk checks the pages: that each is where it says it is and of the right kind, that
// its elements lie within it, that it is reached once and not listed as free; and, which
// is noted, that the elements are in order, and that every other page is free. The error
// is that of rest.
func (w *pageWalk) walk(rest func() error, tell, note func(string, ...any)) error {
	w.rest, w.note = rest, note
	w.tell = func(format string, args ...any) {
		w.wrong = true
		tell(format, args...)
	}
	w.used, w.free, w.values = newPageSet(w.end), newPageSet(w.end), newPageSet(w.end)
	list, run, err := w.freePages(w.file)
	if err != nil {
		w.tell("%v", err)
	}
	for _, id := range list {
		w.free.add(id)
	}
	w.unused = uint64(len(list))
	w.take(0, 2)
	w.take(w.pageMeta.free, run)
	err = w.visitAll()
	if err != nil || w.wrong || w.frame {
		return err // what is missing is missing because of what was told, or was not read
	}
	for id := range w.end {
		if !w.used.has(id) && !w.free.has(id) {
			w.note("page %d is neither in use nor free", id)
		}
	}
	return nil
}

// take notes that pages are in use. It returns false if one was already, or is free.
func (w *pageWalk) take(id, n uint64) bool {
	for ; n > 0; id, n = id+1, n-1 {
		switch {
		case w.used.has(id):
			w.tell("page %d is in use twice", id)
			return false
		case w.free.has(id):
			w.tell("page %d is in use and listed as free", id)
			return false
		}
		w.used.add(id)
		w.inUse++
	}
	return true
}

// A step is the way to one page. Its keys are from low on and before high; nil is
// no bound.
type step struct {
	id        uint64
	depth     int
	low, high []byte
	tree      *tree
}

// visitAll walks the pages from the first on, many at a time. The pages that were
// found last are next, so that few wait, and what leads to others comes before values.
func (w *pageWalk) visitAll() error {
	w.top, w.alone = &tree{whole: true}, &tree{whole: true}
	w.push(step{id: w.root, tree: w.top})
	for {
		if len(w.pending) == 0 {
			w.takeValues()
		}
		if len(w.pending) == 0 {
			return nil
		}
		err := w.rest()
		if err != nil {
			return err
		}
		from := max(0, len(w.pending)-walkBatch)
		batch := slices.Clone(w.pending[from:])
		clear(w.pending[from:]) // with the keys that they hold
		w.pending = w.pending[:from]
		slices.SortFunc(batch, func(a, b step) int { return cmp.Compare(a.id, b.id) })
		w.readHeads(batch)
		for i, s := range batch {
			w.visit(s, &w.heads[i])
		}
	}
}

// there reports whether a page is in the file, or tells.
func (w *pageWalk) there(s step) bool {
	if s.id < 2 || s.id >= w.end {
		w.tell("page %d is not there: the file has %d", s.id, w.end)
		return false
	}
	return true
}

// push lets pages be visited, of which each must be in the file.
func (w *pageWalk) push(steps ...step) {
	for _, s := range steps {
		switch {
		case !w.there(s):
		case s.depth > deepest:
			w.tell("page %d is deeper than any should be", s.id)
		default:
			w.pending = append(w.pending, s)
		}
	}
}

// visit looks at a page of which the head was read.
func (w *pageWalk) visit(s step, h *head) {
	p := w.page(s.id, h)
	if p == nil || !w.take(s.id, p.run) {
		return
	}
	elements := w.elements(p, s)
	if p.kind == pageBranch {
		h.octets = nil // the keys of the steps are in them
		w.branch(s, elements)
		return
	}
	w.leaf(s)
	for _, e := range elements {
		if e.bucket {
			w.bucket(p, e, s)
		}
	}
}

// bucket goes into a bucket that has its place in a leaf: a value of its first page
// and a counter, with the page itself behind them if it is a small one.
func (w *pageWalk) bucket(p *page, e element, s step) {
	const head = 16
	if e.size < head {
		w.tell("page %d: a bucket of %d octets", p.id, e.size)
		return
	}
	value := w.read(p, e.value, head)
	if value == nil {
		return
	}
	root := order.Uint64(value)
	if root != 0 {
		w.enter(step{id: root, depth: s.depth + 1}, s.tree, e.key)
		return
	}
	if e.size < head+pageHead || e.size > w.size {
		w.tell("page %d: a bucket of %d octets", p.id, e.size)
		return
	}
	value = w.read(p, e.value+head, e.size-head)
	if value == nil {
		return
	}
	inner := pageIn(value)
	inner.id = p.id
	if inner.kind != pageLeaf || inner.run != 1 {
		w.tell("page %d: a small bucket that is no leaf", p.id)
		return
	}
	for _, e := range w.elements(inner, step{id: p.id}) {
		if e.bucket {
			w.tell("page %d: a bucket in a small bucket", p.id)
		}
	}
}
