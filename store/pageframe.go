package store

import "slices"

// The frame of a file is every page that leads to others, and what is read when the
// store is opened. It is a small part of the file, and whoever has walked it knows
// that no way goes in a circle, and none to a page that another goes to or that is
// free: bbolt then ends whatever it does. What is in the other pages misleads within
// themselves alone, but for the number of pages that one of them goes on over.

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
	case !w.frame:
		s.tree = in
		w.push(s)
	case in == w.top:
		s.tree = &tree{whole: slices.Contains(framed(), string(name))}
		w.push(s)
	default: // of a value that lies alone
		w.pass(s)
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
	if s.id < 2 || s.id >= w.end {
		w.tell("page %d is not there: the file has %d", s.id, w.end)
		return
	}
	w.take(s.id, 1)
}
