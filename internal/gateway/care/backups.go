package care

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"postern/internal/audit"
	"postern/internal/gateway/task"
	"postern/store"
	"postern/trust/reason"
)

// Backups say where copies of the store go while it is in use. The zero Backups
// make none.
type Backups struct {
	// Dir is their folder. It is never made: a missing one may be a disk that is not
	// mounted.
	Dir   string
	Every time.Duration
	// Keep is how many copies stay; the oldest go when another is made.
	Keep int
}

// backups is what is known of the copies that this process made.
type backups struct {
	mu     sync.Mutex
	last   time.Time // of the newest copy, by its name; zero for none
	bytes  int64     // of the copy made last
	took   time.Duration
	made   uint64
	failed uint64
}

// The name of a copy tells when it was begun; while it is written it has partEnd
// as well.
const (
	backupBegin  = "postern-"
	backupEnd    = ".db"
	partEnd      = ".part"
	backupLayout = "20060102T150405Z"
)

// How long the schedule waits: after a copy failed, and for the clock at most, which
// may be set.
const (
	backupRetry = 5 * time.Minute
	backupLook  = time.Minute
)

func backupName(at time.Time) string {
	return backupBegin + at.UTC().Format(backupLayout) + backupEnd
}

// backupTime is when a copy of that name was made. Other files are none of ours.
func backupTime(name string) (time.Time, bool) {
	text, begins := strings.CutPrefix(name, backupBegin)
	text, ends := strings.CutSuffix(text, backupEnd)
	at, err := time.Parse(backupLayout, text)
	return at, begins && ends && err == nil && backupName(at) == name
}

// keepBackups makes a copy whenever the newest is old enough, until ctx is done.
func (k *Keeper) keepBackups(ctx context.Context) {
	if k.Backups.Dir == "" {
		return
	}
	for {
		wait := k.untilBackup()
		if wait <= 0 {
			err := task.Contained(func() error { return k.makeBackup(ctx) })
			if err == nil {
				continue
			}
			k.backupFailed(ctx, err)
			wait = min(backupRetry, k.Backups.Every)
		}
		if !task.Pause(ctx, wait) {
			return
		}
	}
}

// untilBackup is how long the next copy can wait.
func (k *Keeper) untilBackup() time.Duration {
	copies, err := k.listBackups()
	if err != nil {
		return 0 // whoever tries to write there learns what is wrong
	}
	var last time.Time
	if len(copies) > 0 {
		last = copies[len(copies)-1]
	}
	k.backups.mu.Lock()
	k.backups.last = last
	k.backups.mu.Unlock()
	return min(k.Backups.Every-k.Now().Sub(last), backupLook)
}

// listBackups returns the times of the copies, oldest first. One from the future
// was made while the clock was wrong: it tells nothing of when another is needed,
// and nobody knows whether it is old, so that it is left alone.
func (k *Keeper) listBackups() ([]time.Time, error) {
	now := k.Now()
	entries, err := os.ReadDir(k.Backups.Dir) // in the order of their names
	var copies []time.Time
	for _, e := range entries {
		at, ok := backupTime(e.Name())
		if ok && e.Type().IsRegular() && !at.After(now) {
			copies = append(copies, at)
		}
	}
	return copies, err
}

// makeBackup writes a copy under another name, proves that it can be opened and is
// whole, gives it its name and only then removes the oldest.
func (k *Keeper) makeBackup(ctx context.Context) error {
	began := k.Now()
	err := k.removeParts()
	if err != nil {
		return err
	}
	name := backupName(began)
	path := filepath.Join(k.Backups.Dir, name)
	_, err = os.Lstat(path)
	if err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	err = k.backupRoom(k.storeSize())
	if err != nil {
		return err
	}
	master := k.Store.MasterKeyID()
	bytes, err := k.writeBackup(ctx, path+partEnd)
	if errors.Is(err, store.ErrMasterKey) && k.Store.MasterKeyID() != master {
		// The master key was changed meanwhile: nobody may have the one of this copy.
		err = os.Remove(path + partEnd)
		if err == nil {
			bytes, err = k.writeBackup(ctx, path+partEnd)
		}
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(path+partEnd)))
	}
	err = errors.Join(os.Rename(path+partEnd, path), syncFolder(k.Backups.Dir))
	if err != nil {
		return err
	}
	took := k.Now().Sub(began)
	k.backups.mu.Lock()
	k.backups.last, k.backups.bytes, k.backups.took = began, bytes, took
	k.backups.made++
	k.backups.mu.Unlock()
	k.Log.Info("backup made", "file", path, "bytes", bytes, "took", took)
	k.removeOldBackups()
	err = k.record(ctx, audit.Record{Actor: audit.System, Action: audit.Backup, Object: name, Detail: fmt.Sprintf("%d bytes", bytes)})
	if err != nil {
		k.Log.Error("a backup that was made cannot be recorded", "file", path, "err", err)
	}
	return nil
}

// writeBackup writes a copy to a new file and verifies it as it is on the disk.
func (k *Keeper) writeBackup(ctx context.Context, path string) (int64, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	bytes, err := k.Store.Backup(ctx, &aside{ctx: ctx, to: f, room: k.backupRoom})
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return 0, err
	}
	report, err := k.Store.Verify(ctx, path)
	if err != nil {
		return 0, err
	}
	if report.Differing > 0 {
		k.Log.Warn("rows of the store are not as the audit trail says: run postern audit verify", "rows", report.Differing)
	}
	if report.Miscounted > 0 {
		k.Log.Warn("numbers of the store are not what is counted: run postern store check", "numbers", report.Miscounted)
	}
	return bytes, report.Damaged("the copy")
}

// removeParts removes the copies that a crash left unfinished.
func (k *Keeper) removeParts() error {
	entries, err := os.ReadDir(k.Backups.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, part := strings.CutSuffix(e.Name(), partEnd)
		_, ours := backupTime(name)
		if !part || !ours {
			continue
		}
		err := os.Remove(filepath.Join(k.Backups.Dir, e.Name()))
		if err != nil {
			return err
		}
	}
	return nil
}

// removeOldBackups removes the oldest copies beyond those that stay. It is called
// only after another was made, so that failures never cost a good one.
func (k *Keeper) removeOldBackups() {
	copies, err := k.listBackups()
	if err != nil {
		k.Log.Warn("old backups cannot be listed", "err", err)
		return
	}
	for len(copies) > max(k.Backups.Keep, 1) {
		path := filepath.Join(k.Backups.Dir, backupName(copies[0]))
		err := os.Remove(path)
		if err != nil {
			k.Log.Warn("an old backup cannot be removed", "file", path, "err", err)
			return
		}
		copies = copies[1:]
	}
}

// backupFailed tells of a copy that was not made.
func (k *Keeper) backupFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // the gateway stops
	}
	k.backups.mu.Lock()
	k.backups.failed++
	k.backups.mu.Unlock()
	k.Log.Error("backup failed; it is tried again", "dir", k.Backups.Dir, "err", err)
	code := reason.Internal
	if errors.Is(err, store.ErrFull) || errors.Is(err, syscall.ENOSPC) {
		code = reason.StorageFull
	}
	err = k.record(ctx, audit.Record{Actor: audit.System, Action: audit.Backup, Reason: code.String(), Detail: "not made"})
	if err != nil {
		k.Log.Warn("the audit trail cannot be written", "err", err)
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
