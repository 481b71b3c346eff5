package store

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
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

// The clock by which jobs are due may be set: what it skipped is due within a
// second, and what it took back is due when it comes.
func TestClaimFollowsAClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step atomic.Int64
		s := newTestStore(t, Options{Now: func() time.Time { return time.Now().Add(time.Duration(step.Load())) }})
		s.enqueue(t, SealJob, time.Now().Add(time.Hour), time.Now().Add(2*time.Hour))
		claimed := make(chan time.Time, 2)
		for range 2 {
			go func() {
				_, err := s.Claim(context.Background(), SealJob)
				if err == nil {
					claimed <- time.Now()
				}
			}()
		}
		time.Sleep(10 * time.Minute)
		set := time.Now()
		step.Store(int64(time.Hour))
		if took := (<-claimed).Sub(set); took > time.Second {
			t.Errorf("claimed %v after the clock was set forward", took)
		}
		step.Store(0)
		synctest.Wait()
		set = time.Now()
		if took := (<-claimed).Sub(set); took < 109*time.Minute || took > 111*time.Minute {
			t.Errorf("claimed %v after the clock was set back", took)
		}
		s.Close()
	})
}

// A pause is of this process: after a restart a lane is tried again.
func TestAPauseEndsWithTheProcess(t *testing.T) {
	s := newTestStore(t, Options{})
	s.enqueue(t, SealJob, time.Now())
	s.Pause(SealJob, "", time.Now().Add(time.Hour))
	s.reopen(t)
	_, err := s.Claim(context.Background(), SealJob)
	if err != nil {
		t.Error(err)
	}
}

// What is damaged in the index of due times does not lose the job that it leads to.
func TestADamagedDueValueLosesNothing(t *testing.T) {
	s := newTestStore(t, Options{})
	s.enqueue(t, SealJob, time.Now())
	s.raw(t, func(tx *bolt.Tx) error {
		b := in(tx, bucketDue)
		k, _ := b.Cursor().First()
		return b.Put(bytes.Clone(k), []byte("?"))
	})
	if len(s.problems(t)) != 1 {
		t.Errorf("problems: %q", s.problems(t))
	}
	s.reopen(t)
	j, err := s.Claim(context.Background(), SealJob)
	if err != nil || j.ID != 1 {
		t.Errorf("claimed job %d, %v", j.ID, err)
	}
	err = s.Update(context.Background(), func(tx Tx) error { return tx.Reschedule(j) })
	if err != nil {
		t.Fatal(err)
	}
	s.sound(t)
}

// A job whose record is damaged is handed out as an error once, and holds up
// nobody else of its lane.
func TestADamagedJobIsHandedOutOnce(t *testing.T) {
	s := newTestStore(t, Options{})
	s.Limit(SealJob, Limits{Lane: func(string) []Slot { return []Slot{{"one", 1}} }})
	s.enqueue(t, SealJob, time.Now(), time.Now())
	s.raw(t, func(tx *bolt.Tx) error { return in(tx, bucketJobs).Put(u64(1), []byte("{")) })
	_, err := s.Claim(context.Background(), SealJob)
	wantError(t, err, ErrCorrupt)
	j, err := s.Claim(context.Background(), SealJob)
	if err != nil || j.ID != 2 {
		t.Errorf("claimed job %d, %v", j.ID, err)
	}
}

func FuzzDueValue(f *testing.F) {
	f.Add(dueValue(item{lane: "b.example", flow: "a@a.example", automatic: true, expires: 7}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, v []byte) {
		var it item
		if readDueValue(v, &it) != nil {
			return
		}
		var again item
		err := readDueValue(dueValue(it), &again)
		if err != nil || again != it {
			t.Errorf("%+v became %+v, %v", it, again, err)
		}
	})
}
