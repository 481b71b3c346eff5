package care

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"postern/internal/testnet"
	"postern/store"
	"postern/trust/reason"
)

// New mail is refused below the reserve and while the disk is read-only; it is
// logged once each way, and ends by itself.
func TestDiskReserve(t *testing.T) {
	var log bytes.Buffer
	var space store.Space
	var trouble error
	c := &Keeper{Log: slog.New(slog.NewTextHandler(&log, nil)), DiskReserve: 100, DiskSpace: func() (store.Space, error) { return space, trouble }}
	full := &Keeper{Log: slog.New(slog.DiscardHandler), DiskSpace: func() (store.Space, error) { return store.Space{}, nil }}
	full.Look()
	if reason.Of(full.Room()) != reason.StorageFull {
		t.Error("a full disk without a reserve has room")
	}
	full.DiskSpace = func() (store.Space, error) { return store.Space{Free: 1}, nil }
	if err := full.Room(); err != nil {
		t.Errorf("with space again, before the next look: %v", err)
	}
	for _, step := range []struct {
		what    string
		space   store.Space
		err     error
		refused bool
		lines   int // of the log, so far
	}{
		{"enough", store.Space{Free: 100}, nil, false, 0},
		{"short", store.Space{Free: 99}, nil, true, 1},
		{"still short", store.Space{Free: 0}, nil, true, 1},
		{"not to be seen", store.Space{}, errors.New("statfs"), true, 2},
		{"still not", store.Space{}, errors.New("statfs"), true, 2},
		{"at the edge", store.Space{Free: 105}, nil, true, 2},
		{"enough again", store.Space{Free: 1000}, nil, false, 3},
		{"read-only", store.Space{Free: 1000, ReadOnly: true}, nil, true, 4},
		{"writable", store.Space{Free: 1000}, nil, false, 5},
	} {
		space, trouble = step.space, step.err
		c.Look()
		err := c.Room()
		if got := reason.Of(err) == reason.StorageFull; got != step.refused || got != (err != nil) {
			t.Errorf("%s: %v", step.what, err)
		}
		if n := strings.Count(log.String(), "\n"); n != step.lines {
			t.Errorf("%s: %d lines in the log, want %d:\n%s", step.what, n, step.lines, log.String())
		}
	}
}

// What is free within the store's file is space as well: a file that took the whole
// disk and was emptied takes new mail.
func TestDiskReserveWithinTheFile(t *testing.T) {
	r := newRig(t)
	r.DiskReserve = 1 << 20
	r.DiskSpace = func() (store.Space, error) { return store.Space{}, nil }
	if r.Room() == nil {
		t.Error("a new store on a full disk has room")
	}
	w, err := r.Store.NewBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(make([]byte, 4<<20))
	if err != nil {
		t.Fatal(err)
	}
	if r.Room() == nil {
		t.Error("a full file on a full disk has room")
	}
	w.Discard()
	testnet.Until(t, func() bool { return r.Room() == nil }) // it is deleted a piece at a time
}

// Half of the reserve must be in pieces that hold anything; all of it may be anywhere.
func TestDiskReserveInPieces(t *testing.T) {
	for _, row := range []struct {
		free   int64 // on the disk
		within store.Within
		room   bool
	}{
		{99, store.Within{}, false},
		{99, store.Within{All: 1}, true},
		{49, store.Within{All: 1000}, false},
		{49, store.Within{Runs: 1, All: 1000}, true},
		{0, store.Within{Runs: 99, All: 99}, false},
		{0, store.Within{Runs: 100, All: 100}, true},
	} {
		k := &Keeper{
			Log: slog.New(slog.DiscardHandler), DiskReserve: 100, Store: within{free: row.within},
			DiskSpace: func() (store.Space, error) { return store.Space{Free: row.free}, nil },
		}
		if err := k.Room(); (err == nil) != row.room {
			t.Errorf("%d on the disk, %+v: %v", row.free, row.within, err)
		}
	}
}

// within is a store that has so much free within its file.
type within struct {
	store.Store
	free store.Within
}

func (w within) Reusable() store.Within { return w.free }
