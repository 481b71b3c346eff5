package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/audit"
)

// A damaged store is one file of a store that is whole, of which octets are changed.
// Its witness says that it was stopped cleanly.
type damagedStore struct {
	whole   []byte
	witness []byte
	options Options
	lively  []int // where something stands
}

// manifold returns a store whose buckets have branches, compacted, so that almost
// every octet means something.
func manifold(t testing.TB) *damagedStore {
	t.Helper()
	s := fullStore(t)
	ctx := context.Background()
	for part := range 4 {
		id := s.add(t, text(9<<10))
		err := s.Update(ctx, func(tx Tx) error {
			a := address(t, "a@b.example")
			box, err := tx.MailboxByName(a, Inbox)
			for n := range 40 {
				track := TrackID(fmt.Sprintf("01ARZ3NDEKTSV4RRFFQ69G%04d", 100*part+n))
				if err == nil {
					err = tx.PutTrack(Track{ID: track, MessageID: "<" + string(track) + "@a.example>", Sender: a, Recipients: []TrackRecipient{{Address: a}}})
				}
				if err == nil {
					err = tx.AddEvent(track, Event{Stage: "accept"})
				}
				if err == nil {
					_, err = tx.Append(box.ID, Message{Body: id, Received: time.Unix(0, 0)})
				}
				if err == nil {
					_, err = tx.Enqueue(Job{Kind: RelayJob, Body: id, Track: track, Due: time.Unix(0, 0)})
				}
				if err == nil {
					err = tx.Audit(audit.Record{Action: audit.Started})
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.Close()
	if err == nil {
		_, err = Compact(ctx, s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.DB, err = Open(s.path, s.options)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &damagedStore{options: s.options}
	d.whole, err = os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	d.witness, err = os.ReadFile(witnessOf(s.path))
	if err != nil {
		t.Fatal(err)
	}
	for i, octet := range d.whole {
		if octet != 0 {
			d.lively = append(d.lively, i)
		}
	}
	return d
}

// survive does with a damaged store all that a gateway does, and says what came of
// it. Whatever comes is right, but for an end of the process or none of the work.
func (d *damagedStore) survive(t testing.TB, path string, octets []byte, stopped bool) (outcome string) {
	t.Helper()
	err := errors.Join(os.WriteFile(path, octets, 0o600), removeLeft(witnessOf(path)))
	if stopped {
		err = errors.Join(err, os.WriteFile(witnessOf(path), d.witness, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		outcome = d.use(path)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		panic("the store hangs") // with all stacks
	}
	return outcome
}

func (d *damagedStore) use(path string) string {
	ctx := context.Background()
	master := d.options.MasterKey
	_, verified := verify(ctx, path, master, nil)
	db, err := Open(path, d.options)
	if err != nil {
		return "refused"
	}
	defer db.Close()
	db.bolt.NoSync = true // the file is done with soon
	read := readAll(ctx, db)
	worked := workAll(ctx, db)
	report, checked := db.Check(ctx)
	_, copied := db.Backup(ctx, io.Discard)
	switch {
	case len(report.Problems) > 0 || checked != nil || verified != nil:
		return "found"
	case copied != nil || read != nil || worked != nil:
		return fmt.Sprintf("met later: %v", errors.Join(copied, read, worked))
	}
	return "harmless"
}

// readAll reads as a gateway does.
func readAll(ctx context.Context, db *DB) (first error) {
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	var bodies []BodyID
	for _, read := range []func(Tx) error{
		func(tx Tx) error { _, err := tx.Domains(); return err },
		func(tx Tx) error { _, err := tx.Accounts(); return err },
		func(tx Tx) error { _, err := tx.Keys(); return err },
		func(tx Tx) error { _, err := tx.Anchors(); return err },
		func(tx Tx) error { _, err := tx.VerifyAudit(ctx, nil); return err },
		func(tx Tx) error { return tx.EachTrack(TrackQuery{}, func(Track) bool { return true }) },
		func(tx Tx) error {
			return tx.EachJob(0, func(j Job) bool {
				bodies = append(bodies, j.Body)
				return true
			})
		},
		func(tx Tx) error {
			accounts, err := tx.Accounts()
			for _, a := range accounts {
				boxes, err := tx.Mailboxes(a.Address)
				if err != nil {
					return err
				}
				for _, b := range boxes {
					err = tx.EachMessage(b.ID, 0, func(m Message) bool { return true })
					if err != nil {
						return err
					}
				}
			}
			return err
		},
	} {
		note(db.View(ctx, read))
	}
	for _, id := range bodies {
		b, err := db.OpenBody(ctx, id)
		if err == nil {
			_, err = io.Copy(io.Discard, io.NewSectionReader(b, 0, b.Size()))
		}
		note(err)
	}
	return first
}

// workAll finishes jobs, which removes bodies, and enqueues another.
func workAll(ctx context.Context, db *DB) error {
	err := db.Update(ctx, func(tx Tx) error {
		for {
			j, err := tx.FirstJob(RelayJob)
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			if err == nil {
				err = tx.Finish(j.ID)
			}
			if err != nil {
				return err
			}
		}
	})
	w, other := db.NewBody(ctx)
	if other != nil {
		return errors.Join(err, other)
	}
	defer w.Discard()
	_, other = w.Write(text(10 << 10))
	if other != nil {
		return errors.Join(err, other)
	}
	return errors.Join(err, db.Update(ctx, func(tx Tx) error {
		id, err := tx.PutBody(w)
		if err == nil {
			_, err = tx.Enqueue(Job{Kind: SealJob, Body: id, Due: time.Unix(0, 0)})
		}
		return err
	}))
}

// sample uses the store with a number of damages, and logs what came of them.
func (d *damagedStore) sample(t *testing.T, n int, damage func(random *rand.Rand, octets []byte)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	random := rand.New(rand.NewPCG(11, 7))
	outcomes := map[string]int{}
	for n := range n {
		octets := slices.Clone(d.whole)
		damage(random, octets)
		outcomes[d.survive(t, path, octets, true)]++
		if n%4 == 0 {
			outcomes[d.survive(t, path, octets, false)]++
		}
	}
	t.Log(outcomes)
}

// Whatever octet of the file is changed, the process lives and everything ends.
func TestNoDamageEndsTheProcess(t *testing.T) {
	d := manifold(t)
	t.Run("anywhere", func(t *testing.T) {
		d.sample(t, 100, func(random *rand.Rand, octets []byte) {
			octets[d.lively[random.IntN(len(d.lively))]] ^= byte(1 + random.IntN(255))
		})
	})
	size := int(newest(d).size)
	// There one octet leads bbolt anywhere.
	t.Run("heads of pages and their first elements", func(t *testing.T) {
		d.sample(t, 100, func(random *rand.Rand, octets []byte) {
			octets[size*random.IntN(len(octets)/size)+random.IntN(pageHead+2*elementSize)] ^= byte(1 + random.IntN(255))
		})
	})
	var branches []int
	for at := 2 * size; at < len(d.whole); at += size {
		if order.Uint16(d.whole[at+8:]) == pageBranch {
			branches = append(branches, at)
		}
	}
	t.Run("branches that lead elsewhere, also in a circle", func(t *testing.T) {
		d.sample(t, 100, func(random *rand.Rand, octets []byte) {
			at := branches[random.IntN(len(branches))]
			element := random.IntN(int(order.Uint16(octets[at+10:])))
			to := random.IntN(len(octets)/size + 1)
			order.PutUint64(octets[at+pageHead+elementSize*element+8:], uint64(to))
		})
	})
}

func newest(d *damagedStore) pageMeta {
	m, _, _ := newestMeta(strings.NewReader(string(d.whole)))
	return m
}

func FuzzDamage(f *testing.F) {
	d := sync.OnceValue(func() *damagedStore { return manifold(f) })()
	f.Add(uint32(8192), byte(1), uint32(20000), byte(255))
	f.Fuzz(func(t *testing.T, at uint32, by byte, at2 uint32, by2 byte) {
		octets := slices.Clone(d.whole)
		octets[int(at)%len(octets)] ^= by
		octets[int(at2)%len(octets)] ^= by2
		for _, stopped := range []bool{true, false} {
			d.survive(t, filepath.Join(t.TempDir(), "store.db"), slices.Clone(octets), stopped)
		}
	})
}

// What turns bad under a store that is open is damage as well, in whatever reads it.
func TestPagesThatTurnBadAreDamage(t *testing.T) {
	s := fullStore(t)
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, _, _ := newestMeta(f)
	for id := int64(2); id < int64(m.end); id++ {
		_, err := f.WriteAt([]byte{0x77}, id*m.size+8) // its kind
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	wantError(t, s.View(ctx, func(tx Tx) error { _, err := tx.Domains(); return err }), ErrCorrupt)
	wantError(t, s.View(ctx, func(tx Tx) error { _, err := tx.VerifyAudit(ctx, nil); return err }), ErrCorrupt)
	_, err = s.Backup(ctx, io.Discard)
	wantError(t, err, ErrCorrupt)
	if p := s.problems(t); !strings.Contains(strings.Join(p, "\n"), "of the kind 0x77") {
		t.Errorf("problems %q", p)
	}
}

// The mistakes of a caller are not taken for damage.
func TestPanicsOfOthersAreNoDamage(t *testing.T) {
	s := newTestStore(t, Options{})
	err := s.View(context.Background(), func(tx Tx) error {
		return tx.EachTrack(TrackQuery{}, func(Track) bool { return true })
	})
	if err != nil {
		t.Fatal(err)
	}
	var none []int
	err = s.View(context.Background(), func(Tx) error { _ = none[len(none)]; return nil })
	var panicked *PanicError
	if !errors.As(err, &panicked) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}
