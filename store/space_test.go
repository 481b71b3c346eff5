package store

import (
	"math"
	"testing"
)

func TestSpaceOfAFolder(t *testing.T) {
	space, err := SpaceOf(t.TempDir())
	if err != nil || space.Free <= 0 || space.ReadOnly {
		t.Errorf("%+v, %v", space, err)
	}
	_, err = SpaceOf(t.TempDir() + "/absent")
	if err == nil {
		t.Error("a folder that is not there has space")
	}
	wantError(t, needSpace(t.TempDir(), math.MaxInt64), ErrFull)
}

// jobIDs are those of all jobs.
func (s *testStore) jobIDs(t testing.TB) (all []JobID) {
	t.Helper()
	wantError(t, s.View(t.Context(), func(tx Tx) error {
		return tx.EachJob(1, func(j Job) bool { all = append(all, j.ID); return true })
	}), nil)
	return all
}

func (s *testStore) finish(t testing.TB, id JobID) {
	t.Helper()
	wantError(t, s.Update(t.Context(), func(tx Tx) error { return tx.Finish(id) }), nil)
}

// What was deleted here and there, in pieces that no chunk fits into, is no run; in one
// piece it is. bbolt chooses anew in every run where it puts the few dozen pages that
// stay, so that chunks of the usual size might find hardly a piece that is long enough;
// for these it takes more pages than there are to break them all up.
func TestReusableCountsWhatHoldsAChunk(t *testing.T) {
	s := newTestStore(t, Options{chunkSize: 64 << 10})
	for range 300 {
		s.add(t, make([]byte, 9<<10))
	}
	jobs, before := s.jobIDs(t), s.Reusable()
	for i := 0; i < len(jobs); i += 2 {
		s.finish(t, jobs[i])
	}
	half := s.Reusable()
	if half.Runs > before.Runs+256<<10 || half.All < before.All+1<<20 {
		t.Errorf("every second message gone: %+v, and %+v before", half, before)
	}
	for i := 1; i < len(jobs); i += 2 {
		s.finish(t, jobs[i])
	}
	if all := s.Reusable(); all.Runs < before.Runs+1<<20 {
		t.Errorf("all messages gone: %+v, and %+v before", all, before)
	}
}

// Runs that are written to are counted no longer, also where as much is deleted in small
// pieces meanwhile.
func TestReusableIsNeverTooMuch(t *testing.T) {
	s := newTestStore(t, Options{})
	for range 8 {
		s.add(t, make([]byte, 1<<20))
	}
	large := s.jobIDs(t)
	for range 600 {
		s.add(t, make([]byte, 9<<10))
	}
	small := s.jobIDs(t)[len(large):]
	for _, id := range large {
		s.finish(t, id)
	}
	if got := s.Reusable(); got.Runs < 4<<20 {
		t.Fatalf("large messages gone: %+v", got)
	}
	for len(small) > 40 {
		s.add(t, make([]byte, 256<<10))
		for range 20 {
			s.finish(t, small[0])
			small = small[2:]
		}
		real, err := s.freeRuns()
		if got := s.Reusable(); err != nil || got.Runs > real {
			t.Fatalf("%+v, and there are %d bytes in runs (%v)", got, real, err)
		}
	}
}
