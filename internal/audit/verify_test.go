package audit

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWholeTrails(t *testing.T) {
	pruned := newTrail(t, 25, 10)
	pruned.prune(12)
	empty := newTrail(t, 0, 10)
	all := newTrail(t, 20, 10)
	all.prune(20)
	for name, tt := range map[string]struct {
		trail *testTrail
		want  Report
	}{
		"empty":      {empty, Report{}},
		"one":        {newTrail(t, 1, 10), Report{First: 1, Last: 1, Entries: 1}},
		"many":       {newTrail(t, 25, 10), Report{First: 1, Last: 25, Entries: 25, Checkpoints: 2, Outside: 2}},
		"pruned":     {pruned, Report{First: 13, Last: 25, Entries: 13, Checkpoints: 1, Outside: 1, TooOld: 1}},
		"all pruned": {all, Report{Last: 20, TooOld: 2}},
	} {
		if diff := cmp.Diff(tt.want, tt.trail.verify(true)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// The trail of these has 30 entries, and checkpoints at 10, 20 and 30.
func TestVerifyNamesThePlace(t *testing.T) {
	edit := func(i int, old, new string) func(testing.TB, *testTrail) {
		return func(t testing.TB, tr *testTrail) {
			was := tr.entries[i].value
			tr.entries[i].value = bytes.Replace(was, []byte(old), []byte(new), 1)
			if bytes.Equal(was, tr.entries[i].value) {
				t.Fatal("nothing was changed")
			}
		}
	}
	flip := func(i int) func(testing.TB, *testTrail) { return edit(i, "sealed", "sealef") }
	forged := func(t testing.TB, tr *testTrail, i int) cell {
		prev := Hash{}
		if i > 0 {
			prev = HashOf(tr.entries[i-1].value)
		}
		return cell{key(uint64(i + 1)), encode(t, Entry{Number: uint64(i + 1), Prev: prev, Record: Record{Actor: "forger"}})}
	}
	renumber := func(tr *testTrail) {
		for i := range tr.entries {
			tr.entries[i].key = key(uint64(i + 1))
		}
	}
	for name, tt := range map[string]struct {
		tamper  func(testing.TB, *testTrail)
		outside bool
		want    Problem
	}{
		"the first is changed":             {flip(0), false, Problem{WasChanged, 1, 1}},
		"one in the middle is changed":     {flip(14), false, Problem{WasChanged, 15, 15}},
		"one at a checkpoint is changed":   {flip(9), false, Problem{WasChanged, 10, 10}},
		"one after a checkpoint":           {flip(10), false, Problem{WasChanged, 11, 11}},
		"the last but one is changed":      {flip(28), false, Problem{WasChanged, 29, 29}},
		"a link is changed":                {edit(16, `"prev":"`, `"prev":"0`), false, Problem{WasChanged, 17, 17}},
		"an octet that JSON does not mind": {edit(16, `{"n"`, `{ "n"`), false, Problem{WasChanged, 17, 17}},
		"no JSON":                          {edit(16, `{`, ``), false, Problem{WasChanged, 17, 17}},
		"removed": {func(_ testing.TB, tr *testTrail) {
			tr.entries = slices.Delete(tr.entries, 4, 6)
		}, false, Problem{WasRemoved, 5, 6}},
		"the first is removed": {func(_ testing.TB, tr *testTrail) {
			tr.entries = slices.Delete(tr.entries, 0, 1)
		}, false, Problem{WasRemoved, 1, 1}},
		"removed, and the keys moved up": {func(_ testing.TB, tr *testTrail) {
			tr.entries = slices.Delete(tr.entries, 4, 6)
			renumber(tr)
		}, false, Problem{WasRemoved, 5, 6}},
		"inserted": {func(t testing.TB, tr *testTrail) {
			tr.entries = slices.Insert(tr.entries, 12, forged(t, tr, 12))
			renumber(tr)
		}, false, Problem{WasInserted, 13, 13}},
		"inserted at the end": {func(t testing.TB, tr *testTrail) {
			tr.entries = append(tr.entries, forged(t, tr, 30))
		}, false, Problem{WasInserted, 31, 31}},
		"inserted under an odd key": {func(_ testing.TB, tr *testTrail) {
			tr.entries = slices.Insert(tr.entries, 5, cell{append(key(5), 0), tr.entries[4].value})
		}, false, Problem{WasInserted, 5, 5}},
		"put over another": {func(_ testing.TB, tr *testTrail) {
			tr.entries[14].value = tr.entries[3].value
		}, false, Problem{WasChanged, 15, 15}},
		"neighbours are swapped": {func(_ testing.TB, tr *testTrail) {
			a, b := &tr.entries[4], &tr.entries[5]
			a.value, b.value = b.value, a.value
		}, false, Problem{WasSwapped, 5, 6}},
		"two far apart are swapped": {func(_ testing.TB, tr *testTrail) {
			a, b := &tr.entries[4], &tr.entries[21]
			a.value, b.value = b.value, a.value
		}, false, Problem{WasSwapped, 5, 22}},
		"truncated": {func(_ testing.TB, tr *testTrail) {
			tr.entries, tr.points = tr.entries[:25], tr.points[:2]
		}, false, Problem{WasTruncated, 26, 30}},
		"truncated, with a checkpoint left": {func(_ testing.TB, tr *testTrail) {
			tr.entries = tr.entries[:25]
		}, false, Problem{WasTruncated, 26, 30}},
		"truncated, without an end": {func(_ testing.TB, tr *testTrail) {
			tr.entries, tr.points, tr.head = tr.entries[:25], tr.points[:2], nil
		}, false, Problem{HeadForged, 25, 25}},
		"all is gone": {func(_ testing.TB, tr *testTrail) {
			tr.entries, tr.points = nil, nil
		}, false, Problem{WasTruncated, 1, 30}},
		"set back as a whole, and something is known of it": {func(t testing.TB, tr *testTrail) {
			old := newTrail(t, 25, 10)
			tr.entries, tr.points, tr.head = old.entries, old.points, old.head
		}, true, Problem{WasTruncated, 26, 30}},
		"made anew": {func(t testing.TB, tr *testTrail) {
			flip(14)(t, tr)
			tr.rebuild(t, 15)
		}, false, Problem{WasRewritten, 11, 20}},
		"made anew, with the signing key, and something is known of it": {func(t testing.TB, tr *testTrail) {
			other := newTrail(t, 0, 0)
			for range 30 {
				other.add(t, 7)
			}
			flip(14)(t, other)
			other.rebuild(t, 15)
			other.points, other.head = other.points[:2], &Head{30, HashOf(other.entries[29].value), 14, Hash{}}
			tr.entries, tr.points, tr.head = other.entries, other.points, other.head
		}, true, Problem{WasRewritten, 15, 20}},
		"made anew at the end": {func(t testing.TB, tr *testTrail) {
			tr.add(t, 0)
			tr.add(t, 0)
			tr.add(t, 0)
			flip(31)(t, tr)
			tr.rebuild(t, 32)
		}, false, Problem{WasRewritten, 31, 33}},
		"a checkpoint by another key": {func(_ testing.TB, tr *testTrail) {
			c, _ := ParseCheckpoint(tr.points[1].value)
			tr.points[1].value = []byte(c.Sign(testKey(2)).String())
		}, false, Problem{CheckpointForged, 20, 20}},
		"a checkpoint is changed": {func(_ testing.TB, tr *testTrail) {
			v := tr.points[1].value
			v[len(v)-1] ^= 1
		}, false, Problem{CheckpointForged, 20, 20}},
		"a checkpoint under another number": {func(_ testing.TB, tr *testTrail) {
			tr.points[1].key = key(19)
		}, false, Problem{CheckpointForged, 19, 19}},
		"a checkpoint is missing": {func(_ testing.TB, tr *testTrail) {
			tr.points = slices.Delete(tr.points, 1, 2)
		}, false, Problem{CheckpointMissing, 20, 20}},
		"the last checkpoint is missing": {func(_ testing.TB, tr *testTrail) {
			tr.points = tr.points[:2]
		}, false, Problem{CheckpointMissing, 30, 30}},
		"a base by another key": {func(_ testing.TB, tr *testTrail) {
			tr.prune(12)
			tr.base = []byte(Checkpoint{Mark: Base, Number: 12, At: began}.Sign(testKey(2)).String())
		}, false, Problem{BaseForged, 0, 0}},
		"a checkpoint stands for a base": {func(_ testing.TB, tr *testTrail) {
			tr.base = tr.points[0].value
			tr.entries, tr.points = tr.entries[10:], tr.points[1:]
		}, false, Problem{BaseForged, 0, 0}},
		"pruned without a base": {func(_ testing.TB, tr *testTrail) {
			tr.prune(12)
			tr.base = nil
		}, false, Problem{WasRemoved, 1, 12}},
		"more is gone than was pruned": {func(_ testing.TB, tr *testTrail) {
			tr.prune(12)
			tr.entries = tr.entries[2:]
		}, false, Problem{WasRemoved, 13, 14}},
		"what was kept elsewhere is not ours": {func(_ testing.TB, tr *testTrail) {
			tr.outside[1] = tr.outside[1].Sign(testKey(2))
		}, true, Problem{OutsideForged, 20, 20}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t, 30, 10)
			tt.tamper(t, tr)
			got := tr.verify(tt.outside)
			if got.Problem == nil {
				t.Fatal("nothing was found")
			}
			if diff := cmp.Diff(tt.want, *got.Problem); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.Problem.Error() == "" {
				t.Error("no words")
			}
		})
	}
}

// A copy took the place of the store: what was kept of the trail that was left then
// does not fit, and is not taken for a forgery if a record tells of it.
func TestCheckpointsOfATrailThatWasLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		told bool // by a record
		to   int  // how long the trail is in the end
		want Problem
	}{
		"told, longer than it was":     {true, 35, Problem{WasRestored, 16, 20}},
		"told, shorter":                {true, 18, Problem{WasRestored, 16, 30}},
		"not told, longer than it was": {false, 35, Problem{WasRewritten, 11, 20}},
		"not told, shorter":            {false, 18, Problem{WasTruncated, 19, 30}},
	} {
		t.Run(name, func(t *testing.T) {
			kept := newTrail(t, 30, 10).outside
			tr := newTrail(t, 15, 10)
			tr.next(t, Record{At: began, Actor: "x", Action: Stopped})
			if tc.told {
				tr = newTrail(t, 15, 10)
				tr.next(t, Record{At: began, Actor: "x", Action: Restored})
			}
			for int(tr.head.Number) < tc.to {
				tr.add(t, 10)
			}
			tr.outside = kept
			got := tr.verify(true)
			if got.Problem == nil || *got.Problem != tc.want {
				t.Errorf("got %+v, want %+v", got.Problem, tc.want)
			}
			if got := tr.verify(false); got.Problem != nil {
				t.Errorf("without them: %v", got.Problem)
			}
		})
	}
}
