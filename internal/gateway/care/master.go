package care

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/gateway/task"
	"postern/store"
)

// The master key changes in four steps, each durable before the next: the new key
// is written beside the old one, the store is sealed for it in one transaction, the
// old key gets another name, and the new one takes its name. Whatever moment a
// crash comes at, one of the two files opens the store, and the next opening of it
// finishes the change or puts the new key aside.

// nextMaster is the file of a master key that may be the store's in a moment.
const nextMaster = MasterFile + ".new"

// OldMasterPrefix begins the names of files with earlier master keys, which end
// in their ids. Copies of the store from before a change need them.
const OldMasterPrefix = MasterFile + ".old-"

// A Rotation is a change of the master key.
type Rotation struct {
	Old  string `json:"old"`  // the id of the key that was
	New  string `json:"new"`  // the id of the key that is
	Kept string `json:"kept"` // the file of the old key; "" if it was discarded
	// Older are the files with earlier keys that are still there, Kept among them.
	Older []string `json:"older"`
}

// Rotate gives the store a new master key, in the file of the old one. The
// old key is kept beside it, or discarded: then copies from before can no longer
// be read, unless somebody else keeps it. actor is for the audit trail. After an
// error nothing has changed, or the next try or opening of the store finishes.
func (k *Keeper) Rotate(ctx context.Context, actor string, discard bool) (Rotation, error) {
	for !k.rotating.TryLock() { // it is rare that two ask at once, and neither takes long
		if !task.Pause(ctx, 10*time.Millisecond) {
			return Rotation{}, fmt.Errorf("waiting for another change of the master key: %w", ctx.Err())
		}
	}
	defer k.rotating.Unlock()
	r, err := k.rotateMaster(ctx, actor, discard)
	if err != nil {
		return Rotation{}, fmt.Errorf("changing the master key: %w", err)
	}
	k.Log.Info("the master key was changed", "old", r.Old, "new", r.New, "kept", r.Kept)
	return r, nil
}

func (k *Keeper) rotateMaster(ctx context.Context, actor string, discard bool) (Rotation, error) {
	next, err := k.newMaster()
	if err != nil {
		return Rotation{}, err
	}
	if next.KeyID() != k.Store.MasterKeyID() { // otherwise an earlier change is to be finished
		err = k.Store.Rotate(ctx, next, audit.Record{
			Actor: actor, Action: audit.Changed, Object: "master key",
			Detail: fmt.Sprintf("from %s to %s", k.Store.MasterKeyID(), next.KeyID()),
		})
		if err != nil {
			return Rotation{}, err
		}
	}
	r, err := finishRotation(k.Dir, discard)
	if err != nil {
		return r, err
	}
	entries, _ := os.ReadDir(k.Dir) // the change is made: what cannot be listed is not told
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), OldMasterPrefix) {
			r.Older = append(r.Older, filepath.Join(k.Dir, e.Name()))
		}
	}
	return r, nil
}

// newMaster writes a new master key, or takes the one that an earlier try wrote:
// nobody knows for certain that the store is not sealed for that one.
func (k *Keeper) newMaster() (*store.MasterKey, error) {
	path := filepath.Join(k.Dir, nextMaster)
	_, err := os.Lstat(path)
	if err == nil {
		return store.FileMasterKey(path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key := store.NewMasterKey()
	err = store.WriteMasterKey(path, key)
	if err != nil {
		return nil, errors.Join(err, ignoreMissing(os.Remove(path))) // nothing is sealed for it
	}
	return key, nil
}

// finishRotation gives the files their names when the store is sealed for the new
// master key.
func finishRotation(dir string, discard bool) (r Rotation, err error) {
	path, next := filepath.Join(dir, MasterFile), filepath.Join(dir, nextMaster)
	old, err := store.FileMasterKey(path)
	if err != nil {
		return r, err
	}
	key, err := store.FileMasterKey(next)
	if err != nil {
		return r, err
	}
	r.Old, r.New = old.KeyID(), key.KeyID()
	if !discard {
		r.Kept, err = linkOlder(dir, path, old)
		if err != nil {
			return r, err
		}
	}
	err = os.Rename(next, path)
	if err != nil {
		return r, err
	}
	return r, syncFolder(dir)
}

// linkOlder gives the file of a master key a second name, among the older ones.
func linkOlder(dir, path string, key *store.MasterKey) (string, error) {
	older := filepath.Join(dir, OldMasterPrefix+key.KeyID())
	err := os.Link(path, older)
	if err != nil && !errors.Is(err, fs.ErrExist) { // of a try that a crash ended
		return "", fmt.Errorf("keeping an old master key: %w", err)
	}
	return older, syncFolder(dir)
}

// keepNext has the key of a change that was broken off among the older ones as
// well: this store is not sealed for it, but one that was replaced may be.
func keepNext(dir string) error {
	next := filepath.Join(dir, nextMaster)
	key, err := store.FileMasterKey(next)
	if err != nil {
		return nil // there is none, or a crash came while it was written
	}
	_, err = linkOlder(dir, next, key)
	return err
}

// dropNext ends a change that was broken off. No key is ever removed, not even one
// that cannot be read at this moment.
func dropNext(dir string) error {
	next := filepath.Join(dir, nextMaster)
	_, err := store.FileMasterKey(next)
	if err != nil {
		return ignoreMissing(os.Rename(next, filepath.Join(dir, OldMasterPrefix+"unreadable")))
	}
	err = keepNext(dir)
	if err != nil {
		return err
	}
	return os.Remove(next)
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openWithMaster opens the store under its master key, and ends a change of it that
// was broken off: where the store is sealed for the new key that one takes its
// place, and otherwise it is put aside.
func openWithMaster(dir string, o store.Options) (*store.DB, error) {
	path, next := filepath.Join(dir, StoreFile), filepath.Join(dir, nextMaster)
	master, err := masterFile(filepath.Join(dir, MasterFile))
	if err != nil {
		return nil, err
	}
	o.MasterKey = master
	db, err := store.Open(path, o)
	_, missing := os.Lstat(next)
	switch {
	case missing != nil, err == nil && db.Unwritable() != nil: // the change can wait
		return db, err
	case err == nil:
		err = dropNext(dir)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return db, nil
	case !errors.Is(err, store.ErrMasterKey):
		return nil, err
	}
	o.MasterKey, err = masterFile(next)
	if err != nil {
		return nil, err
	}
	db, err = store.Open(path, o)
	if err != nil || db.Unwritable() != nil {
		return db, err
	}
	_, err = finishRotation(dir, false)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// masterFile reads a master key; errors are ErrMasterFile.
func masterFile(path string) (*store.MasterKey, error) {
	key, err := store.FileMasterKey(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterFile, err)
	}
	return key, nil
}
