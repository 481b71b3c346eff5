package care

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"postern/store"
)

// lookEvery is how many bytes of a copy are written between two looks at the space.
const lookEvery = 16 << 20

// backupPatience is how long a copy that is being made may hold up the end of a
// gateway: a target that does not answer never lets go.
const backupPatience = 5 * time.Second

// An aside writes beside its caller, who goes on when ctx is done even though the
// target does not answer: the snapshot that he copies must not outlive the gateway.
type aside struct {
	ctx     context.Context
	to      io.Writer
	room    func(bytes int64) error // for bytes that are still to be written
	written int64
	look    int64 // where the space is looked at next
}

// Write implements io.Writer.
func (a *aside) Write(p []byte) (int, error) {
	if a.written >= a.look {
		err := a.room(int64(len(p)))
		if err != nil {
			return 0, err
		}
		a.look += lookEvery
	}
	type result struct {
		n   int
		err error
	}
	p = bytes.Clone(p) // for a target that answers when the caller has gone
	done := make(chan result, 1)
	go func() {
		n, err := a.to.Write(p)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		a.written += int64(r.n)
		return r.n, r.err
	case <-a.ctx.Done():
		return 0, a.ctx.Err()
	}
}

// backupRoom refuses to write so many bytes where they do not fit. Beside the store
// itself its reserve stays, as far as it is not within the file: a copy takes nothing
// from the mail.
func (k *Keeper) backupRoom(bytes int64) error {
	var reserve int64
	space, err := store.SpaceOf(k.Backups.Dir)
	if k.DiskSpace != nil && sameDevice(filepath.Join(k.Dir, StoreFile), k.Backups.Dir) {
		reserve = max(k.DiskReserve-k.Store.Reusable().Runs, 0)
		space, err = k.DiskSpace()
	}
	if err != nil {
		return err
	}
	if space.Free < bytes+reserve {
		return fmt.Errorf("%w: %d bytes are free in %s, and a copy needs %d, with %d in reserve", store.ErrFull, space.Free, k.Backups.Dir, bytes, reserve)
	}
	return nil
}

// storeSize is about the size of a copy.
func (k *Keeper) storeSize() int64 {
	info, err := os.Stat(filepath.Join(k.Dir, StoreFile))
	if err != nil {
		return 0 // the copy itself will tell
	}
	return info.Size()
}

// sameDevice reports whether two folders are on one file system.
func sameDevice(a, b string) bool {
	device := func(path string) (uint64, bool) {
		info, err := os.Stat(path)
		if err != nil {
			return 0, false
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return 0, false
		}
		return uint64(s.Dev), true
	}
	first, known := device(a)
	second, both := device(b)
	return known && both && first == second
}

// BackupWarnings are what is unwise about a folder for the copies of the store in
// dir.
func BackupWarnings(dir, backups string) []string {
	if backups == "" {
		return nil
	}
	info, err := os.Stat(backups)
	switch {
	case err != nil:
		return []string{fmt.Sprintf("backup.dir: no copies are made while it is like this: %v", err)}
	case !info.IsDir():
		return []string{fmt.Sprintf("backup.dir: %s is no folder", backups)}
	case sameDevice(dir, backups):
		return []string{fmt.Sprintf("backup.dir: %s is on the disk of the store, and lost with it", backups)}
	}
	return nil
}
