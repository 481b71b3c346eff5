//go:build testclock

package steady

import (
	"os"
	"strings"
	"time"
)

// testClockFile names the variable of the environment that names the file with
// the offset of the wall clock, such as "-1h". Only tests build with it.
const testClockFile = "POSTERN_TEST_CLOCK"

// Wall is the wall clock, stepped by what the file says at this moment. Without
// the file, or with something else in it, the clock is right.
func Wall() time.Time {
	text, err := os.ReadFile(os.Getenv(testClockFile))
	if err != nil {
		return time.Now()
	}
	offset, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return time.Now()
	}
	// Without the monotonic reading, as a step of the real one has none.
	return time.Now().Round(0).Add(offset)
}
