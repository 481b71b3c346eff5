package store

import (
	"context"
	"fmt"
	"strings"

	"postern/internal/audit"
)

// acceptedNames are how many rows the detail of a record names; its rows are all.
const acceptedNames = 10

// accept writes a record of rows that were found to be other than the audit trail says.
// From then on the trail says what they are, and since when it does: what is wrong with
// them cannot be undone, and must not cost what is beside them.
func (db *DB) accept(ctx context.Context, differ []rowID, r audit.Record) error {
	if len(differ) > 0 {
		r.Detail = strings.TrimPrefix(r.Detail+"; "+acceptance(differ), "; ")
	}
	return db.update(ctx, func(t *tx) error {
		for _, id := range differ {
			sum, err := t.rowSum(id.bucket, []byte(id.key))
			if err != nil {
				return err
			}
			t.left.set(id.bucket, []byte(id.key), sum)
		}
		return t.Audit(r)
	})
}

// acceptance says in a record which rows it accepts.
func acceptance(differ []rowID) string {
	var names []string
	for _, id := range differ[:min(len(differ), acceptedNames)] {
		names = append(names, rowName(id))
	}
	text := fmt.Sprintf("rows that were not as the trail said, and are taken as they are: %d: %s", len(differ), strings.Join(names, ", "))
	if more := len(differ) - len(names); more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}
