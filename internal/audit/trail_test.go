package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"
)

// A testTrail is a trail in memory that a test may tamper with.
type testTrail struct {
	key     ed25519.PrivateKey
	base    []byte
	head    *Head
	entries []cell
	points  []cell
	outside []Checkpoint
}

type cell struct{ key, value []byte }

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newTrail has n entries and a checkpoint at each multiple of every.
func newTrail(t testing.TB, n, every int) *testTrail {
	t.Helper()
	tr := &testTrail{key: testKey(1), head: &Head{}}
	for range n {
		tr.add(t, every)
	}
	return tr
}

func (tr *testTrail) add(t testing.TB, every int) {
	t.Helper()
	h, n := tr.head, tr.head.Number+1
	tr.next(t, Record{
		At: began.Add(time.Duration(n) * time.Minute), Actor: Account("a@a.example"), Action: Sealed,
		Parts: []Part{{Recipient: fmt.Sprintf("r%d@b.example", n), State: "sealed"}},
	})
	if every > 0 && h.Number%uint64(every) == 0 {
		tr.point(began.Add(time.Duration(h.Number) * time.Minute))
	}
}

// next adds a record.
func (tr *testTrail) next(t testing.TB, r Record) {
	t.Helper()
	h := tr.head
	h.Number++
	octets := encode(t, Entry{Number: h.Number, Prev: h.Hash, Record: r})
	tr.entries = append(tr.entries, cell{key(h.Number), octets})
	h.Hash = HashOf(octets)
}

func (tr *testTrail) point(at time.Time) {
	h := tr.head
	c := Checkpoint{Mark: Point, Number: h.Number, Hash: h.Hash, After: h.Checkpoint, At: at}.Sign(tr.key)
	tr.points = append(tr.points, cell{key(h.Number), []byte(c.String())})
	tr.outside = append(tr.outside, c)
	h.Checkpoint = h.Number
}

func encode(t testing.TB, e Entry) []byte {
	t.Helper()
	octets, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func reading(cells []cell) func() ([]byte, []byte, bool) {
	return func() ([]byte, []byte, bool) {
		if len(cells) == 0 {
			return nil, nil, false
		}
		c := cells[0]
		cells = cells[1:]
		return c.key, c.value, true
	}
}

// verify does without the checkpoints kept elsewhere unless it is told.
func (tr *testTrail) verify(outside bool) Report {
	trail := Trail{
		Key: tr.key.Public().(ed25519.PublicKey), Base: tr.base, Head: tr.head,
		Entries: reading(tr.entries), Checkpoints: reading(tr.points),
	}
	if outside {
		trail.Outside = tr.outside
	}
	return Verify(trail)
}

// prune leaves out the entries up to n, as the store does.
func (tr *testTrail) prune(n int) {
	last := tr.entries[n-1].value
	tr.base = []byte(Checkpoint{Mark: Base, Number: uint64(n), Hash: HashOf(last), At: began}.Sign(tr.key).String())
	tr.entries = tr.entries[n:]
	tr.points = slices.DeleteFunc(tr.points, func(c cell) bool { return binary.BigEndian.Uint64(c.key) <= uint64(n) })
}

// rebuild makes the chain anew from entry n on, as somebody without the keys would.
func (tr *testTrail) rebuild(t testing.TB, n int) {
	t.Helper()
	prev := Hash{}
	if n > 1 {
		prev = HashOf(tr.entries[n-2].value)
	}
	for i := n - 1; i < len(tr.entries); i++ {
		e, err := ParseEntry(tr.entries[i].value)
		if err != nil {
			t.Fatal(err)
		}
		e.Number, e.Prev = uint64(i+1), prev
		tr.entries[i] = cell{key(e.Number), encode(t, e)}
		prev = HashOf(tr.entries[i].value)
	}
}
