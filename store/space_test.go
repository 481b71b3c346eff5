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

// What was deleted here and there, in pieces that no chunk fits into, is no space; in one
// piece it is.
func TestReusableCountsWhatHoldsAChunk(t *testing.T) {
	s := newTestStore(t, Options{})
	var jobs []JobID
	for range 300 {
		s.add(t, make([]byte, 9<<10))
	}
	wantError(t, s.View(t.Context(), func(tx Tx) error {
		return tx.EachJob(1, func(j Job) bool { jobs = append(jobs, j.ID); return true })
	}), nil)
	finish := func(from, step int) {
		t.Helper()
		for i := from; i < len(jobs); i += step {
			wantError(t, s.Update(t.Context(), func(tx Tx) error { return tx.Finish(jobs[i]) }), nil)
		}
	}
	full := s.Reusable()
	finish(0, 2)
	if now := s.Reusable(); now > full+256<<10 {
		t.Errorf("every second message gone: %d bytes, and %d before", now, full)
	}
	finish(1, 2)
	if now := s.Reusable(); now < full+1<<20 {
		t.Errorf("all messages gone: %d bytes, and %d before", now, full)
	}
}
