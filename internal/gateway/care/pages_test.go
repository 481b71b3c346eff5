package care

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"postern/store"
)

// cleanlyStopped makes a store with a trail that was stopped, and returns its keeper
// when it was opened again.
func cleanlyStopped(t *testing.T) (*rig, *bytes.Buffer) {
	t.Helper()
	r := newRig(t)
	r.accounts("a@b.example")
	r.keepAudit(t.Context())()
	if err := r.Store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(filepath.Join(r.Dir, StoreFile), store.Options{MasterKey: r.key, Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r.Store = db
	return r, logged(r)
}

// logged gives a keeper a log that can be read.
func logged(r *rig) *bytes.Buffer {
	log := new(bytes.Buffer)
	r.Log = slog.New(slog.NewTextHandler(log, nil))
	return log
}

// What was left for later when the store was opened is checked while it serves, and
// the log and the metrics tell what came of it.
func TestPagesAreCheckedWhileServing(t *testing.T) {
	r, log := cleanlyStopped(t)
	r.checkPages(t.Context())
	if got := r.Stats(t.Context()); got.Checked != 1 || got.Damaged {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{`msg="checking the pages of the store"`, "all pages of the store are sound"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	stopped, log := cleanlyStopped(t)
	stopped.checkPages(ctx)
	if log := log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "are sound") {
		t.Errorf("it was stopped meanwhile, and says\n%s", log)
	}
}

// A damagedStore turns out to be damaged half way.
type damagedStore struct{ store.Store }

func (damagedStore) CheckPages(_ context.Context, told func(store.PageProgress)) error {
	told(store.PageProgress{Done: 1, All: 2})
	return store.ErrCorrupt
}

func TestDamagedPagesAreToldWhileServing(t *testing.T) {
	r := newRig(t)
	r.Store = damagedStore{r.Store}
	log := logged(r)
	r.checkPages(t.Context())
	if got := r.Stats(t.Context()); got.Checked != 0.5 || !got.Damaged {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(log.String(), `level=ERROR msg="the store is damaged`) {
		t.Errorf("the log says\n%s", log.String())
	}
}

func TestOpeningAStoreThatWasKilledIsLogged(t *testing.T) {
	h := newPremises(t)
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	db, err := Open(ctx, h.dir, 0, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "checking the pages of the store") {
		t.Errorf("the log says\n%s", log.String())
	}
	cancel()
	_, err = Open(ctx, h.dir, 0, slog.New(slog.DiscardHandler))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
