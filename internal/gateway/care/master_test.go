package care

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/audit"
	"postern/store"
)

// Premises are those of a site whose store is opened by its files.
type premises struct {
	*testing.T
	dir string
}

func newPremises(t *testing.T) *premises {
	t.Helper()
	h := &premises{t, t.TempDir()}
	key := store.NewMasterKey()
	err := store.WriteMasterKey(h.path(MasterFile), key)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Create(h.path(StoreFile), store.Options{MasterKey: key})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *premises) path(name string) string { return filepath.Join(h.dir, name) }

// open opens the store and returns it with a keeper of it.
func (h *premises) open() (*Keeper, *store.DB) {
	h.Helper()
	db, err := Open(h.Context(), h.dir, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { db.Close() })
	return &Keeper{Store: db, Dir: h.dir, Log: slog.New(slog.DiscardHandler)}, db
}

// keys lists the files of master keys without the ids in their names.
func (h *premises) keys() []string {
	h.Helper()
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		h.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), MasterFile) {
			name, _, _ := strings.Cut(e.Name(), "-")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (h *premises) copyKey(to, from string) {
	h.Helper()
	text, err := os.ReadFile(h.path(from))
	if err == nil {
		err = os.WriteFile(h.path(to), text, 0o600)
	}
	if err != nil {
		h.Fatal(err)
	}
}

func TestRotate(t *testing.T) {
	h := newPremises(t)
	c, db := h.open()
	before := db.MasterKeyID()
	r, err := c.Rotate(t.Context(), audit.Operator(0), false)
	if err != nil {
		t.Fatal(err)
	}
	kept := h.path(OldMasterPrefix + before)
	want := Rotation{Old: before, New: db.MasterKeyID(), Kept: kept, Older: []string{kept}}
	if diff := cmp.Diff(want, r); diff != "" || before == r.New {
		t.Error(diff)
	}
	r, err = c.Rotate(t.Context(), audit.Operator(0), true)
	if err != nil || r.Kept != "" || !slices.Equal(r.Older, []string{kept}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if diff := cmp.Diff([]string{"master.key", "master.key.old"}, h.keys()); diff != "" {
		t.Error(diff)
	}
	db.Close()
	_, db = h.open()
	if db.MasterKeyID() != r.New {
		t.Errorf("the store is sealed for %s", db.MasterKeyID())
	}
}

// A process that dies between any two steps leaves a store that opens, under one
// master key in its place.
func TestRotationSurvivesACrash(t *testing.T) {
	rotated := func(h *premises) { // the store is sealed for the new key, the files are as before
		c, db := h.open()
		h.copyKey("saved", MasterFile)
		_, err := c.Rotate(h.Context(), audit.Operator(0), true)
		if err != nil {
			h.Fatal(err)
		}
		db.Close()
		h.copyKey(nextMaster, MasterFile)
		h.copyKey(MasterFile, "saved")
	}
	for name, tc := range map[string]struct {
		crash func(h *premises)
		keys  []string
	}{
		"while the new key is written": {func(h *premises) {
			err := os.WriteFile(h.path(nextMaster), []byte("postern-mas"), 0o600)
			if err != nil {
				h.Fatal(err)
			}
		}, []string{"master.key", "master.key.old"}},
		"before the store is sealed": {func(h *premises) {
			err := store.WriteMasterKey(h.path(nextMaster), store.NewMasterKey())
			if err != nil {
				h.Fatal(err)
			}
		}, []string{"master.key", "master.key.old"}},
		"before the old key has its name": {rotated, []string{"master.key", "master.key.old"}},
		"before the new key has its name": {func(h *premises) {
			rotated(h)
			key, err := store.FileMasterKey(h.path(MasterFile))
			if err == nil {
				err = os.Link(h.path(MasterFile), h.path(OldMasterPrefix+key.KeyID()))
			}
			if err != nil {
				h.Fatal(err)
			}
		}, []string{"master.key", "master.key.old"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newPremises(t)
			h.T = t
			tc.crash(h)
			_, db := h.open()
			if diff := cmp.Diff(tc.keys, h.keys()); diff != "" {
				t.Error(diff)
			}
			key, err := store.FileMasterKey(h.path(MasterFile))
			if err != nil || key.KeyID() != db.MasterKeyID() {
				t.Errorf("the store is sealed for %s, %v", db.MasterKeyID(), err)
			}
		})
	}
}

// A store whose commit fails keeps the file of the new key, for nobody knows; the
// next try takes that key.
func TestRotationThatFailsIsTriedAgain(t *testing.T) {
	h := newPremises(t)
	c, db := h.open()
	c.Store = unrotatable{db}
	_, err := c.Rotate(t.Context(), audit.Operator(0), false)
	if !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	next, err := store.FileMasterKey(h.path(nextMaster))
	if err != nil {
		t.Fatal(err)
	}
	c.Store = db
	r, err := c.Rotate(t.Context(), audit.Operator(0), false)
	if err != nil || r.New != next.KeyID() {
		t.Errorf("%+v, %v", r, err)
	}
}

type unrotatable struct{ store.Store }

func (unrotatable) Rotate(context.Context, store.KeyWrapper, ...audit.Record) error {
	return store.ErrFull
}

// A copy from before a change of the master key is restored with the key that was
// kept beside, or with one from elsewhere; without it, it is another site's.
func TestRestoreNeedsTheKeyOfItsTime(t *testing.T) {
	for name, tc := range map[string]struct {
		elsewhere bool // the old key is in another place
		named     bool // and named
		want      error
	}{
		"kept beside": {},
		"named":       {elsewhere: true, named: true},
		"nowhere":     {elsewhere: true, want: store.ErrMasterKey},
	} {
		t.Run(name, func(t *testing.T) {
			h := newPremises(t)
			c, db := h.open()
			copied, err := os.Create(filepath.Join(t.TempDir(), "copy.db"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Backup(t.Context(), copied)
			err = errors.Join(err, copied.Close())
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.Rotate(t.Context(), audit.Operator(0), false)
			if err != nil {
				t.Fatal(err)
			}
			db.Close()
			key := ""
			if tc.elsewhere {
				other := filepath.Join(t.TempDir(), "old.key")
				err := os.Rename(r.Kept, other)
				if err != nil {
					t.Fatal(err)
				}
				if tc.named {
					key = other
				}
			}
			_, err = Restore(t.Context(), h.dir, copied.Name(), key, "", audit.Operator(0), false)
			if !errors.Is(err, tc.want) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			_, db = h.open()
			if db.MasterKeyID() != r.New {
				t.Errorf("the store is sealed for %s", db.MasterKeyID())
			}
		})
	}
	h := newPremises(t)
	_, err := Restore(t.Context(), h.dir, "absent.db", h.path("absent.key"), "", audit.Operator(0), false)
	if !errors.Is(err, ErrMasterFile) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key that is not there: %v", err)
	}
}

func TestCompactOfASite(t *testing.T) {
	h := newPremises(t)
	_, db := h.open()
	_, err := Compact(t.Context(), h.dir, "", audit.Operator(0), false)
	if !errors.Is(err, store.ErrLocked) {
		t.Errorf("a store in use: %v", err)
	}
	db.Close()
	c, err := Compact(t.Context(), h.dir, "", audit.Operator(0), false)
	if err != nil || c.After == 0 {
		t.Errorf("%+v, %v", c, err)
	}
	h.open()
}

// A restore that ends after the files were changed and before all else leaves the
// key of the store that was here, though the change of it was broken off.
func TestRestoreKeepsTheKeyOfWhatItReplaces(t *testing.T) {
	h := newPremises(t)
	k, db := h.open()
	copied := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Backup(t.Context(), f)
	err = errors.Join(err, f.Close())
	if err != nil {
		t.Fatal(err)
	}
	h.copyKey("saved", MasterFile)
	r, err := k.Rotate(t.Context(), audit.Operator(0), true)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	h.copyKey(nextMaster, MasterFile) // as if it had been killed at its last step
	h.copyKey(MasterFile, "saved")
	_, err = Restore(t.Context(), h.dir, copied, "", "", audit.Operator(0), false)
	if err != nil {
		t.Fatal(err)
	}
	_, db = h.open()
	equal(t, "sealed for", db.MasterKeyID(), r.Old)
	key, err := store.FileMasterKey(h.path(OldMasterPrefix + r.New))
	if err != nil || key.KeyID() != r.New {
		t.Errorf("the key of the store that was here: %v", err)
	}
}

// What Restore does before it replaces the store keeps the key of a change that was
// broken off, whatever comes after; opening removes no key either.
func TestNoKeyIsEverRemoved(t *testing.T) {
	h := newPremises(t)
	key := store.NewMasterKey()
	err := store.WriteMasterKey(h.path(nextMaster), key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Restore(t.Context(), h.dir, "absent.db", "", "", audit.Operator(0), false)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, name := range []string{nextMaster, OldMasterPrefix + key.KeyID()} {
		_, err := store.FileMasterKey(h.path(name))
		if err != nil {
			t.Error(err)
		}
	}
	h.open()
	equal(t, "keys", h.keys(), []string{"master.key", "master.key.old"})
}

func TestRotationWaitsNoLongerThanItsContext(t *testing.T) {
	h := newPremises(t)
	k, _ := h.open()
	k.rotating.Lock()
	defer k.rotating.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.Rotate(ctx, audit.Operator(0), false)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
