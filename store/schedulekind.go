package store

import (
	"container/list"
	"slices"
)

// A lineup orders the waiting jobs of one kind.
//
// A queue whose first job is due is admitted when its flow and its lane have
// room: the room is taken at once, and the queue awaits its turn. One that finds
// none waits where there is none, costs nothing there, and is woken when that
// room is given back. So nothing waits for room that is free, and nobody ever
// looks for work where there is none.
type lineup struct {
	kind   JobKind
	limits Limits
	now    uint64
	lanes  map[string]*lane
	flows  map[flowKey]*flow
	queues map[queueKey]*queue
	slots  map[string]*slot
	ready  [classes]list.List // of flows with admitted queues
	later  heapOf[*queue]
	paused heapOf[*lane]
	ending heapOf[*lane] // paused ones with jobs that expire
	turn   int
}

type flowKey struct {
	class int
	name  string
}

type queueKey struct {
	flow *flow
	lane *lane
}

func newLineup(kind JobKind, limits Limits, now uint64) *lineup {
	return &lineup{
		kind: kind, limits: limits, now: now,
		lanes: make(map[string]*lane), flows: make(map[flowKey]*flow),
		queues: make(map[queueKey]*queue), slots: make(map[string]*slot),
		later:  heapOf[*queue]{less: earlierQueue, place: placeOfQueue},
		paused: heapOf[*lane]{less: earlierLane, place: placeOfLane},
		ending: heapOf[*lane]{less: endsEarlier, place: placeOfEnd},
	}
}

// add puts a job into its queue.
func (u *lineup) add(it item) *waitingJob {
	q := u.queue(it)
	w := &waitingJob{id: it.id, due: it.due, expires: it.expires, queue: q, place: absent, urgency: absent}
	q.jobs.put(w)
	q.lane.jobs++
	if w.expires > 0 {
		q.expiring.put(w)
		u.watch(q)
	}
	u.settle(q)
	return w
}

// remove takes a job out of its queue.
func (u *lineup) remove(w *waitingJob) {
	q := w.queue
	q.jobs.take(w)
	q.lane.jobs--
	q.expiring.take(w)
	u.watch(q)
	u.settle(q)
}

// watch sees to it that jobs of a queue end in their time.
func (u *lineup) watch(q *queue) {
	if q.expiring.Len() == 0 {
		q.lane.expiring.take(q)
	} else {
		q.lane.expiring.put(q)
	}
	u.watchLane(q.lane)
}

// watchLane sees to it that jobs of a lane end in their time while it is paused. When it
// is not, they take their turn as all do: their last attempt needs room like any.
func (u *lineup) watchLane(l *lane) {
	if l.until == 0 || l.expiring.Len() == 0 {
		u.ending.take(l)
		return
	}
	u.ending.put(l)
}

// settle brings a queue to where it belongs after its jobs changed.
func (u *lineup) settle(q *queue) {
	switch {
	case len(q.jobs.items) == 0:
		u.withdraw(q)
		u.forget(q)
	case q.due() > u.now:
		u.withdraw(q)
		u.later.put(q)
	case q.in == nil:
		u.later.take(q)
		u.admit(q)
	}
}

// withdraw takes a queue from where it stands, and what room it had.
func (u *lineup) withdraw(q *queue) {
	q.leave()
	if q.admitted {
		u.dismiss(q)
		u.giveBack(q.lane, q.flow)
	}
}

// admit gives a queue room, or has it wait for some.
func (u *lineup) admit(q *queue) {
	l, f := q.lane, q.flow
	if !l.waits() { // else wakeLane does it, which has the others go on as well
		u.refit(l)
	}
	s, blocked := l.obstacle()
	switch {
	case f.full():
		q.stand(&f.waiting)
	case blocked:
		q.stand(&l.waiting[f.class])
		l.waitFor(s)
	default:
		u.reserve(l, f)
		q.admitted = true
		l.admit(q)
		q.stand(&f.admitted)
		if f.ready == nil {
			f.ready = u.ready[f.class].PushBack(f)
		}
	}
}

// dismiss ends the admission of a queue that has left the list; its room is the
// caller's now.
func (u *lineup) dismiss(q *queue) {
	q.admitted = false
	delete(q.lane.admitted, q)
	f := q.flow
	if f.admitted.Len() == 0 && f.ready != nil {
		u.ready[f.class].Remove(f.ready)
		f.ready = nil
	}
}

func (u *lineup) reserve(l *lane, f *flow) {
	l.busy++
	f.busy++
	for _, s := range l.slots {
		s.busy++
	}
}

