package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/config"
	"postern/internal/testnet"
	"postern/store"
)

// A careful is a core over a store that makes copies of it.
type careful struct {
	*Core
	t     *testing.T
	key   *store.MasterKey
	clock *clock
	log   syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newCareful(t *testing.T, keep int) *careful {
	t.Helper()
	c := &careful{t: t, key: store.NewMasterKey(), clock: &clock{now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}}
	db, err := store.Create(filepath.Join(t.TempDir(), StoreFile), store.Options{MasterKey: c.key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c.Core = &Core{
		Store: db, Now: c.clock.Now, Log: slog.New(slog.NewTextHandler(&c.log, nil)),
		Backups: Backups{Dir: t.TempDir(), Every: time.Hour, Keep: keep},
	}
	return c
}

// files lists the folder of the copies.
func (c *careful) files() []string {
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

func (c *careful) put(names ...string) {
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
		c.clock.advance(time.Hour)
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
	if r := c.readCare(); r.made != 3 || r.failed != 0 || r.bytes != info.Size() || r.last != c.clock.Now().Add(-time.Hour) {
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
		spoil func(c *careful)
		want  error
	}{
		"a full target": {func(c *careful) {
			c.Store = unsound{Store: c.Store, backup: func(w io.Writer) (int64, error) { _, _ = w.Write([]byte("half")); return 4, full }}
		}, full},
		"a copy that cannot be read": {func(c *careful) {
			c.Store = unsound{Store: c.Store, verify: func() (store.CheckReport, error) { return store.CheckReport{}, store.ErrMasterKey }}
		}, store.ErrMasterKey},
		"a copy with faults": {func(c *careful) {
			c.Store = unsound{Store: c.Store, verify: func() (store.CheckReport, error) {
				return store.CheckReport{Problems: []string{"a body is missing"}}, nil
			}}
		}, store.ErrCorrupt},
		"half a copy": {func(c *careful) {
			c.Store = unsound{Store: c.Store, backup: func(w io.Writer) (int64, error) { _, err := w.Write(make([]byte, 8192)); return 8192, err }}
		}, nil},
		"a copy of that name": {func(c *careful) { c.put("postern-20260601T120000Z.db") }, fs.ErrExist},
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
		c.clock.live = true
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
		if r := c.readCare(); r.failed != 1 || r.made != 3 {
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

// A gateway that serves makes the copies that its configuration asks for.
func TestBackupsOfAGateway(t *testing.T) {
	w := newWorld(t)
	h := build(t, "a.example", "alice@a.example", testnet.DeadPort(t), w.root.Leaf("a.example"), w.root)
	h.cfg.Backup = config.Backup{Dir: t.TempDir(), Every: time.Hour, Keep: 3}
	h.core.setCare(h.cfg)
	h.run()
	deadline, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		copies, err := h.core.listBackups()
		if err != nil {
			t.Fatal(err)
		}
		if len(copies) == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no copy was made")
		}
	}
}

// What a configuration says of the store reaches the core; 0 keeps no originals.
func TestCareOfTheConfiguration(t *testing.T) {
	cfg := config.Default()
	cfg.Dir, cfg.Limits.MailboxBytes, cfg.Limits.DiskReserve = t.TempDir(), 7, 8
	c := &Core{}
	c.setCare(cfg)
	if c.Dir != cfg.Dir || c.MailboxBytes != 7 || c.DiskReserve != 8 || c.KeepRefused != 168*time.Hour || c.RefusedBytes != 1<<30 || c.Backups.Dir != "" {
		t.Errorf("%+v", c)
	}
	space, err := c.DiskSpace()
	if err != nil || space.Free == 0 {
		t.Errorf("%+v, %v", space, err)
	}
	for _, change := range []func(*config.Keep){func(k *config.Keep) { k.Refused = 0 }, func(k *config.Keep) { k.RefusedBytes = 0 }} {
		cfg := config.Default()
		change(&cfg.Keep)
		c := &Core{}
		c.setCare(cfg)
		if c.KeepRefused >= 0 || c.RefusedBytes >= 0 {
			t.Errorf("originals are kept for %s, %d bytes", c.KeepRefused, c.RefusedBytes)
		}
	}
}
