package store

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// enqueue stores jobs due at the times given, of one body.
func (s *testStore) enqueue(t testing.TB, kind JobKind, due ...time.Time) {
	t.Helper()
	ctx := context.Background()
	w, err := s.NewBody(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	err = s.Update(ctx, func(tx Tx) error {
		id, err := tx.PutBody(w)
		for _, d := range due {
			if err == nil {
				_, err = tx.Enqueue(Job{Kind: kind, Body: id, Due: d})
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestClaimWakesToTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore(t, Options{})
		start := time.Now()
		s.enqueue(t, SealJob, start.Add(5*time.Hour+7*time.Millisecond), start.Add(3*time.Second))
		for _, want := range []time.Duration{3 * time.Second, 5*time.Hour + 7*time.Millisecond} {
			_, err := s.Claim(context.Background(), SealJob)
			if err != nil || time.Since(start) != want {
				t.Errorf("claimed after %v, want %v (%v)", time.Since(start), want, err)
			}
		}
		s.Close()
	})
}

// A waiter for a job far away is served when a nearer one is enqueued.
func TestClaimTurnsToANearerJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore(t, Options{})
		start := time.Now()
		s.enqueue(t, SealJob, start.Add(30*time.Second))
		claimed := make(chan Job)
		go func() {
			j, _ := s.Claim(context.Background(), SealJob)
			claimed <- j
		}()
		synctest.Wait()
		s.enqueue(t, SealJob, start.Add(time.Second))
		j := <-claimed
		if j.ID != 2 || time.Since(start) != time.Second {
			t.Errorf("job %d after %v", j.ID, time.Since(start))
		}
		s.Close()
	})
}

// B14: a queue of jobs that are not due costs nothing to claim beside.
func BenchmarkB14_QueueDepth(b *testing.B) {
	s := newTestStore(b, Options{})
	work := func() {
		s.enqueue(b, SealJob, time.Now())
		j, err := s.Claim(context.Background(), SealJob)
		if err != nil {
			b.Fatal(err)
		}
		err = s.Update(context.Background(), func(tx Tx) error { return tx.Finish(j.ID) })
		s.Release(j.ID)
		if err != nil {
			b.Fatal(err)
		}
	}
	perJob := func() float64 {
		start := time.Now()
		for range 500 {
			work()
		}
		return float64(time.Since(start).Microseconds()) / 500
	}
	for b.Loop() {
		empty := perJob()
		far := make([]time.Time, 10_000)
		for i := range far {
			far[i] = time.Now().Add(time.Hour + time.Duration(i)*time.Second)
		}
		for range 10 {
			s.enqueue(b, SealJob, far...)
		}
		deep := perJob()
		start := time.Now()
		s.reopen(b)
		b.ReportMetric(empty, "us/job-empty")
		b.ReportMetric(deep, "us/job-100k")
		b.ReportMetric(empty/deep, "ratio")
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms-reopen")
	}
	b.ReportMetric(0, "ns/op")
}
