//go:build !testclock

package steady

import "time"

// Wall is the wall clock: what people and certificates go by.
func Wall() time.Time { return time.Now() }
