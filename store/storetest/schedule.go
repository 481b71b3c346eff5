package storetest

import (
	"slices"
	"sync"
	"time"

	"postern/store"
)

// flow enqueues jobs that are due, of one flow and lane.
func (s *suite) flow(n int, flow, lane string) {
	s.Helper()
	for range n {
		s.enqueueOnly(store.Job{Kind: store.SealJob, Due: noon(), Flow: flow, Lane: lane})
	}
}

// flows are the flows of the next n jobs.
func (s *suite) flows(n int) (got string) {
	s.Helper()
	for range n {
		got += s.claim(store.SealJob).Flow
	}
	return got
}

func flowTurns(s *suite) {
	s.flow(50, "a", "x")
	s.flow(50, "b", "y")
	s.flow(1, "c", "x")
	first := s.flows(9)
	for _, f := range []string{"a", "b", "c"} {
		if n := count(first, f); n < 1 || n > 5 {
			s.Errorf("of the first jobs %d are of flow %s: %s", n, f, first)
		}
	}
}

func count(s, letter string) (n int) {
	for _, r := range s {
		if string(r) == letter {
			n++
		}
	}
	return n
}

func automaticTurns(s *suite) {
	s.flow(20, "o", "x")
	for range 20 {
		s.enqueueOnly(store.Job{Kind: store.SealJob, Due: noon(), Flow: "n", Lane: "x", Automatic: true})
	}
	got := s.flows(12)
	if n := count(got, "n"); n <= 6 || n == 12 {
		s.Errorf("of the first 12 jobs %d are notifications: %s", n, got)
	}
}

func limits(s *suite) {
	s.flow(5, "a", "x")
	s.flow(5, "b", "x")
	s.flow(5, "a", "y")
	s.Limit(store.SealJob, store.Limits{Flow: 3, Lane: func(lane string) []store.Slot { return []store.Slot{{Name: lane, Width: 4}} }})
	lanes, flows := make(map[string]int), make(map[string]int)
	var all []store.Job
	for range 5 { // at least; six if flow b comes before flow a in lane x
		j := s.claim(store.SealJob)
		all = append(all, j)
		lanes[j.Lane]++
		flows[j.Flow]++
	}
	if lanes["x"] > 4 || lanes["y"] > 4 || flows["a"] > 3 || flows["b"] > 3 {
		s.Errorf("jobs in work by lane: %v, by flow: %v", lanes, flows)
	}
	for _, j := range all {
		s.Release(j.ID)
	}
	for range 15 { // room that is given back is used again
		j := s.claim(store.SealJob)
		s.update(func(tx store.Tx) error { return tx.Finish(j.ID) })
		s.Release(j.ID)
	}
	s.sound()
}

func sharedSlot(s *suite) {
	s.Limit(store.SealJob, store.Limits{Lane: func(lane string) []store.Slot {
		return []store.Slot{{Name: lane, Width: 2}, {Name: "zone", Width: 3}}
	}})
	for _, lane := range []string{"x", "y", "z"} {
		s.flow(5, "a", lane)
	}
	got := ""
	var last store.Job
	for range 3 {
		last = s.claim(store.SealJob)
		got += last.Lane
	}
	s.nothingDue(store.SealJob)
	for range 9 { // nobody keeps the room for himself
		s.Release(last.ID)
		last = s.claim(store.SealJob)
		got += last.Lane
	}
	for _, lane := range []string{"x", "y", "z"} {
		if count(got, lane) < 2 {
			s.Errorf("lane %s had too little: %s", lane, got)
		}
	}
}

