package store

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// crowd enqueues jobs of one body, lane and flow as told, in transactions of a
// thousand.
func (s *testStore) crowd(b *testing.B, n int, job func(i int) Job) {
	b.Helper()
	ctx := context.Background()
	w, err := s.NewBody(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Discard()
	var body BodyID
	for first := 0; first < n && err == nil; first += 1000 {
		err = s.Update(ctx, func(tx Tx) (err error) {
			if body == 0 {
				body, err = tx.PutBody(w)
			}
			for i := first; i < min(first+1000, n) && err == nil; i++ {
				j := job(i)
				j.Kind, j.Body = RelayJob, body
				_, err = tx.Enqueue(j)
			}
			return err
		})
	}
	if err != nil {
		b.Fatal(err)
	}
}

// perJob is how long it takes to enqueue, claim and finish a job, in microseconds.
func (s *testStore) perJob(b *testing.B) float64 {
	b.Helper()
	const jobs = 500
	ctx := context.Background()
	start := time.Now()
	for range jobs {
		s.crowd(b, 1, func(int) Job { return Job{Due: start, Lane: "alive.example", Flow: "c@a.example"} })
		j, err := s.Claim(ctx, RelayJob)
		if err == nil && j.Lane != "alive.example" {
			b.Fatalf("claimed a job of lane %s", j.Lane)
		}
		if err == nil {
			err = s.Update(ctx, func(tx Tx) error { return tx.Finish(j.ID) })
		}
		if err != nil {
			b.Fatal(err)
		}
		s.Release(j.ID)
	}
	return float64(time.Since(start).Microseconds()) / jobs
}

func benchLimits() Limits {
	return Limits{Flow: 64, Lane: func(lane string) []Slot { return []Slot{{lane, 8}, {"zone", 32}} }}
}

func heapInUse() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkB14_QueueDepth is a job's way through the queue while others wait for a
// lane that is paused: of one flow, or each of its own.
func BenchmarkB14_QueueDepth(b *testing.B) {
	for _, flows := range []int{1, 10_000} {
		for _, depth := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("waiting=%d/flows=%d", depth, flows), func(b *testing.B) {
				for b.Loop() {
					benchDepth(b, depth, flows)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func benchDepth(b *testing.B, depth, flows int) {
	s := newTestStore(b, Options{})
	s.Limit(RelayJob, benchLimits())
	empty := s.perJob(b)
	before := heapInUse()
	now := time.Now()
	s.Pause(RelayJob, "dead.example", now.Add(time.Hour))
	s.crowd(b, depth, func(i int) Job {
		return Job{Due: now, Expires: now.Add(24 * time.Hour), Lane: "dead.example", Flow: fmt.Sprintf("u%d@a.example", i%flows)}
	})
	b.ReportMetric((heapInUse()-before)/float64(depth), "heap-B/job")
	deep := s.perJob(b)
	start := time.Now()
	s.reopen(b)
	b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms-reopen")
	b.ReportMetric(empty, "us/job-empty")
	b.ReportMetric(deep, "us/job-deep")
	b.ReportMetric(empty/deep, "ratio")
}

// BenchmarkSchedule is the schedule alone: set, pick and release beside queues
// that wait for a paused lane.
func BenchmarkSchedule(b *testing.B) {
	for _, parked := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprintf("parked=%d", parked), func(b *testing.B) {
			s := newSchedule()
			s.at(10)
			s.limit(RelayJob, benchLimits())
			s.pause(RelayJob, "dead.example", 100)
			for i := range parked {
				s.set(item{id: JobID(i + 1), kind: RelayJob, lane: "dead.example", flow: fmt.Sprint(i), due: 1, expires: 50})
			}
			id := JobID(parked)
			for b.Loop() {
				id++
				s.set(item{id: id, kind: RelayJob, lane: "alive.example", flow: "c", due: 1, expires: 50})
				it, ok := s.pick(RelayJob)
				if !ok || it.id != id {
					b.Fatal(it, ok)
				}
				s.remove(id)
				s.release(id)
			}
		})
	}
}
