package store

import "slices"

// queue returns the queue of a job; a new one stands nowhere.
func (u *lineup) queue(it item) *queue {
	l, f := u.lane(it.lane), u.flow(classOf(it.automatic), it.flow)
	key := queueKey{f, l}
	q := u.queues[key]
	if q == nil {
		q = &queue{
			lane: l, flow: f, place: absent, endPlace: absent,
			jobs:     heapOf[*waitingJob]{less: byDue, place: placeInQueue},
			expiring: heapOf[*waitingJob]{less: byUrgency, place: placeOfUrgency},
		}
		u.queues[key] = q
		l.queues++
		f.queues++
	}
	return q
}

// forget drops an empty queue.
func (u *lineup) forget(q *queue) {
	u.later.take(q)
	delete(u.queues, queueKey{q.flow, q.lane})
	q.lane.queues--
	q.flow.queues--
	u.tidy(q.lane, q.flow)
}

func (u *lineup) flow(class int, name string) *flow {
	key := flowKey{class, name}
	f := u.flows[key]
	if f == nil {
		f = &flow{lineup: u, name: name, class: class}
		u.flows[key] = f
	}
	return f
}

func (u *lineup) lane(name string) *lane {
	l := u.lanes[name]
	if l == nil {
		l = &lane{name: name, place: absent, endPlace: absent, expiring: heapOf[*queue]{less: endsBefore, place: placeInLane}}
		u.lanes[name] = l
		if u.limits.Lane != nil {
			l.slots = u.slotsOf(u.limits.Lane(name))
		}
	}
	return l
}

// slotsOf returns each slot once.
func (u *lineup) slotsOf(all []Slot) []*slot {
	var slots []*slot
	for _, a := range all {
		s := u.slots[a.Name]
		if s == nil {
			s = &slot{name: a.Name, width: max(a.Width, 1)}
			u.slots[a.Name] = s
		}
		if !slices.Contains(slots, s) {
			s.lanes++
			slots = append(slots, s)
		}
	}
	return slots
}

// refit asks anew what a lane takes room in, if that may be another and it takes none.
func (u *lineup) refit(l *lane) {
	if !u.limits.Moving || u.limits.Lane == nil || l.busy > 0 {
		return
	}
	old := l.slots
	l.slots = u.slotsOf(u.limits.Lane(l.name))
	if !slices.Contains(l.slots, l.in) {
		l.wake()
	}
	u.drop(old)
}

// drop ends the use of slots by a lane.
func (u *lineup) drop(slots []*slot) {
	for _, s := range slots {
		s.lanes--
		if s.lanes == 0 {
			delete(u.slots, s.name)
		}
	}
}

func (u *lineup) tidy(l *lane, f *flow) {
	u.tidyLane(l)
	if f.busy == 0 && f.queues == 0 {
		delete(u.flows, flowKey{f.class, f.name})
	}
}

// tidyLane drops a lane that nobody uses. That it was to be tried with care goes
// with its last job.
func (u *lineup) tidyLane(l *lane) {
	if l.busy > 0 || l.queues > 0 || l.until > 0 || u.lanes[l.name] != l {
		return
	}
	delete(u.lanes, l.name)
	l.wake()
	u.drop(l.slots)
}