func movingLane(s *suite) {
	var slow sync.Map
	s.Limit(store.SealJob, store.Limits{Moving: true, Lane: func(lane string) []store.Slot {
		slots := []store.Slot{{Name: lane, Width: 1}, {Name: "host", Width: 3}}
		if _, ok := slow.Load(lane); ok {
			slots = slices.Insert(slots, 1, store.Slot{Name: "slow", Width: 1})
		}
		return slots
	}})
	for _, lane := range []string{"x", "y", "z"} {
		s.flow(5, "a", lane)
	}
	first := []store.Job{s.claim(store.SealJob), s.claim(store.SealJob), s.claim(store.SealJob)}
	slow.Store("x", true) // what is in work stays where it is
	slow.Store("y", true)
	s.nothingDue(store.SealJob)
	for _, j := range first {
		s.Release(j.ID)
	}
	second := []store.Job{s.claim(store.SealJob), s.claim(store.SealJob)}
	s.equal(count(second[0].Lane+second[1].Lane, "z"), 1) // and one of the slow
	s.nothingDue(store.SealJob)
	slow.Clear()
	for _, j := range second {
		s.Release(j.ID)
	}
	for range 3 {
		s.claim(store.SealJob)
	}
}

func pausedLane(s *suite) {
	s.Pause(store.SealJob, "x", time.Now().Add(time.Hour))
	s.flow(2, "a", "x")
	s.flow(1, "a", "y")
	s.equal(s.claim(store.SealJob).Lane, "y")
	s.nothingDue(store.SealJob)
	s.Resume(store.SealJob, "x")
	s.equal(s.flows(2), "aa")
	s.Resume(store.SealJob, "nobody's")
}

func laneWaits(s *suite) {
	s.Pause(store.SealJob, "x", time.Now().Add(time.Hour))
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon(), Lane: "x", Held: true})
	s.equal(s.Waits(store.SealJob, "x"), false)
	s.flow(1, "a", "x")
	s.equal(s.Waits(store.SealJob, "x"), true)
	s.equal(s.Waits(store.RelayJob, "x"), false)
	s.Resume(store.SealJob, "x")
	j := s.claim(store.SealJob)
	s.equal(s.Waits(store.SealJob, "x"), true)
	s.update(func(tx store.Tx) error { return tx.Finish(j.ID) })
	s.Release(j.ID)
	s.equal(s.Waits(store.SealJob, "x"), false)
}

func halfOpen(s *suite) {
	s.flow(5, "a", "x")
	s.Pause(store.SealJob, "x", time.Now().Add(20*time.Millisecond))
	j := s.claim(store.SealJob)
	s.nothingDue(store.SealJob)
	s.Release(j.ID) // it ended without telling anything
	s.claim(store.SealJob)
	s.nothingDue(store.SealJob)
	s.Resume(store.SealJob, "x")
	s.equal(s.flows(4), "aaaa")
}

func pacedFlow(s *suite) {
	s.flow(4, "a", "x")
	s.flow(1, "a", "y")
	s.flow(2, "b", "x")
	s.Pace(store.SealJob, "x", "a", time.Now().Add(time.Hour), time.Hour)
	s.equal(count(s.flows(3), "b"), 2) // and that of a in y
	s.nothingDue(store.SealJob)
	s.Limit(store.SealJob, store.Limits{}) // keeps it
	s.nothingDue(store.SealJob)
	s.Pace(store.SealJob, "x", "a", time.Now(), time.Hour)
	s.equal(s.flows(1), "a")
	s.nothingDue(store.SealJob) // one in each step
	s.Pace(store.SealJob, "x", "a", time.Time{}, 0)
	s.equal(s.flows(3), "aaa")
	s.Pace(store.SealJob, "x", "nobody", time.Now(), time.Hour)
}

func pastItsTime(s *suite) {
	s.Limit(store.SealJob, store.Limits{Flow: 1})
	s.flow(2, "a", "x")
	s.claim(store.SealJob)
	s.Pause(store.SealJob, "x", time.Now().Add(time.Hour))
	s.nothingDue(store.SealJob)
	want := s.enqueue(store.Job{Kind: store.SealJob, Due: noon(), Expires: noon().Add(time.Hour), Flow: "a", Lane: "x"})
	s.equal(s.claim(store.SealJob), want)
	s.enqueue(store.Job{Kind: store.SealJob, Due: time.Now().Add(time.Hour), Expires: noon(), Flow: "a", Lane: "x"})
	s.nothingDue(store.SealJob) // nothing is before it is due
}
