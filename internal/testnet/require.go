package testnet

import (
	"os"
	"os/exec"
	"testing"
)

// Require returns the path of a program of a real peer. Without it the test is
// skipped, loudly, and fails where the environment variable CI is set.
func Require(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	// Debian keeps daemons where an ordinary user's PATH does not look.
	path, err = exec.LookPath("/usr/sbin/" + program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("the peer %s is not installed", program)
	}
	t.Skipf("the peer %s is not installed", program)
	return ""
}
