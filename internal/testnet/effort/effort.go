// Package effort tells tests what work costs: the time of processors, which unlike
// that on the wall is the same however busy the machine is.
package effort

import (
	"syscall"
	"time"
)

// Since returns what the process has spent since the call, once for each call of
// what it returns. Work of others in the process counts as well.
func Since() (spent func() time.Duration) {
	before := spentByNow()
	return func() time.Duration { return spentByNow() - before }
}

func spentByNow() time.Duration {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	if err != nil {
		panic("effort: " + err.Error()) // it takes no argument that could be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
