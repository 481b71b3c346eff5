//go:build !linux

package store

// expect and forget do nothing where they were not measured.
func expect([]byte) {}
func forget([]byte) {}
