//go:build unix

package main

import "syscall"

// processorTime is what this process has used of processors, in nanoseconds.
func processorTime() int64 {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	if err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
