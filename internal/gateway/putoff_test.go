package gateway

import (
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"postern/store"
)

// exactly is randomness that there is none of: waits are what they are.
var exactly = iotest.ErrReader(errors.New("no randomness"))

func TestAFullDiskDoesNotMakeWaitsLonger(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	job := store.Job{Attempts: 5, Expires: now.Add(time.Hour), Reason: "internal"}
	got := putOff(job, true, now, exactly)
	if got.Attempts != 5 || !got.Due.Equal(now.Add(firstRetry)) || got.Reason != "storage-full" {
		t.Errorf("full: attempt %d, due %v, %s", got.Attempts, got.Due, got.Reason)
	}
	got = putOff(job, false, now, exactly)
	if got.Attempts != 6 || !got.Due.Equal(now.Add(firstRetry<<5)) || got.Reason != "internal" {
		t.Errorf("otherwise: attempt %d, due %v, %s", got.Attempts, got.Due, got.Reason)
	}
}
