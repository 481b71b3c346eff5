package store

import (
	"context"
	"fmt"

	"postern/internal/audit"
)

// Findings are what Check found that is no damage: see accept.
type findings struct {
	rows   []rowID // that are not as the audit trail says: see compareRows
	counts []miscount
}

// A miscount is a number that is kept beside what it counts, and is not that. All are
// kept in memory, of at most one for each body and mailbox.
type miscount struct {
	name, text string
	set        func(*tx) error // to what was counted
}

// miscounted tells of a number that is wrong where nothing else need be.
func (c *checker) miscounted(name string, set func(*tx) error, format string, args ...any) {
	c.report.Miscounted++
	c.found.counts = append(c.found.counts, miscount{name, fmt.Sprintf(format, args...), set})
}

// tellCounts are the problems that miscounts are, as many as are told.
func (c *checker) tellCounts() (told []string) {
	all := c.found.counts
	for _, m := range all[:min(len(all), audit.MaxDifferences)] {
		told = append(told, m.text)
	}
	if more := len(all) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("%d more numbers are not what is counted", more))
	}
	return told
}

// recount sets numbers to what was counted, before anything else changes it. A body that
// nothing refers to goes.
func (db *DB) recount(ctx context.Context, all []miscount) error {
	err := inSteps(ctx, db, all, func(t *tx, m miscount) error { return m.set(t) })
	if err != nil {
		return fmt.Errorf("counting anew: %w", err)
	}
	return nil
}
