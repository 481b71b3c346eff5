package store

import "container/list"

// A class is a rank among the jobs of a kind.
const (
	automaticClass = iota // notifications
	otherClass
	classes
)

func classOf(automatic bool) int {
	if automatic {
		return automaticClass
	}
	return otherClass
}

// favoured is the class that goes first: of four turns three are those of
// notifications and one is the others', so that neither waits for ever.
func favoured(turn int) int {
	if turn%4 == 3 {
		return otherClass
	}
	return automaticClass
}

// A queue holds the jobs of one flow in one lane. It stands in one place: with
// those that are to be due later, admitted in its flow, or waiting for room in
// its lane or its flow.
type queue struct {
	lane     *lane
	flow     *flow
	jobs     heapOf[*waitingJob] // never empty
	expiring heapOf[*waitingJob] // those of them with an end
	admitted bool                // its next job has its room
	in       *list.List          // of its flow or lane; nil while it is among the later ones
	at       *list.Element
	place    int32 // among the later ones
	endPlace int32 // in its lane, among those with jobs that expire
}

func (q *queue) pace() flowPace { return q.lane.paces[flowKey{q.flow.class, q.flow.name}] }

// due is when its next job may go. What is past its time waits for no pace: it is tried
// no more, and whoever sent it is told.
func (q *queue) due() uint64 {
	pace := q.pace()
	due := max(q.jobs.items[0].due, pace.from)
	if pace.from > 0 && q.expiring.Len() > 0 {
		due = min(due, q.end())
	}
	return due
}

// end is when the first of its jobs is past its time.
func (q *queue) end() uint64 { return q.expiring.items[0].urgent() }

// next is the job that goes next, and whether it keeps to a pace.
func (q *queue) next(now uint64) (w *waitingJob, paced bool) {
	paced = q.pace().from > 0
	if paced && q.expiring.Len() > 0 && q.end() <= now {
		return q.expiring.items[0], false
	}
	return q.jobs.items[0], paced
}

// stand puts a queue at the end of a list.
func (q *queue) stand(in *list.List) { q.in, q.at = in, in.PushBack(q) }

// leave takes it out of the list that it stands in.
func (q *queue) leave() {
	if q.in != nil {
		q.in.Remove(q.at)
		q.in, q.at = nil, nil
	}
}

// A flow is whose jobs its queues hold.
type flow struct {
	lineup   *lineup
	name     string
	class    int
	busy     int           // jobs admitted or in work
	queues   int           // how many there are
	admitted list.List     // of queues, in the order of their turns
	waiting  list.List     // of queues, for room in the flow
	ready    *list.Element // in the lineup, while a queue is admitted
}

func (f *flow) full() bool {
	width := f.lineup.limits.Flow
	return width > 0 && f.busy >= width
}

// A slot is room that lanes share.
type slot struct {
	name    string
	width   int
	busy    int
	lanes   int       // how many use it
	waiting list.List // of lanes
}

// A lane is what jobs wait for together.
type lane struct {
	name     string
	slots    []*slot
	busy     int // jobs admitted or in work
	jobs     int // that wait
	queues   int
	admitted map[*queue]struct{}
	waiting  [classes]list.List // of queues
	turn     int
	paces    map[flowKey]flowPace // of flows that are put off, and no others
	until    uint64               // it is paused; 0: it is not
	probing  bool                 // one job at a time
	place    int32                // among the paused
	expiring heapOf[*queue]       // that have jobs which expire
	endPlace int32                // among those paused that have some
	in       *slot                // that it waits for
	at       *list.Element
}

// obstacle tells what keeps the next job of a lane: a slot, or nil for the lane
// itself.
func (l *lane) obstacle() (s *slot, blocked bool) {
	if l.until > 0 || l.probing && l.busy > 0 {
		return nil, true
	}
	for _, s := range l.slots {
		if s.busy >= s.width {
			return s, true
		}
	}
	return nil, false
}

// admit notes a queue that has its room.
func (l *lane) admit(q *queue) {
	if l.admitted == nil {
		l.admitted = make(map[*queue]struct{})
	}
	l.admitted[q] = struct{}{}
}

func (l *lane) waits() bool { return l.waiting[automaticClass].Len()+l.waiting[otherClass].Len() > 0 }

// next takes the queue whose turn it is out of those that wait.
func (l *lane) next() *queue {
	class := favoured(l.turn)
	l.turn++
	if l.waiting[class].Len() == 0 {
		class = 1 - class
	}
	q := l.waiting[class].Front().Value.(*queue)
	q.leave()
	return q
}

// waitFor has a lane woken when a slot has room.
func (l *lane) waitFor(s *slot) {
	if l.in == s {
		return
	}
	l.wake()
	if s != nil {
		l.in, l.at = s, s.waiting.PushBack(l)
	}
}

func (l *lane) wake() {
	if l.in != nil {
		l.in.waiting.Remove(l.at)
		l.in, l.at = nil, nil
	}
}

// end is when the first of a lane's jobs is past its time.
func (l *lane) end() uint64 { return l.expiring.items[0].end() }

func earlierQueue(a, b *queue) bool { return a.due() < b.due() }

func placeOfQueue(q *queue) *int32 { return &q.place }

func earlierLane(a, b *lane) bool { return a.until < b.until }

func placeOfLane(l *lane) *int32 { return &l.place }

func endsEarlier(a, b *lane) bool { return a.end() < b.end() }

func placeOfEnd(l *lane) *int32 { return &l.endPlace }

func endsBefore(a, b *queue) bool { return a.end() < b.end() }

func placeInLane(q *queue) *int32 { return &q.endPlace }
