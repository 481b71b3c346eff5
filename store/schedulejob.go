package store

import "container/heap"

// An item is what the schedule knows of a job. It is all that the index of due
// times holds, so that a store is opened without reading a job.
type item struct {
	id         JobID
	kind       JobKind
	lane, flow string
	automatic  bool
	due        uint64 // sortable
	expires    uint64 // sortable; 0 is never
}

func itemOf(j Job) item {
	return item{
		id: j.ID, kind: j.Kind, lane: j.Lane, flow: j.Flow, automatic: j.Automatic,
		due: sortableTime(j.Due), expires: sortableTime(j.Expires),
	}
}

// A waitingJob is a job in its queue.
type waitingJob struct {
	id           JobID
	due, expires uint64
	queue        *queue
	place        int32 // in its queue
	urgency      int32 // place among those of its queue that expire
}

func (w *waitingJob) item() item {
	q := w.queue
	return item{
		id: w.id, kind: q.flow.lineup.kind, lane: q.lane.name, flow: q.flow.name,
		automatic: q.flow.class == automaticClass, due: w.due, expires: w.expires,
	}
}

// urgent is when a job may no longer wait for room: it is due and its time is over.
func (w *waitingJob) urgent() uint64 { return max(w.due, w.expires) }

// A heapOf keeps its least element first. Elements know their places, so that
// they can be taken out of the middle.
type heapOf[T any] struct {
	items []T
	less  func(a, b T) bool
	place func(T) *int32
}

// Len implements heap.Interface, like the four after it.
func (h *heapOf[T]) Len() int { return len(h.items) }

// Less tells which of two elements goes first.
func (h *heapOf[T]) Less(i, j int) bool { return h.less(h.items[i], h.items[j]) }

// Swap exchanges two elements.
func (h *heapOf[T]) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	*h.place(h.items[i]), *h.place(h.items[j]) = int32(i), int32(j)
}

// Push appends an element.
func (h *heapOf[T]) Push(x any) {
	t := x.(T)
	*h.place(t) = int32(len(h.items))
	h.items = append(h.items, t)
}

// Pop takes the last element off.
func (h *heapOf[T]) Pop() any {
	last := len(h.items) - 1
	t := h.items[last]
	var zero T
	h.items[last] = zero
	h.items = h.items[:last]
	*h.place(t) = absent
	return t
}

// absent is the place of what is not in a heap.
const absent = -1

// first returns the least element.
func (h *heapOf[T]) first() (t T, ok bool) {
	if len(h.items) == 0 {
		return t, false
	}
	return h.items[0], true
}

// put adds an element, or moves it to its place after it changed.
func (h *heapOf[T]) put(t T) {
	if at := *h.place(t); at != absent {
		heap.Fix(h, int(at))
		return
	}
	heap.Push(h, t)
}

// take removes an element if it is there.
func (h *heapOf[T]) take(t T) {
	if at := *h.place(t); at != absent {
		heap.Remove(h, int(at))
	}
}

func byDue(a, b *waitingJob) bool {
	return a.due < b.due || a.due == b.due && a.id < b.id
}

func byUrgency(a, b *waitingJob) bool { return a.urgent() < b.urgent() }

func placeInQueue(w *waitingJob) *int32 { return &w.place }

func placeOfUrgency(w *waitingJob) *int32 { return &w.urgency }
