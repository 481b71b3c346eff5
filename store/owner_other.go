//go:build !unix

package store

// giveAway does nothing where files have no owner in the sense of Unix.
func giveAway(string) error { return nil }
