package main

import (
	"runtime"
	"testing"
)

func TestCollectLess(t *testing.T) {
	for set, want := range map[string]bool{"": true, "GOGC": false, "GOMEMLIMIT": false} {
		runtime.GC()
		var before, with runtime.MemStats
		runtime.ReadMemStats(&before)
		stop := collectLess(func(name string) string {
			if name == set {
				return "100"
			}
			return ""
		})
		runtime.ReadMemStats(&with)
		stop()
		if got := with.TotalAlloc >= before.TotalAlloc+spareMemory; got != want {
			t.Errorf("%q set: %d octets allocated, then %d", set, before.TotalAlloc, with.TotalAlloc)
		}
	}
}
