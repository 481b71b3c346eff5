package main

import "runtime"

// spareMemory is how many bytes of garbage there may be beyond as many as are in
// use. A gateway has little in use and makes half a MiB of garbage with each
// message: without it the collector would run for every few of them, which takes
// a fifth of the processor.
const spareMemory = 32 << 20

// collectLess has garbage collected less often, until the function that it
// returns is called, and not at all if the environment says how often it is to be
// collected. What it takes is never touched: for the collector it is in use, for
// the machine it is not there.
func collectLess(getenv func(string) string) (stop func()) {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	untouched := make([]byte, spareMemory)
	return func() { runtime.KeepAlive(untouched) }
}
