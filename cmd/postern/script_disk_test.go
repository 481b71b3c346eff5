package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// mayMount reports whether the tests may mount file systems, which root may.
var mayMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "postern-mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	return os.Geteuid() == 0 && mount("-t", "tmpfs", "none", dir) == nil && exec.Command("umount", dir).Run() == nil
})

func mount(args ...string) error { return exec.Command("mount", args...).Run() }

// diskCondition is what scripts ask before they take a disk away.
func diskCondition(name string) (bool, error) {
	switch name {
	case "mount":
		return mayMount(), nil
	case "unwritable": // permissions do not bind root
		return os.Geteuid() != 0 || mayMount(), nil
	}
	return false, errors.New("no such condition")
}

// readonly DIR takes away the right to write in a folder: by a mount, or else by its
// permissions.
func scriptReadOnly(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: readonly dir")
	}
	dir := ts.MkAbs(args[0])
	if mayMount() {
		ts.Check(mount("--bind", dir, dir))
		ts.Defer(func() { unmount(ts, dir) })
		ts.Check(mount("-o", "remount,bind,ro", dir))
		return
	}
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode().Perm()&^0o222)
	}))
}

// small DIR makes a folder that is a disk of 2 MiB.
func scriptSmall(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: small dir")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o700))
	ts.Check(mount("-t", "tmpfs", "-o", "size=2m", "none", dir))
	ts.Defer(func() { unmount(ts, dir) })
}

func unmount(ts *testscript.TestScript, dir string) {
	err := exec.Command("umount", dir).Run()
	if err != nil {
		ts.Logf("unmounting %s: %v", dir, err)
	}
}

// fill FILE writes until the disk is full.
func scriptFill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fill file")
	}
	file, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		ts.Fatalf("filling the disk: %v", err)
	}
}
