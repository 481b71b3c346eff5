package gateway

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/mime/mdn"
	"postern/store"
)

// A copy was made while an answer was waited for, and restored when that had come:
// nobody is told that nothing came, and what comes later counts.
func TestDN28_RestoreEndsWaits(t *testing.T) {
	w := newWorld(t)
	o := store.Options{MasterKey: store.NewMasterKey(), Now: w.clock.Now}
	dir := t.TempDir()
	path, copied := filepath.Join(dir, "store"), filepath.Join(dir, "copy")
	db, err := store.Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	a := &site{t: t, world: w}
	a.Core = &Core{Hostname: "mx.a.example", Store: db, Finder: w, Sender: a, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	a.uneven = exactly
	a.setDefaults()
	a.update(func(tx store.Tx) error { return tx.PutDomain(store.Domain{Name: "a.example"}) })
	a.addKey("a.example", w.root.Leaf("a.example"))
	a.trust("", store.Both, w.root)
	w.sites["a.example"] = a
	w.site("b.example")
	a.accounts("alice@a.example")
	id := a.submit(message("alice@a.example", "bob@b.example>, <ben@b.example", wanted), "alice@a.example", "bob@b.example", "ben@b.example")
	a.run()
	f, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Backup(t.Context(), f)
	equal(t, "copied", err, nil)
	f.Close()
	a.hears("b.example", "bob@b.example", mdn.Dispatched, true)
	w.clock.advance(2 * time.Hour)
	db.Close()
	r, err := store.Restore(t.Context(), path, copied, store.RestoreOptions{
		Options: o, Record: audit.Record{Actor: audit.System, Action: audit.Restored, Object: "copy"},
	})
	equal(t, "restored", err, nil)
	equal(t, "messages that nobody waits for", r.Unknown, 1)
	db, err = store.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a.Core.Store, a.Core.Steady = db, db.Steady
	a.directories.store = db
	a.run()
	equal(t, "shown", len(a.shown()), 0)
	equal(t, "marked", len(a.events(id, store.StageMonitor)), 2)
	a.hears("b.example", "bob@b.example", mdn.Dispatched, true)
	a.run()
	equal(t, "shown", a.shown(), []string{"dispatched+"})
	equal(t, "states", a.states(id), []string{"bob@b.example dispatched", "ben@b.example relayed"})
	report, err := db.Check(t.Context())
	equal(t, "checked", err, nil)
	equal(t, "problems", len(report.Problems), 0)
}
