//go:build !unix

package control

// restrict does nothing where files have no modes.
func restrict(uintptr) {}
