package store

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A naive schedule is the promise of the real one, written down plainly.
type naive struct {
	now     uint64
	limits  Limits
	jobs    map[JobID]item // all that are not held
	claims  map[JobID]item // with what they were when they were claimed
	free    map[JobID]bool // claims that take no room
	until   map[string]uint64
	probing map[string]bool
	paces   map[queueName]flowPace
}

type queueName struct {
	lane, flow string
	automatic  bool
}

func nameOf(it item) queueName { return queueName{it.lane, it.flow, it.automatic} }

func newNaive() *naive {
	return &naive{
		now: 1, jobs: make(map[JobID]item), claims: make(map[JobID]item), free: make(map[JobID]bool),
		until: make(map[string]uint64), probing: make(map[string]bool), paces: make(map[queueName]flowPace),
	}
}

// over tells whether the time of a job is over.
func (n *naive) over(it item) bool { return it.expires > 0 && max(it.due, it.expires) <= n.now }

// late tells whether a job has to end although its lane is paused.
func (n *naive) late(it item) bool { return n.over(it) && n.until[it.lane] > n.now }

// unpaced tells whether a job has to end although its flow has a pace.
func (n *naive) unpaced(it item) bool { return n.over(it) && n.paces[nameOf(it)].from > 0 }

// may tells whether a job may be handed out.
func (n *naive) may(it item) bool {
	_, busy := n.claims[it.id]
	switch {
	case busy, it.due > n.now:
		return false
	case n.late(it):
		return true
	case n.until[it.lane] > n.now, n.paces[nameOf(it)].from > n.now && !n.unpaced(it):
		return false
	}
	flow, lane := 0, 0
	slots := make(map[string]int)
	for id, c := range n.claims {
		if n.free[id] {
			continue
		}
		if c.flow == it.flow && c.automatic == it.automatic {
			flow++
		}
		if c.lane == it.lane {
			lane++
		}
		for _, s := range n.slots(c.lane) {
			slots[s.Name]++
		}
	}
	for _, s := range n.slots(it.lane) {
		if slots[s.Name] >= s.Width {
			return false
		}
	}
	return !(n.probing[it.lane] && lane > 0) && (n.limits.Flow == 0 || flow < n.limits.Flow)
}

func (n *naive) slots(lane string) []Slot {
	if n.limits.Lane == nil {
		return nil
	}
	return n.limits.Lane(lane)
}

// first tells whether no job of the same queue goes before it.
func (n *naive) first(it item) bool {
	for _, other := range n.jobs {
		_, busy := n.claims[other.id]
		same := other.flow == it.flow && other.lane == it.lane && other.automatic == it.automatic
		if !busy && same && (other.due < it.due || other.due == it.due && other.id < it.id) {
			return false
		}
	}
	return true
}

// used are the lanes that have jobs, or some in work.
func (n *naive) used() map[string]bool {
	used := make(map[string]bool)
	for _, it := range n.claims {
		if !n.free[it.id] {
			used[it.lane] = true
		}
	}
	for id, it := range n.jobs {
		if _, busy := n.claims[id]; !busy {
			used[it.lane] = true
		}
	}
	return used
}

// tidy forgets what is known of a lane that nobody uses.
func (n *naive) tidy() {
	used := n.used()
	for of := range n.paces {
		if n.until[of.lane] <= n.now && !used[of.lane] {
			delete(n.paces, of)
		}
	}
	for lane := range n.probing {
		if n.until[lane] <= n.now && !used[lane] {
			delete(n.probing, lane)
		}
	}
}

// A player does the same to both.
type player struct {
	t      testing.TB
	real   schedule
	naive  *naive
	lastID JobID
	next   func(n int) int // the next choice of n
	moving map[string]bool // lanes that share one place beside what they share anyway; nil: none ever does
	ending bool            // and none of them moves any more
}

// moved are limits by which some lanes move to a narrower place, and back.
func (p *player) moved(l Limits) Limits {
	if p.moving == nil || l.Lane == nil {
		return l
	}
	fixed := l.Lane
	l.Moving = true
	l.Lane = func(lane string) []Slot {
		slots := fixed(lane)
		if p.moving[lane] {
			slots = append([]Slot{{"slow", 1}}, slots...)
		}
		return slots
	}
	return l
}

func (p *player) pickID(from map[JobID]item) (JobID, bool) {
	if p.lastID == 0 {
		return 0, false
	}
	id := JobID(1 + p.next(int(p.lastID)))
	_, ok := from[id]
	return id, ok
}

func (p *player) item(id JobID) item {
	it := item{
		id: id, kind: SealJob, due: p.naive.now + uint64(p.next(4)) - 1,
		lane: fmt.Sprintf("l%d", p.next(4)), flow: fmt.Sprintf("f%d", p.next(3)), automatic: p.next(4) == 0,
	}
	if p.next(5) == 0 {
		it.expires = p.naive.now + uint64(p.next(8))
	}
	return it
}

// Widths are narrow, so that all of them are met.
func playLimits() Limits {
	return Limits{Flow: 3, Lane: func(lane string) []Slot {
		if lane == "l0" {
			return nil
		}
		zone := Slot{"z1", 3}
		if lane == "l1" {
			zone = Slot{"z0", 1}
		}
		return []Slot{{lane, 2}, zone}
	}}
}

