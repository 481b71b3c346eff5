package pop3

import "testing"

// A client that sends nothing but keywords makes no work for the collector by that.
func TestFindingACommandAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = commandOf("NOOP"); _ = commandOf("NOPE") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
