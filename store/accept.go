package store

import (
	"context"
	"fmt"
	"strings"

	"postern/internal/audit"
)

// acceptedNames are how many rows and how many numbers the detail of a record names; its
// rows are all.
const acceptedNames = 10

// accept writes a record of numbers that were counted anew, and of rows that were found to
// be other than the audit trail says: what is wrong with them cannot be undone, and must
// not cost what is beside them. With vouch the trail says from then on what they are,
// and since when it does; without it goes on saying what they were.
func (db *DB) accept(ctx context.Context, found findings, r audit.Record, vouch bool) error {
	r.Detail = found.detail(r.Detail, vouch)
	if !vouch {
		found.rows = nil
	}
	return db.update(ctx, func(t *tx) error {
		for _, id := range found.rows {
			sum, err := t.rowSum(id.bucket, []byte(id.key))
			if err != nil {
				return err
			}
			t.left.set(id.bucket, []byte(id.key), sum)
		}
		return t.Audit(r)
	})
}

// carry has the trail go on saying of rows what it does, whatever is done with them from
// here on.
func (db *DB) carry(ctx context.Context, rows []rowID) error {
	carried := make(map[rowID]bool, len(rows))
	for _, id := range rows {
		carried[id] = true
	}
	return db.update(ctx, func(t *tx) error { // where it is read
		t.db.carried = carried
		return nil
	})
}

// detail says in a record what it accepts.
func (f findings) detail(text string, vouch bool) string {
	what := "rows that are not as the trail says, and are left so"
	if vouch {
		what = "rows that were not as the trail said, and are taken as they are"
	}
	var counts, rows []string
	for _, m := range f.counts[:min(len(f.counts), acceptedNames)] {
		counts = append(counts, m.name)
	}
	for _, id := range f.rows[:min(len(f.rows), acceptedNames)] {
		rows = append(rows, rowName(id))
	}
	text += acceptance("numbers that were not what was counted, and are now", len(f.counts), counts) +
		acceptance(what, len(f.rows), rows)
	return strings.TrimPrefix(text, "; ")
}

// acceptance names some of what is accepted.
func acceptance(what string, n int, names []string) string {
	if n == 0 {
		return ""
	}
	text := fmt.Sprintf("; %s: %d: %s", what, n, strings.Join(names, ", "))
	if more := n - len(names); more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}
