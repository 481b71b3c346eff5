package steady

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bootIDFile holds a number that the kernel makes anew whenever it starts
// (random(4)).
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// sinceBoot is the clock of this start of the machine, and its name; "" if it
// cannot be read.
func sinceBoot() (elapsed func() time.Duration, boot string) {
	_, err := bootTime()
	if err != nil {
		return sinceStart(), ""
	}
	id, err := os.ReadFile(bootIDFile)
	if err != nil {
		id = nil
	}
	return func() time.Duration {
		d, _ := bootTime() // it did not fail above, and has no other way to
		return d
	}, strings.TrimSpace(string(id))
}

// bootTime is the time since the machine was started, sleep included
// (clock_gettime(2)).
func bootTime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano()), err
}
