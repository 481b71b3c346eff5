package store

import "slices"

// The frame of a file is every page that leads to others, and what is read when the
// store is opened. It is a small part of the file, and whoever has walked it knows
// that no way goes in a circle, and none to a page that another goes to or that is
// free. What is in the other pages misleads within themselves alone, but where one
// that should be a leaf is none: bbolt may follow that without end, which nothing in
// the process survives. So values that lie alone are looked at before each use, and the
// leaves of records are the first that is read beside the work.

// A tree is that of a bucket. bbolt keeps all its leaves at one depth.
type tree struct {
	whole  bool   // its leaves are read
	leaves int    // how deep they are; 0 is not known yet, and that of the top
	aside  []step // pages that wait for that
}

// framed are the buckets of which the leaves are of the frame: those that hold
// buckets, and those that are read when the store is opened.
func framed() []string {
	return []string{bucketBodies, bucketDocumentBodies, bucketBundleAnchors, bucketDue, bucketMeta, bucketDataKeys}
}

// enter goes on with the first page of a bucket in a leaf of a tree.
func (w *pageWalk) enter(s step, in *tree, name []byte) {
	switch {
	case in == w.top:
		s.tree = &tree{whole: !w.frame || slices.Contains(framed(), string(name))}
		w.push(s)
	case in == w.alone:
		w.tell("page %d: a bucket in a value that lies alone", s.id)
	case w.frame:
		w.pass(s)
	case w.there(s) && w.values.has(s.id):
		w.tell("page %d is in use twice", s.id)
	case w.there(s):
		w.values.add(s.id)
	}
}

// takeValues has some of the values that lie alone visited, in the order of the file.
func (w *pageWalk) takeValues() {
	for ; w.next < w.end && len(w.pending) < walkBatch; w.next++ {
		if w.values.has(w.next) {
			w.push(step{id: w.next, tree: w.alone})
		}
	}
}

// branch goes on with the pages that one leads to. Of a tree whose leaves are not
// read the first way to one is gone first.
func (w *pageWalk) branch(s step, elements []element) {
	below := make([]step, len(elements))
	for i, e := range elements {
		below[i] = step{id: e.page, depth: s.depth + 1, low: e.key, high: s.high, tree: s.tree}
		if i+1 < len(elements) {
			below[i].high = elements[i+1].key
		}
	}
	switch t := s.tree; {
	case t.whole:
		w.push(below...)
	case t.leaves == 0 && len(below) > 0:
		w.push(below[0])
		t.aside = append(t.aside, below[1:]...)
	default:
		w.descend(below)
	}
}

// leaf notes how deep the leaves of a tree are.
func (w *pageWalk) leaf(s step) {
	t := s.tree
	switch {
	case t.whole || t.leaves == s.depth:
	case t.leaves == 0:
		t.leaves = s.depth
		w.descend(t.aside)
		t.aside = nil
	default:
		w.tell("page %d is a leaf beside branches", s.id)
	}
}

// descend goes on with branches, and passes leaves.
func (w *pageWalk) descend(steps []step) {
	for _, s := range steps {
		if s.depth == s.tree.leaves {
			w.pass(s)
		} else {
			w.push(s)
		}
	}
}

// pass counts a page that is not read.
func (w *pageWalk) pass(s step) {
	if w.there(s) {
		w.take(s.id, 1)
	}
}
