//go:build testclock

package steady

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestOffsetOfTheTestClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "offset")
	t.Setenv(testClockFile, file)
	for text, want := range map[string]time.Duration{"": 0, "1h\n": time.Hour, "-1h": -time.Hour, "soon": 0} {
		err := os.WriteFile(file, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if d := Wall().Sub(time.Now().Round(0)) - want; d.Abs() > time.Minute {
			t.Errorf("%q: %s off", text, d)
		}
	}
	c := New()
	before := c.Now()
	err := os.WriteFile(file, []byte("5h"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Now().Sub(before); d > time.Minute {
		t.Errorf("the steady clock went along by %s", d)
	}
}