func (p *player) step() {
	p.real.at(p.naive.now)
	if p.moving != nil && p.next(4) == 0 {
		lane := fmt.Sprintf("l%d", p.next(4))
		p.moving[lane] = !p.moving[lane]
	}
	switch p.next(17) {
	case 0, 1, 2, 3:
		p.lastID++
		p.set(p.item(p.lastID))
	case 4, 5, 6, 7, 8:
		p.pick()
	case 9, 10:
		if id, ok := p.pickID(p.naive.claims); ok {
			p.release(id)
		}
	case 11:
		if id, ok := p.pickID(p.naive.jobs); ok {
			p.set(p.item(id))
		}
	case 12:
		if id, ok := p.pickID(p.naive.jobs); ok {
			p.real.remove(id)
			delete(p.naive.jobs, id)
		}
	case 13:
		p.naive.now += uint64(p.next(4))
		p.real.at(p.naive.now)
	case 14:
		lane := fmt.Sprintf("l%d", p.next(4))
		if p.next(3) == 0 {
			p.real.resume(SealJob, lane)
			delete(p.naive.until, lane)
			delete(p.naive.probing, lane)
			break
		}
		until := p.naive.now + uint64(p.next(6))
		p.real.pause(SealJob, lane, until)
		p.naive.until[lane], p.naive.probing[lane] = until, true
	case 16:
		p.pace()
	case 15:
		if p.next(8) > 0 {
			break
		}
		p.naive.limits = Limits{}
		if p.next(2) == 0 {
			p.naive.limits = playLimits()
		}
		p.real.limit(SealJob, p.moved(p.naive.limits))
	}
	if u := p.real.kinds[SealJob]; u != nil {
		u.advance(p.naive.now)
	}
	p.naive.tidy()
}

// pace sets the pace of a flow in a lane that is used, or ends it.
func (p *player) pace() {
	lane, flow := fmt.Sprintf("l%d", p.next(4)), fmt.Sprintf("f%d", p.next(3))
	var to flowPace
	if p.next(4) > 0 {
		to = flowPace{p.naive.now + uint64(p.next(6)), time.Duration(p.next(5))}
	}
	p.real.pace(SealJob, lane, flow, to)
	if !p.naive.used()[lane] && p.naive.until[lane] <= p.naive.now {
		return
	}
	for _, automatic := range []bool{false, true} {
		of := queueName{lane, flow, automatic}
		p.naive.paces[of] = to
		if to.from == 0 {
			delete(p.naive.paces, of)
		}
	}
}

func (p *player) set(it item) {
	p.real.set(it)
	p.naive.jobs[it.id] = it
}

func (p *player) release(id JobID) {
	p.real.release(id)
	delete(p.naive.claims, id)
	delete(p.naive.free, id)
}

// pick compares: a job is handed out exactly if there is one that may be. While lanes move
// it may have to wait though its lane has moved meanwhile, until somebody makes room.
func (p *player) pick() {
	p.t.Helper()
	it, ok := p.real.pick(SealJob)
	if !ok {
		for _, other := range p.naive.jobs {
			if p.naive.may(other) && (p.moving == nil || p.ending) {
				p.t.Fatalf("job %+v was not handed out", other)
			}
		}
		return
	}
	want, known := p.naive.jobs[it.id]
	switch {
	case !known || want != it:
		p.t.Fatalf("handed out %+v, want %+v", it, want)
	case !p.naive.may(it):
		p.t.Fatalf("handed out %+v, which must wait for %+v", it, p.naive)
	case !p.naive.late(it) && !p.naive.unpaced(it) && !p.naive.first(it):
		p.t.Fatalf("handed out %+v before its turn", it)
	}
	p.naive.claims[it.id] = it
	p.naive.free[it.id] = p.real.claims[it.id].lane == nil
	if to, ok := p.naive.paces[nameOf(it)]; ok && !p.naive.free[it.id] && !p.naive.unpaced(it) {
		p.naive.paces[nameOf(it)] = to.after(p.naive.now)
	}
}

// drain ends everything and looks whether anything is left behind.
func (p *player) drain() {
	p.ending = true
	for of := range p.naive.paces {
		p.real.pace(SealJob, of.lane, of.flow, flowPace{})
	}
	clear(p.naive.paces)
	for range 2 {
		for id := range p.naive.claims {
			p.release(id)
		}
		p.naive.now += 100
		p.real.at(p.naive.now)
		for range 100 * len(p.naive.jobs) {
			before := len(p.naive.claims)
			p.pick()
			if len(p.naive.claims) == before {
				break
			}
			for id := range p.naive.claims {
				p.real.remove(id)
				delete(p.naive.jobs, id)
				p.release(id)
			}
		}
	}
	for i := range 4 {
		p.real.resume(SealJob, fmt.Sprintf("l%d", i))
	}
	u := p.real.kind(SealJob)
	if len(p.naive.jobs)+len(p.real.jobs)+len(p.real.claims)+len(u.lanes)+len(u.flows)+len(u.queues)+len(u.slots) > 0 {
		p.t.Fatalf("left: %d jobs, %d lanes, %d flows, %d queues, %d slots", len(p.naive.jobs), len(u.lanes), len(u.flows), len(u.queues), len(u.slots))
	}
	if u.later.Len()+u.paused.Len()+u.ending.Len()+u.ready[0].Len()+u.ready[1].Len() > 0 {
		p.t.Fatal("something stands in a line of which there is nothing")
	}
}

func TestScheduleKeepsItsPromises(t *testing.T) {
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := &player{t: t, real: newSchedule(), naive: newNaive(), next: random.IntN}
		if seed%2 == 1 {
			p.moving = make(map[string]bool)
		}
		for range 400 {
			p.step()
		}
		p.drain()
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		choices = choices[:min(len(choices), 2000)]
		p := &player{t: t, real: newSchedule(), naive: newNaive()}
		p.next = func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := choices[0]
			choices = choices[1:]
			return int(c) % n
		}
		for len(choices) > 0 {
			p.step()
		}
		p.drain()
	})
}