// giveBack ends the use of room, and gives it to those that wait for it: first
// to those of the widest slot, or a busy lane would keep its share for ever.
func (u *lineup) giveBack(l *lane, f *flow) {
	l.busy--
	f.busy--
	for _, s := range l.slots {
		s.busy--
	}
	for _, s := range slices.Backward(l.slots) {
		u.wakeSlot(s)
	}
	if l.probing {
		u.wakeLane(l)
	}
	u.wakeFlow(f)
	u.tidy(l, f)
}

// wakeSlot gives the room of a slot to the lanes that wait for it.
func (u *lineup) wakeSlot(s *slot) {
	for s.busy < s.width && s.waiting.Len() > 0 {
		l := s.waiting.Front().Value.(*lane)
		l.wake()
		u.wakeLane(l)
	}
}

// wakeLane admits queues of a lane as long as there is room.
func (u *lineup) wakeLane(l *lane) {
	u.refit(l)
	for l.waits() {
		s, blocked := l.obstacle()
		if blocked {
			l.waitFor(s)
			return
		}
		u.admit(l.next())
	}
	l.wake() // nobody is left who waits
}

func (u *lineup) wakeFlow(f *flow) {
	for !f.full() && f.waiting.Len() > 0 {
		q := f.waiting.Front().Value.(*queue)
		q.leave()
		u.admit(q)
	}
}

// advance looks at what has become due.
func (u *lineup) advance(now uint64) {
	u.now = now
	for {
		q, ok := u.later.first()
		if !ok || q.due() > now {
			break
		}
		u.later.take(q)
		u.admit(q)
	}
	for {
		l, ok := u.paused.first()
		if !ok || l.until > now {
			return
		}
		u.paused.take(l)
		l.until = 0
		u.watchLane(l)
		u.wakeLane(l)
		u.tidyLane(l)
	}
}

// pick takes the job whose turn it is out of its queue. One that is past its time in
// a lane that is paused takes no room, and no more than every other turn.
func (u *lineup) pick() (it item, l *lane, f *flow, ok bool) {
	ends, late := u.ending.first()
	late = late && ends.end() <= u.now
	f = u.nextFlow()
	switch {
	case late && (f == nil || u.turn%2 == 0):
		w := ends.expiring.items[0].expiring.items[0]
		it, f = w.item(), nil
		u.remove(w)
	case f != nil:
		it, l = u.takeFrom(f)
	default:
		return it, nil, nil, false
	}
	u.turn++ // only now: turns that nobody took would be somebody's loss
	return it, l, f, true
}

// nextFlow is the flow whose turn it is, or nil.
func (u *lineup) nextFlow() *flow {
	class := favoured(u.turn)
	if u.ready[class].Len() == 0 {
		class = 1 - class
	}
	first := u.ready[class].Front()
	if first == nil {
		return nil
	}
	return first.Value.(*flow)
}

// takeFrom takes the next job of a flow with the room that it was given. Queue
// and flow go to the end of their lines.
func (u *lineup) takeFrom(f *flow) (item, *lane) {
	q := f.admitted.Front().Value.(*queue)
	w, paced := q.next(u.now)
	it, l := w.item(), q.lane
	q.leave()
	u.dismiss(q)
	if f.ready != nil {
		u.ready[f.class].MoveToBack(f.ready)
	}
	if paced {
		l.setPace(flowKey{f.class, f.name}, q.pace().after(u.now))
	}
	u.remove(w)
	return it, l
}

// pause hands out no job of a lane before a time, and one at a time after it.
func (u *lineup) pause(name string, until uint64) {
	l := u.lane(name)
	l.until, l.probing = max(until, 1), true // 0 is no pause
	u.paused.put(l)
	u.watchLane(l)
	for q := range l.admitted {
		u.withdraw(q)
		u.admit(q)
	}
	u.advance(u.now)
}

// resume opens a lane.
func (u *lineup) resume(name string) {
	l := u.lanes[name]
	if l == nil {
		return
	}
	l.until, l.probing = 0, false
	u.paused.take(l)
	u.watchLane(l)
	u.wakeLane(l)
	u.tidyLane(l)
}

// next is when something becomes due, by itself.
func (u *lineup) next() (at uint64, ok bool) {
	sooner := func(t uint64) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if q, any := u.later.first(); any {
		sooner(q.due())
	}
	if l, any := u.paused.first(); any {
		sooner(l.until)
	}
	if l, any := u.ending.first(); any {
		sooner(l.end())
	}
	return at, ok
}
