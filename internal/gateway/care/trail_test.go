package care

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/store"
)

// The keeper records start and end, signs what is an hour old and what the clock
// was set back behind, and tells each checkpoint to the log.
func TestTrail(t *testing.T) {
	s := newRig(t)
	s.Version = "1.2.3"
	keeper := &auditor{Keeper: s.Keeper}
	full := s.Store
	s.Store = fullStore{full}
	keeper.look(t.Context(), false)
	s.Store = full
	points := func() (n int) { return strings.Count(s.log.String(), "checkpoint=\"postern-audit-checkpoint-1 ") }
	look := func(last bool, want int) {
		t.Helper()
		keeper.look(t.Context(), last)
		if points() != want {
			t.Errorf("%d checkpoints are in the log, not %d", points(), want)
		}
	}
	deed := func() {
		t.Helper()
		err := s.record(t.Context(), audit.Record{Action: audit.Changed, Actor: audit.Operator(7)})
		if err != nil {
			t.Fatal(err)
		}
	}
	look(false, 1) // the start
	deed()
	look(false, 1)
	s.clock.Advance(audit.CheckpointAge)
	look(false, 2)
	look(false, 2)
	s.clock.Advance(-48 * time.Hour)
	deed()
	look(false, 3)
	s.clock.Advance(time.Minute)
	deed()
	look(false, 3)
	look(true, 4)
	equal(t, "records", s.trail(), []string{"system started serve", "operator:7 changed", "operator:7 changed", "operator:7 changed", "system stopped serve"})
	logged, err := audit.ReadCheckpoints(strings.NewReader(s.log.String()))
	if err != nil {
		t.Fatal(err)
	}
	s.view(func(tx store.Tx) error {
		report, err := tx.VerifyAudit(t.Context(), logged)
		if err == nil && (report.Problem != nil || report.Outside != 4) {
			err = errors.New(fmt.Sprint(report))
		}
		return err
	})
}
