package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// canFillDisks says that disks can be made full here.
const canFillDisks = true

// A limited disk is an ordinary one on which a process may write no larger file.
type limited struct{}

func (limited) set(h *house, size uint64) {
	pid := h.pid()
	if pid != 0 {
		_ = unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil)
	}
}

func (d limited) full(h *house) {
	info, err := os.Stat(h.storeFile())
	if err == nil {
		d.set(h, uint64(info.Size()))
	}
}

func (d limited) free(h *house) { d.set(h, unix.RLIM_INFINITY) }

// A tmpfs is a file system of its own, filled by a file that nobody needs.
type tmpfs struct{ dir string }

func (d tmpfs) ballast() string { return filepath.Join(d.dir, "ballast") }

func (d tmpfs) full(*house) {
	file, err := os.Create(d.ballast())
	if err != nil {
		return
	}
	defer file.Close()
	block := make([]byte, 1<<16)
	for size := len(block); size >= 1<<12; size /= 2 {
		for err = nil; err == nil; {
			_, err = file.Write(block[:size])
		}
	}
}

func (d tmpfs) free(*house) { _ = os.Remove(d.ballast()) }

// tmpfsBytes is more than a run needs, however fast the machine is.
const tmpfsBytes = 2 << 30

// mountTmpfs gives a folder a file system of its own, if that is allowed.
func mountTmpfs(t testing.TB, dir string) (disk, bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil, false
	}
	err := unix.Mount("postern-chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%d", tmpfsBytes))
	if err != nil {
		t.Logf("a file system of its own is left out: %v", err)
		return nil, false
	}
	t.Cleanup(func() {
		err := unix.Unmount(dir, unix.MNT_DETACH)
		if err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return tmpfs{dir}, true
}
