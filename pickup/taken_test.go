package pickup

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Stretches that come in any order cover what was sent and nothing else, and none of
// them touches the next.
func TestStretches(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var s stretches
		var sent [30]bool
		for range random.IntN(12) {
			from := random.IntN(len(sent))
			to := from + 1 + random.IntN(len(sent)-from)
			s = s.add(stretch{int64(from), int64(to)})
			for i := from; i < to; i++ {
				sent[i] = true
			}
		}
		for i := 1; i < len(s); i++ {
			if s[i-1].to >= s[i].from {
				t.Fatalf("%v touch", s)
			}
		}
		for from := range sent {
			all := true
			for to := from; to < len(sent); to++ {
				all = all && sent[to]
				if s.cover(int64(from), int64(to+1)) != all {
					t.Fatalf("%v of %d to %d: %v", s, from, to, !all)
				}
			}
		}
	}
}

// However much a client is sent in pieces, what is remembered is bounded: what was
// begun the longest ago goes first.
func TestWhatIsRememberedOfPiecesIsBounded(t *testing.T) {
	piece := func(from, to int64) []literal { return []literal{{of: &stretch{from, to}}} }
	var v taken
	took := func(uid uint32, sent []literal) bool {
		t.Helper()
		m := messageOf("a: b\n\n" + strings.Repeat("x", 10_000))
		m.uid = uid
		whole, err := v.took(m, sent)
		if err != nil {
			t.Fatal(err)
		}
		return whole
	}
	for uid := range uint32(maxStretches + 1) {
		if took(uid, piece(0, 5000)) {
			t.Fatal("a half is a whole")
		}
	}
	for uid, want := range map[uint32]bool{0: false, 2: true, maxStretches: true} {
		if got := took(uid, piece(5000, 20_000)); got != want {
			t.Errorf("message %d: %v", uid, got)
		}
	}
	for i := range int64(2 * maxStretches) { // of one message, no two of which touch
		took(7, piece(2*i, 2*i+1))
		n := 0
		for _, b := range v.begun {
			n += len(b.sent)
		}
		if n != v.count || n > maxStretches {
			t.Fatalf("%d stretches are remembered, %d counted", n, v.count)
		}
	}
}

// A message of more parts than are understood is whole only with what is beyond them.
func TestPartsBeyondTheBoundAreNotForgotten(t *testing.T) {
	for n, want := range map[int]bool{maxParts - 1: true, maxParts: false} {
		raw := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", n) + "--b--\n"
		m := messageOf(raw)
		root, err := m.structure()
		if err != nil {
			t.Fatal(err)
		}
		var s stretches
		for _, c := range root.children {
			s = s.add(stretch{c.body, c.end})
		}
		if got := s.whole(root); got != want {
			t.Errorf("%d parts: %v", n, got)
		}
	}
}

// What decoded pieces stand for adds up to the part without a gap, and with one that
// is missing it does not.
func TestDecodedPiecesAddUp(t *testing.T) {
	for _, raw := range []string{
		"Content-Transfer-Encoding: base64\n\nQUJD\n\n\nREVG\n",
		"Content-Transfer-Encoding: quoted-printable\n\n=41=42=43\n=\n=\nDEF",
		"\nABCDEFGH",
	} {
		m := messageOf(raw)
		size, err := m.decodedSize([]int{1})
		if err != nil {
			t.Fatal(err)
		}
		var all []stretch
		for i := range size {
			of, err := m.encoded([]int{1}, i, 1, size)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, *of)
		}
		whole := func(without int) bool {
			var s stretches
			for i, of := range all {
				if i != without {
					s = s.add(of)
				}
			}
			root, err := m.structure()
			if err != nil {
				t.Fatal(err)
			}
			return s.whole(root)
		}
		got := []bool{whole(-1)}
		want := []bool{true}
		for i := range all {
			got, want = append(got, whole(i)), append(want, false)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", raw, diff)
		}
	}
}
