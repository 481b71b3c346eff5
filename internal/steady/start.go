package steady

import "time"

// sinceStart counts from now by the monotonic clock of this process.
func sinceStart() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
