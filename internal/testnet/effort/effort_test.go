package effort_test

import (
	"testing"
	"time"

	"postern/internal/testnet/effort"
)

// Work is counted.
func TestSince(t *testing.T) {
	for spent := effort.Since(); spent() < 20*time.Millisecond; {
	}
}
