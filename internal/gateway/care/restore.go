package care

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"postern/internal/audit"
	"postern/internal/steady"
	"postern/store"
)

// Restore puts a copy of the store in its place, while no gateway runs. A copy
// that was made under an earlier master key needs that one: in a file that was
// kept beside the master key, or in keyFile. via and accept are those of store.RestoreOptions.
// Errors are those of store.Restore and ErrMasterFile. actor is for the audit trail.
func Restore(ctx context.Context, dir string, from, keyFile, via, actor string, accept bool) (store.Restoration, error) {
	master, err := masterFile(filepath.Join(dir, MasterFile))
	if err != nil {
		return store.Restoration{}, err
	}
	older, err := olderMasters(dir, keyFile)
	if err != nil {
		return store.Restoration{}, err
	}
	err = keepNext(dir) // before a crash can part the store that was here from its key
	if err != nil {
		return store.Restoration{}, err
	}
	r, err := store.Restore(ctx, filepath.Join(dir, StoreFile), from, store.RestoreOptions{
		Options: store.Options{MasterKey: master, Now: steady.Wall},
		Older:   older,
		Via:     via,
		Accept:  accept,
		Record:  audit.Record{Actor: actor, Action: audit.Restored, Object: filepath.Base(from)},
	})
	if err != nil {
		return store.Restoration{}, err
	}
	return r, dropNext(dir)
}

// CheckCopy checks a copy of the store without restoring it, under the master key in
// keyFile; if that is "", under that of the site in dir or one that was kept beside it.
// Errors are those of store.CheckCopy and ErrMasterFile.
func CheckCopy(ctx context.Context, dir string, from, keyFile string) (store.CheckReport, error) {
	name := keyFile
	if name == "" {
		name = filepath.Join(dir, MasterFile)
	}
	master, err := masterFile(name)
	if err != nil {
		return store.CheckReport{}, err
	}
	keys := []store.KeyWrapper{master}
	if keyFile == "" {
		older, err := olderMasters(dir, "")
		if err != nil {
			return store.CheckReport{}, err
		}
		keys = append(keys, older...)
	}
	return store.CheckCopy(ctx, from, keys...)
}

// olderMasters reads the master keys that a copy may be sealed for beside the
// present one.
func olderMasters(dir, keyFile string) ([]store.KeyWrapper, error) {
	files := []string{keyFile}
	if keyFile == "" {
		files = nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() == nextMaster || strings.HasPrefix(e.Name(), OldMasterPrefix) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	var keys []store.KeyWrapper
	for _, f := range files {
		key, err := masterFile(f)
		if err != nil && f == keyFile {
			return nil, err
		}
		if err == nil { // one that cannot be read opens nothing
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// Compact writes the store anew without its free space, while no gateway runs. via is
// that of store.Compact, and accept.
func Compact(ctx context.Context, dir, via, actor string, accept bool) (store.Compaction, error) {
	db, err := Open(ctx, dir, 0, slog.New(slog.DiscardHandler)) // which settles what a broken change of the master key left
	if err == nil {
		err = db.Close()
	}
	var elsewhere *store.ElsewhereError
	if err != nil && !errors.As(err, &elsewhere) {
		return store.Compaction{}, err
	}
	master, err := masterFile(filepath.Join(dir, MasterFile))
	if err != nil {
		return store.Compaction{}, err
	}
	return store.Compact(ctx, filepath.Join(dir, StoreFile), store.CompactOptions{
		Options: store.Options{MasterKey: master, Now: steady.Wall},
		Via:     via,
		Accept:  accept,
		Record:  audit.Record{Actor: actor, Action: audit.Changed, Object: "store"},
	})
}
