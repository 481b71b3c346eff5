package store

import (
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"postern/internal/testnet"
)

// A testClock keeps its time in seconds.
type testClock struct {
	*testnet.Clock
	resumed []string
}

func newTestClock() *testClock { return &testClock{Clock: testnet.NewClock(time.Unix(1000, 0))} }

func (c *testClock) Keep() []byte { return strconv.AppendInt(nil, c.Now().Unix(), 10) }

func (c *testClock) Resume(kept []byte) error {
	c.resumed = append(c.resumed, string(kept))
	if string(kept) == "broken" {
		return errors.New("broken")
	}
	return nil
}

func TestClockGoesOnFromWhatIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	master := NewMasterKey()
	clock := newTestClock()
	write := func(db *DB) {
		t.Helper()
		err := db.Update(t.Context(), func(tx Tx) error { return tx.PutDomain(Domain{Name: "a.example"}) })
		if err != nil {
			t.Fatal(err)
		}
	}
	reopen := func(db *DB) *DB {
		t.Helper()
		err := db.Close()
		if err != nil {
			t.Fatal(err)
		}
		db, err = Open(path, Options{MasterKey: master, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db, err := Create(path, Options{MasterKey: master, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	db = reopen(db) // nothing was written
	write(db)
	clock.Advance(59 * time.Second)
	write(db) // too soon to be kept again
	db = reopen(db)
	clock.Advance(61 * time.Second)
	write(db)
	clock.Advance(clockEvery)
	write(db)
	if got := db.Steady(); !got.Equal(clock.Now()) {
		t.Errorf("the store's clock shows %s", got)
	}
	db = reopen(db)
	defer db.Close()
	if got, want := clock.resumed, []string{"", "", "1000", "1180"}; len(got) != 4 || [4]string(got) != [4]string(want) {
		t.Errorf("resumed from %q, want %q", got, want)
	}
}

func TestClockThatCannotBeReadIsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	master := NewMasterKey()
	db, err := Create(path, Options{MasterKey: master})
	if err != nil {
		t.Fatal(err)
	}
	err = db.update(t.Context(), func(t *tx) error { return t.put(bucketMeta, []byte(metaClock), []byte("broken")) })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, Options{MasterKey: master, Clock: newTestClock()})
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v", err)
	}
}

// A job that is due by the clock of the queue is handed out, whatever the wall
// clock says.
func TestJobsAreDueByTheClock(t *testing.T) {
	clock := newTestClock()
	wall := func() time.Time { return time.Unix(0, 0) }
	path, master := filepath.Join(t.TempDir(), "store.db"), NewMasterKey()
	db, err := Create(path, Options{MasterKey: master, Clock: clock, Now: wall})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	body, err := db.NewBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer body.Discard()
	err = db.Update(t.Context(), func(tx Tx) error {
		id, err := tx.PutBody(body)
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(Job{Kind: SealJob, Body: id, Due: clock.Now()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Claim(t.Context(), SealJob)
	if err != nil {
		t.Fatal(err)
	}
}
