package door

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What was sent is noted together: soon, when it is much, and when somebody must know.
func TestSentIsNotedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var notes [][]uint32
		s := &Sent{Note: func(ctx context.Context, uids []uint32) {
			if _, limited := ctx.Deadline(); !limited {
				t.Error("noting may take for ever")
			}
			mu.Lock()
			defer mu.Unlock()
			notes = append(notes, uids)
		}}
		equal := func(when string, want ...[]uint32) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, notes); diff != "" {
				t.Errorf("%s (-want +got)\n%s", when, diff)
			}
			notes = nil
		}
		s.Flush()
		s.Add(1)
		time.Sleep(sentTime / 2)
		s.Add(2)
		equal("at first")
		time.Sleep(sentTime/2 + time.Millisecond)
		equal("soon", []uint32{1, 2})
		s.Add(3)
		s.Flush()
		s.Flush()
		equal("flushed", []uint32{3})
		time.Sleep(2 * sentTime)
		equal("when all is noted")
		var many []uint32
		for uid := range uint32(sentMost) {
			s.Add(uid)
			many = append(many, uid)
		}
		equal("many", many)
	})
}
