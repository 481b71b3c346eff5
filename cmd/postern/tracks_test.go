package main

import (
	"testing"
	"time"
)

func TestMomentsOfLists(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"":                     {},
		"2026-03-01":           time.Date(2026, 3, 1, 0, 0, 0, 0, zone),
		"2026-03-01T12:00:00Z": time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		"2h":                   now.Add(-2 * time.Hour),
		"90m":                  now.Add(-90 * time.Minute),
		"3d":                   now.AddDate(0, 0, -3),
		"0s":                   now,
	} {
		got, err := parseWhen("since", text, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-2h", "2026-13-01", "12:00", "d", "-3d", "3 d", "99999999999d"} {
		_, err := parseWhen("since", text, now)
		if err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzWhen(f *testing.F) {
	for _, text := range []string{"2026-03-01", "2026-03-01T12:00:00Z", "2h", "3d", "-1h", "65535d"} {
		f.Add(text)
	}
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseWhen("since", text, now)
		if err != nil && !at.IsZero() {
			t.Errorf("%q: %v with %v", text, at, err)
		}
	})
}
