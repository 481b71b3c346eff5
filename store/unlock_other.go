//go:build !unix

package store

import "os"

// lock does nothing where an open file cannot be replaced anyway.
func lock(*os.File) error { return nil }

// unlock does nothing where closing a file ends its lock.
func unlock(*os.File) error { return nil }
