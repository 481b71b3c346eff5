package audit

import (
	"bytes"
	"testing"
)

func FuzzParseEntry(f *testing.F) {
	for _, c := range newTrail(f, 3, 0).entries {
		f.Add(c.value)
	}
	f.Add([]byte(`{"n":18446744073709551615,"prev":"","at":"x"}`))
	f.Fuzz(func(t *testing.T, octets []byte) {
		e, err := ParseEntry(octets)
		if err != nil {
			return
		}
		again, err := ParseEntry(encode(t, e))
		if err != nil || again.Number != e.Number || again.Prev != e.Prev {
			t.Errorf("it came back as %+v, %v", again, err)
		}
		if bound := e.Bound(); len(bound.Parts) > MaxParts || len(bound.Detail) > MaxDetail {
			t.Error("out of bounds")
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	for _, c := range newTrail(f, 3, 1).points {
		f.Add(c.value)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := ParseCheckpoint(line)
		if err == nil && c.String() != string(line) {
			t.Errorf("%q became %q", line, c)
		}
	})
}

// Whatever is done to a trail, it is found: each three octets change, remove or
// double an entry or a checkpoint.
func FuzzVerify(f *testing.F) {
	f.Add([]byte{0, 3, 40})
	f.Add([]byte{1, 3, 0, 3, 9, 0})
	f.Add([]byte{2, 5, 200, 4, 1, 7})
	f.Fuzz(func(t *testing.T, orders []byte) {
		tr, whole := newTrail(t, 12, 4), newTrail(t, 12, 4)
		for ; len(orders) >= 3 && len(tr.entries) > 0 && len(tr.entries) < 100; orders = orders[3:] {
			tr.tamper(orders[0], int(orders[1]), orders[2])
		}
		got := tr.verify(false)
		if same(tr.entries, whole.entries) && same(tr.points, whole.points) {
			if got.Problem != nil {
				t.Errorf("a whole trail: %v", got.Problem)
			}
			return
		}
		if got.Problem == nil {
			t.Error("nothing was found")
		}
	})
}

func (tr *testTrail) tamper(what byte, where int, how byte) {
	cells := &tr.entries
	if what&1 == 1 && len(tr.points) > 0 {
		cells = &tr.points
	}
	i := where % len(*cells)
	c := (*cells)[i]
	switch what >> 1 % 4 {
	case 0:
		v := bytes.Clone(c.value)
		v[int(how)%len(v)] ^= how | 1
		(*cells)[i].value = v
	case 1:
		*cells = append((*cells)[:i:i], (*cells)[i+1:]...)
	case 2:
		*cells = append((*cells)[:i+1:i+1], (*cells)[i:]...)
	case 3:
		other := (*cells)[int(how)%len(*cells)]
		(*cells)[i].value = other.value
	}
}

func same(a, b []cell) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i].key, b[i].key) || !bytes.Equal(a[i].value, b[i].value) {
			return false
		}
	}
	return true
}
