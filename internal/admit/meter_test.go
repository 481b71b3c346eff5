package admit

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	m := Meter[string]{Burst: 3, Per: 30 * time.Second}
	now := time.Unix(1_000_000, 0)
	left := func(who string) (n int) {
		for n < 10 && m.Take(now, who) {
			n++
		}
		return n
	}
	want := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, not %d", what, got, want)
		}
	}
	want("at first", left("a"), 3)
	want("of another", left("b"), 3)
	now = now.Add(10 * time.Second)
	want("after a third of the time", left("a"), 1)
	now = now.Add(time.Hour)
	want("after silence", left("a"), 3)
	now = now.Add(-time.Hour)
	want("a clock that goes back", left("a"), 0)
	now = now.Add(9 * time.Second)
	want("and on", left("a"), 0)
	now = now.Add(time.Second)
	want("and on", left("a"), 1)
	m.Forget("a")
	want("forgotten", left("a"), 3)
}

// What goes beyond is owed, and no more than can be paid in the time of a burst.
func TestMeterDebt(t *testing.T) {
	m := Meter[string]{Burst: 4, Per: 4 * time.Second}
	now := time.Unix(1_000_000, 0)
	m.Count(now, 6, "a")
	if m.Allows(now.Add(2*time.Second), "a") {
		t.Error("the debt is forgotten")
	}
	if !m.Allows(now.Add(3*time.Second), "a") {
		t.Error("the debt is paid and counts")
	}
	m.Count(now, 1000, "b")
	if m.Allows(now.Add(4*time.Second), "b") || !m.Allows(now.Add(5*time.Second), "b") {
		t.Error("the debt has another bound")
	}
	now = now.Add(5 * time.Second)
	m.Count(now, 1, "b")
	if m.Allows(now, "c", "b") || !m.Allows(now, "c", "d") {
		t.Error("not all of several are asked")
	}
}

// Whoever came last is remembered, in bounded memory.
func TestMeterIsBounded(t *testing.T) {
	m := Meter[int]{Burst: 1, Per: time.Hour, most: 100}
	now := time.Unix(1_000_000, 0)
	for i := range 1000 {
		m.Take(now, i)
		m.Take(now, 0)
	}
	if len(m.known) != 100 || m.order.Len() != 100 {
		t.Errorf("%d are known, %d in order", len(m.known), m.order.Len())
	}
	if m.Allows(now, 999) || m.Allows(now, 0) || !m.Allows(now, 1) {
		t.Error("the wrong ones are remembered")
	}
}

func TestZeroMeterHasNoLimit(t *testing.T) {
	var m Meter[string]
	for range 1000 {
		m.Count(time.Time{}, 1000, "a")
		if !m.Take(time.Time{}, "a") {
			t.Fatal("refused")
		}
	}
	if len(m.known) != 0 {
		t.Error("it remembers")
	}
}

// What is returned can be taken again, and is never more than there was.
func TestMeterReturn(t *testing.T) {
	m := Meter[string]{Burst: 2, Per: time.Minute}
	now := time.Now()
	m.Return(now, "nobody")
	take := func(want bool) {
		t.Helper()
		if m.Take(now, "a") != want {
			t.Errorf("taken: %t", !want)
		}
	}
	take(true)
	take(true)
	take(false)
	m.Return(now, "a")
	take(true)
	take(false)
	m.Return(now.Add(time.Minute), "a")
	m.Return(now.Add(time.Minute), "a")
	now = now.Add(time.Minute)
	take(true)
	take(true)
	take(false)
}
