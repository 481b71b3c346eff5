package care

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/store"
)

// newCareful is a rig that makes copies.
func newCareful(t *testing.T, keep int) *rig {
	t.Helper()
	r := newRig(t)
	r.Backups = Backups{Dir: t.TempDir(), Every: time.Hour, Keep: keep}
	return r
}

// files lists the folder of the copies.
func (c *rig) files() []string {
	c.t.Helper()
	entries, err := os.ReadDir(c.Backups.Dir)
	if err != nil {
		c.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (c *rig) put(names ...string) {
	c.t.Helper()
	for _, n := range names {
		err := os.WriteFile(filepath.Join(c.Backups.Dir, n), nil, 0o600)
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// Copies are whole stores; as many stay as should, and nothing is removed that does
// not have exactly the name of one. What a crash left is cleaned.
func TestBackupsAreKeptByTheirNames(t *testing.T) {
	c := newCareful(t, 2)
	others := []string{
		"postern-20260101T000000Z.db.old", "postern-20260101T000000.db", "postern-20261301T000000Z.db",
		"postern-latest.db", "postern.db", "postern-20200101T000000Z.db.parts", "x.part",
		"postern-20990101T000000Z.db", // of a wrong clock
	}
	c.put(others...)
	c.put("postern-20260531T000000Z.db", "postern-20260101T000000Z.db.part")
	for range 3 {
		err := c.makeBackup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.clock.Advance(time.Hour)
	}
	want := map[string]bool{"postern-20260601T130000Z.db": true, "postern-20260601T140000Z.db": true}
	for _, o := range others {
		want[o] = true
	}
	got := make(map[string]bool)
	for _, f := range c.files() {
		got[f] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	path := filepath.Join(c.Backups.Dir, "postern-20260601T140000Z.db")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	copied, err := store.Open(path, store.Options{MasterKey: c.key})
	if err != nil {
		t.Fatal(err)
	}
	copied.Close()
	if r := c.Stats(t.Context()); r.BackupsMade != 3 || r.BackupsFailed != 0 || r.BackupBytes != info.Size() || r.LastBackup != c.clock.Now().Add(-time.Hour) {
		t.Errorf("%+v", r)
	}
}

// unsound is a store whose copies come to nothing.
type unsound struct {
	store.Store
	backup func(w io.Writer) (int64, error)
	verify func() (store.CheckReport, error)
}

func (u unsound) Backup(ctx context.Context, w io.Writer) (int64, error) {
	if u.backup == nil {
		return u.Store.Backup(ctx, w)
	}
	return u.backup(w)
}

func (u unsound) Verify(ctx context.Context, path string) (store.CheckReport, error) {
	if u.verify == nil {
		return u.Store.Verify(ctx, path)
	}
	return u.verify()
}

// A copy that fails leaves those that are there, and nothing of itself.
func TestAFailedBackupRemovesNone(t *testing.T) {
	full := errors.New("no space left on device")
	for name, tc := range map[string]struct {
		spoil func(c *rig)
		want  error
	}{
		"a full target": {func(c *rig) {
			c.Store = unsound{Store: c.Store, backup: func(w io.Writer) (int64, error) { _, _ = w.Write([]byte("half")); return 4, full }}
		}, full},
		"a copy that cannot be read": {func(c *rig) {
			c.Store = unsound{Store: c.Store, verify: func() (store.CheckReport, error) { return store.CheckReport{}, store.ErrMasterKey }}
		}, store.ErrMasterKey},
		"a copy with faults": {func(c *rig) {
			c.Store = unsound{Store: c.Store, verify: func() (store.CheckReport, error) {
				return store.CheckReport{Problems: []string{"a body is missing"}, Damage: 1}, nil
			}}
		}, store.ErrCorrupt},
		"half a copy": {func(c *rig) {
			c.Store = unsound{Store: c.Store, backup: func(w io.Writer) (int64, error) { _, err := w.Write(make([]byte, 8192)); return 8192, err }}
		}, nil},
		"a copy of that name": {func(c *rig) { c.put("postern-20260601T120000Z.db") }, fs.ErrExist},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCareful(t, 1)
			c.put("postern-20260101T000000Z.db", "postern-20260102T000000Z.db")
			tc.spoil(c)
			before := c.files()
			err := c.makeBackup(t.Context())
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if diff := cmp.Diff(before, c.files()); diff != "" {
				t.Error(diff)
			}
		})
	}
	c := newCareful(t, 1)
	c.Backups.Dir = filepath.Join(c.Backups.Dir, "absent")
	err := c.makeBackup(t.Context())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	_, err = os.Stat(c.Backups.Dir)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the folder was made")
	}
}

// A spoiled store has copies that cannot be read, from some moment on.
type spoiled struct {
	store.Store
	broken atomic.Bool
}

func (s *spoiled) Verify(ctx context.Context, path string) (store.CheckReport, error) {
	if s.broken.Load() {
		return store.CheckReport{}, store.ErrMasterKey
	}
	return s.Store.Verify(ctx, path)
}

// The first copy is made at once if the newest is too old, the next when its time
// has come; a failure is told and tried again.
func TestBackupSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCareful(t, 100)
		c.clock.Live()
		spoiled := &spoiled{Store: c.Store}
		c.Store = spoiled
		begun := time.Now()
		at := func(d time.Duration) string { return backupName(begun.Add(d)) }
		c.put(at(-30 * time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { c.keepBackups(ctx); close(done) }()
		time.Sleep(150 * time.Minute)
		synctest.Wait()
		want := []string{at(-30 * time.Minute), at(30 * time.Minute), at(90 * time.Minute), at(150 * time.Minute)}
		if diff := cmp.Diff(want, c.files()); diff != "" {
			t.Error(diff)
		}
		spoiled.broken.Store(true)
		time.Sleep(62 * time.Minute)
		synctest.Wait()
		if r := c.Stats(t.Context()); r.BackupsFailed != 1 || r.BackupsMade != 3 {
			t.Errorf("%+v", r)
		}
		if !strings.Contains(c.log.String(), "backup failed") {
			t.Error("the log says nothing of it")
		}
		cancel()
		<-done
		c.Store.Close()
	})
}

func TestNoBackupsWithoutAFolder(t *testing.T) {
	c := newCareful(t, 1)
	c.Backups = Backups{}
	c.keepBackups(t.Context()) // returns
}

// A copy that is made and verified stays one, whether or not it can be recorded.
func TestABackupThatCannotBeRecordedIsMade(t *testing.T) {
	c := newCareful(t, 1)
	c.Store = fullStore{c.Store}
	err := c.makeBackup(t.Context())
	if err != nil || len(c.files()) != 1 {
		t.Errorf("%v, %v", err, c.files())
	}
	if !strings.Contains(c.log.String(), "cannot be recorded") {
		t.Error("the log says nothing of it")
	}
}

// A target that does not answer keeps neither the snapshot nor the end of a gateway
// waiting; the end is recorded.
func TestABackupTargetThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCareful(t, 1)
		c.clock.Live()
		thawed, ended := make(chan struct{}), make(chan struct{})
		whole := c.Store
		c.Store = unsound{Store: whole, verify: func() (store.CheckReport, error) {
			defer close(ended)
			<-thawed // as reading from a frozen disk would be, whatever becomes of ctx
			return store.CheckReport{}, fs.ErrClosed
		}}
		stop := c.Start(t.Context())
		synctest.Wait()
		began := time.Now()
		stop()
		equal(t, "waited", time.Since(began), backupPatience)
		if !strings.Contains(c.log.String(), "does not answer") {
			t.Error("the log says nothing of it")
		}
		trail := c.trail()
		equal(t, "the end", trail[len(trail)-1], "system stopped serve")
		close(thawed)
		<-ended
		synctest.Wait()
		whole.(*store.DB).Close()
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestWritingAsideEndsWithItsContext(t *testing.T) {
	thawed := make(chan struct{})
	defer close(thawed)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	w := &aside{ctx: ctx, room: func(int64) error { return nil }, to: writerFunc(func([]byte) (int, error) {
		close(asked)
		<-thawed
		return 0, fs.ErrClosed
	})}
	go func() {
		<-asked
		cancel()
	}()
	_, err := w.Write([]byte("page"))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Copies beside the store leave the reserve of its disk alone, before they are
// begun and while they are written.
func TestBackupsLeaveTheReserve(t *testing.T) {
	for name, tc := range map[string]struct {
		free   []int64 // at each look, the last from then on
		within int64   // free in the store's file, and as much of the reserve
		want   error
	}{
		"enough":                         {[]int64{1 << 30}, 0, nil},
		"not for the size":               {[]int64{101}, 0, store.ErrFull},
		"less while it is written":       {[]int64{1 << 30, 100}, 0, store.ErrFull},
		"just the reserve and a page":    {[]int64{1 << 30, 100 + 1<<20}, 0, nil},
		"the reserve is within the file": {[]int64{100 + 1<<20}, 1 << 40, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCareful(t, 1)
			c.Backups.Dir = filepath.Join(c.Dir, "copies")
			err := os.Mkdir(c.Backups.Dir, 0o700)
			if err != nil {
				t.Fatal(err)
			}
			c.DiskReserve = 100 + tc.within
			c.Store = within{c.Store, store.Within{Runs: tc.within, All: tc.within}}
			c.DiskSpace = func() (store.Space, error) {
				free := tc.free[0]
				tc.free = tc.free[min(1, len(tc.free)-1):]
				return store.Space{Free: free}, nil
			}
			err = c.makeBackup(t.Context())
			if !errors.Is(err, tc.want) || len(c.files()) > 0 != (tc.want == nil) {
				t.Errorf("%v, %v", err, c.files())
			}
		})
	}
}

// A master key that changes while a copy is made costs no copy.
func TestARotationCostsNoBackup(t *testing.T) {
	c := newCareful(t, 1)
	whole, rotated := c.Store, false
	c.Store = unsound{Store: whole, backup: func(w io.Writer) (int64, error) {
		n, err := whole.Backup(t.Context(), w)
		if !rotated {
			rotated = true
			err = errors.Join(err, whole.Rotate(t.Context(), store.NewMasterKey()))
		}
		return n, err
	}}
	err := c.makeBackup(t.Context())
	if err != nil || len(c.files()) != 1 {
		t.Errorf("%v, %v", err, c.files())
	}
}

func TestBackupWarnings(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	err := os.WriteFile(file, nil, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for backups, want := range map[string]string{
		"": "", filepath.Join(dir, "absent"): "no copies are made", file: "is no folder", dir: "on the disk of the store", "/proc": "",
	} {
		got := strings.Join(BackupWarnings(dir, backups), " ")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q", backups, got)
		}
	}
}

// Rows that are not as the audit trail says, such as a password's hash that somebody
// wrote into the file, cost no copies: they would cost all that are made from then on.
func TestACopyIsMadeOfAStoreWhoseRowsDiffer(t *testing.T) {
	c := newCareful(t, 2)
	c.update(func(tx store.Tx) error {
		return tx.PutDomain(store.Domain{Name: "b.example", Retention: 1_234_567_890})
	})
	path := filepath.Join(c.Dir, StoreFile)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at := range file {
		if bytes.HasPrefix(file[at:], []byte("1234567890")) {
			_, err = f.WriteAt([]byte("2"), int64(at))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	report, err := c.Store.Check(t.Context())
	if err != nil || report.Differing != 1 || report.Damage != 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	err = c.makeBackup(t.Context())
	if err != nil || len(c.files()) != 1 {
		t.Errorf("%v, %v", c.files(), err)
	}
	if !strings.Contains(c.log.String(), "rows of the store are not as the audit trail says") {
		t.Error(c.log.String())
	}
}
