package testnet

import (
	"context"
	"testing"
	"time"
)

// lookEvery is how often something that is waited for is looked for.
const lookEvery = 20 * time.Millisecond

// Await looks whether something has come until it has, or ctx is done, and reports
// whether it came.
func Await(ctx context.Context, come func() bool) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !come() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Until waits for something that comes soon, or fails the test.
func Until(t testing.TB, come func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	if !Await(ctx, come) {
		t.Fatalf("testnet: what is waited for does not come within %v", readyWithin)
	}
}
