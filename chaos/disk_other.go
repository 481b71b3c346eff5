//go:build !linux

package main

import "testing"

// canFillDisks says that disks cannot be made full here: that fault is left out.
const canFillDisks = false

// limited is a disk that is never full.
type limited struct{}

func (limited) full(*house) {}
func (limited) free(*house) {}

// mountTmpfs has no file system of its own to give.
func mountTmpfs(testing.TB, string) (disk, bool) { return nil, false }
