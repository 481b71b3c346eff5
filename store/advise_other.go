//go:build !linux

package store

// forget does nothing where it was not measured.
func forget([]byte) {}
