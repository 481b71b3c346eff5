//go:build !race

package cms

// raceEnabled is true under the race detector, which slows everything down.
const raceEnabled = false
