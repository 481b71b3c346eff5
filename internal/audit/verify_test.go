package audit

import (
	"bytes"
	"slices"
	"testing"
	"time"

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
		"the first is changed":             {flip(0), false, Problem{Kind: WasChanged, From: 1, To: 1}},
		"one in the middle is changed":     {flip(14), false, Problem{Kind: WasChanged, From: 15, To: 15}},
		"one at a checkpoint is changed":   {flip(9), false, Problem{Kind: WasChanged, From: 10, To: 10}},
		"one after a checkpoint":           {flip(10), false, Problem{Kind: WasChanged, From: 11, To: 11}},
		"the last but one is changed":      {flip(28), false, Problem{Kind: WasChanged, From: 29, To: 29}},
		"a link is changed":                {edit(16, `"prev":"`, `"prev":"0`), false, Problem{Kind: WasChanged, From: 17, To: 17}},
		"an octet that JSON does not mind": {edit(16, `{"n"`, `{ "n"`), false, Problem{Kind: WasChanged, From: 17, To: 17}},
		"no JSON":                          {edit(16, `{`, ``), false, Problem{Kind: WasChanged, From: 17, To: 17}},
		"removed": {func(_ testing.TB, tr *testTrail) {
			tr.entries = slices.Delete(tr.entries, 4, 6)
		}, false, Problem{Kind: WasRemoved, From: 5, To: 6}},
		"the first is removed": {func(_ testing.TB, tr *testTrail) {
			tr.entries = slices.Delete(tr.entries, 0, 1)
		}, false, Problem{Kind: WasRemoved, From: 1, To: 1}},
		"removed, and the keys moved up": {func(_ testing.TB, tr *testTrail) {
			tr.entries = slices.Delete(tr.entries, 4, 6)
			renumber(tr)
		}, false, Problem{Kind: WasRemoved, From: 5, To: 6}},
		"inserted": {func(t testing.TB, tr *testTrail) {
			tr.entries = slices.Insert(tr.entries, 12, forged(t, tr, 12))
			renumber(tr)
		}, false, Problem{Kind: WasInserted, From: 13, To: 13}},
		"inserted at the end": {func(t testing.TB, tr *testTrail) {
			tr.entries = append(tr.entries, forged(t, tr, 30))
		}, false, Problem{Kind: WasInserted, From: 31, To: 31}},
		"inserted under an odd key": {func(_ testing.TB, tr *testTrail) {
			tr.entries = slices.Insert(tr.entries, 5, cell{append(key(5), 0), tr.entries[4].value})
		}, false, Problem{Kind: WasInserted, From: 5, To: 5}},
		"put over another": {func(_ testing.TB, tr *testTrail) {
			tr.entries[14].value = tr.entries[3].value
		}, false, Problem{Kind: WasChanged, From: 15, To: 15}},
		"neighbours are swapped": {func(_ testing.TB, tr *testTrail) {
			a, b := &tr.entries[4], &tr.entries[5]
			a.value, b.value = b.value, a.value
		}, false, Problem{Kind: WasSwapped, From: 5, To: 6}},
		"two far apart are swapped": {func(_ testing.TB, tr *testTrail) {
			a, b := &tr.entries[4], &tr.entries[21]
			a.value, b.value = b.value, a.value
		}, false, Problem{Kind: WasSwapped, From: 5, To: 22}},
		"truncated": {func(_ testing.TB, tr *testTrail) {
			tr.entries, tr.points = tr.entries[:25], tr.points[:2]
		}, false, Problem{Kind: WasTruncated, From: 26, To: 30}},
		"truncated, with a checkpoint left": {func(_ testing.TB, tr *testTrail) {
			tr.entries = tr.entries[:25]
		}, false, Problem{Kind: WasTruncated, From: 26, To: 30}},
		"truncated, without an end": {func(_ testing.TB, tr *testTrail) {
			tr.entries, tr.points, tr.head = tr.entries[:25], tr.points[:2], nil
		}, false, Problem{Kind: HeadForged, From: 25, To: 25}},
		"all is gone": {func(_ testing.TB, tr *testTrail) {
			tr.entries, tr.points = nil, nil
		}, false, Problem{Kind: WasTruncated, From: 1, To: 30}},
		"set back as a whole, and something is known of it": {func(t testing.TB, tr *testTrail) {
			old := newTrail(t, 25, 10)
			tr.entries, tr.points, tr.head = old.entries, old.points, old.head
		}, true, Problem{Kind: WasTruncated, From: 26, To: 30}},
		"made anew": {func(t testing.TB, tr *testTrail) {
			flip(14)(t, tr)
			tr.rebuild(t, 15)
		}, false, Problem{Kind: WasRewritten, From: 11, To: 20}},
		"made anew, with the signing key, and something is known of it": {func(t testing.TB, tr *testTrail) {
			other := newTrail(t, 0, 0)
			for range 30 {
				other.add(t, 7)
			}
			flip(14)(t, other)
			other.rebuild(t, 15)
			other.points, other.head = other.points[:2], &Head{30, HashOf(other.entries[29].value), 14, Hash{}}
			tr.entries, tr.points, tr.head = other.entries, other.points, other.head
		}, true, Problem{Kind: WasRewritten, From: 15, To: 20}},
		"made anew at the end": {func(t testing.TB, tr *testTrail) {
			tr.add(t, 0)
			tr.add(t, 0)
			tr.add(t, 0)
			flip(31)(t, tr)
			tr.rebuild(t, 32)
		}, false, Problem{Kind: WasRewritten, From: 31, To: 33}},
		"a checkpoint by another key": {func(_ testing.TB, tr *testTrail) {
			c, _ := ParseCheckpoint(tr.points[1].value)
			tr.points[1].value = []byte(c.Sign(testKey(2)).String())
		}, false, Problem{Kind: CheckpointForged, From: 20, To: 20}},
		"a checkpoint is changed": {func(_ testing.TB, tr *testTrail) {
			v := tr.points[1].value
			v[len(v)-1] ^= 1
		}, false, Problem{Kind: CheckpointForged, From: 20, To: 20}},
		"a checkpoint under another number": {func(_ testing.TB, tr *testTrail) {
			tr.points[1].key = key(19)
		}, false, Problem{Kind: CheckpointForged, From: 19, To: 19}},
		"a checkpoint is missing": {func(_ testing.TB, tr *testTrail) {
			tr.points = slices.Delete(tr.points, 1, 2)
		}, false, Problem{Kind: CheckpointMissing, From: 20, To: 20}},
		"the last checkpoint is missing": {func(_ testing.TB, tr *testTrail) {
			tr.points = tr.points[:2]
		}, false, Problem{Kind: CheckpointMissing, From: 30, To: 30}},
		"a base by another key": {func(_ testing.TB, tr *testTrail) {
			tr.prune(12)
			tr.base = []byte(Checkpoint{Mark: Base, Number: 12, At: began}.Sign(testKey(2)).String())
		}, false, Problem{Kind: BaseForged, From: 0, To: 0}},
		"a checkpoint stands for a base": {func(_ testing.TB, tr *testTrail) {
			tr.base = tr.points[0].value
			tr.entries, tr.points = tr.entries[10:], tr.points[1:]
		}, false, Problem{Kind: BaseForged, From: 0, To: 0}},
		"pruned without a base": {func(_ testing.TB, tr *testTrail) {
			tr.prune(12)
			tr.base = nil
		}, false, Problem{Kind: WasRemoved, From: 1, To: 12}},
		"more is gone than was pruned": {func(_ testing.TB, tr *testTrail) {
			tr.prune(12)
			tr.entries = tr.entries[2:]
		}, false, Problem{Kind: WasRemoved, From: 13, To: 14}},
		"what was kept elsewhere is not ours": {func(_ testing.TB, tr *testTrail) {
			tr.outside[1] = tr.outside[1].Sign(testKey(2))
		}, true, Problem{Kind: OutsideForged, From: 20, To: 20}},
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
// does not fit, and is not taken for an attack if a record tells of it and nothing
// else is wrong.
func TestCheckpointsOfATrailThatWasLeft(t *testing.T) {
	restored := began.Add(time.Hour) // the trail that was left is of the half hour before
	told := func(to uint64) *Problem { return &Problem{Kind: WasRestored, From: 16, To: to, At: restored} }
	// goOn adds to the trail of the copy until it is so long, with checkpoints that are
	// kept in the same place.
	goOn := func(tr *testTrail, to int) {
		for int(tr.head.Number) < to {
			tr.add(t, 0)
			if tr.head.Number%10 == 0 {
				tr.point(restored.Add(time.Duration(tr.head.Number) * time.Minute))
			}
		}
	}
	for name, tc := range map[string]struct {
		action Action // of the record of what happened
		to     int    // how long the trail is in the end
		tamper func(*testTrail)
		want   *Problem
		left   int
	}{
		"told, longer than it was":                  {Restored, 35, nil, told(30), 2},
		"told, shorter":                             {Restored, 18, nil, told(30), 2},
		"told, with a checkpoint since that agrees": {Restored, 24, nil, told(30), 2},
		"not told, longer than it was":              {Stopped, 35, nil, problem(WasRewritten, 11, 20), 0},
		"not told, shorter":                         {Stopped, 18, nil, problem(WasTruncated, 19, 30), 0},
		"told, and cut off since": {Restored, 45, func(tr *testTrail) {
			tr.entries, tr.points = tr.entries[:25], tr.points[:2]
			tr.head = &Head{Number: 25, Hash: HashOf(tr.entries[24].value), Checkpoint: 20}
		}, problem(WasTruncated, 26, 40), 2},
		"told, and changed since": {Restored, 35, func(tr *testTrail) {
			tr.entries[32].value = bytes.Replace(tr.entries[32].value, []byte("r33@"), []byte("r34@"), 1)
		}, problem(WasChanged, 33, 33), 2},
		"told by somebody without the key": {Stopped, 35, func(tr *testTrail) {
			e, err := ParseEntry(tr.entries[15].value)
			if err != nil {
				t.Fatal(err)
			}
			e.Action = Restored
			tr.entries[15].value = encode(t, e)
			tr.rebuild(t, 17)
		}, problem(WasRewritten, 11, 20), 0},
	} {
		t.Run(name, func(t *testing.T) {
			kept := newTrail(t, 30, 10).outside
			tr := newTrail(t, 15, 10)
			tr.next(t, Record{At: restored, Actor: "x", Action: tc.action})
			goOn(tr, tc.to)
			whole := tc.tamper == nil
			if !whole {
				tc.tamper(tr)
			}
			tr.outside = append(tr.outside, kept...)
			got := tr.verify(true)
			if diff := cmp.Diff(tc.want, got.Problem); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.Problem.Kind == WasRestored && got.Left != tc.left {
				t.Errorf("%d are of the trail that was left, want %d", got.Left, tc.left)
			}
			if got := tr.verify(false); whole && got.Problem != nil {
				t.Errorf("without them: %v", got.Problem)
			}
		})
	}
}
