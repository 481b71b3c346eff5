package main

import (
	"testing"
	"time"

	"postern/internal/gateway"
	"postern/store"
)

// The secret before a hook's own is told of for as long as it signs.
func TestTheSecretBeforeIsToldWhileItSigns(t *testing.T) {
	until := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		until, now time.Time
		told       bool
	}{
		"never rotated": {time.Time{}, until, false},
		"its last hour": {until, until.Add(-time.Hour), true},
		"over":          {until, until, false},
		"long over":     {until, until.Add(1000 * time.Hour), false},
	} {
		got := secretBefore(gateway.HookInfo{Hook: store.Hook{PreviousUntil: c.until}}, c.now)
		if (got != "") != c.told {
			t.Errorf("%s: %q", name, got)
		}
	}
}
