package store

import "sync"

const (
	// walkBatch is how many pages are read between two looks at whether to go on.
	walkBatch = 512
	// manyReaders read pages at once where somebody waits for all of them, and
	// fewReaders where others need the disk. A disk answers some questions at once
	// in the time of one.
	manyReaders = 16
	fewReaders  = 4
)

// A head is the first octets of a page, as many as the smallest page has.
type head struct {
	octets []byte
	err    error
}

// readHeads reads the pages of steps, of which each reader gets those that are
// near to each other.
func (w *pageWalk) readHeads(steps []step) {
	for len(w.heads) < len(steps) {
		w.heads = append(w.heads, head{})
	}
	share := (len(steps) + w.readers - 1) / w.readers
	var reading sync.WaitGroup
	for from := 0; from < len(steps); from += share {
		reading.Go(func() {
			for i := from; i < min(from+share, len(steps)); i++ {
				h := &w.heads[i]
				if h.octets == nil {
					h.octets = make([]byte, w.size)
				}
				_, h.err = w.file.ReadAt(h.octets, int64(steps[i].id)*w.size)
			}
		})
	}
	reading.Wait()
}
