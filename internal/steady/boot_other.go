//go:build !linux

package steady

import "time"

// sinceBoot is the clock of this process. It has no name: the next process
// begins at the wall clock.
func sinceBoot() (elapsed func() time.Duration, boot string) { return sinceStart(), "" }
