package steady

import (
	"testing"
	"testing/synctest"
	"time"
)

// A machine has a clock of its boots and a wall clock that goes anywhere.
type machine struct {
	boot string
	up   time.Duration
	wall time.Time
}

func (m *machine) start(s State) (*Clock, State) {
	c := newClock(func() time.Duration { return m.up }, m.boot, m.wall)
	return c, c.Resume(s)
}

func noon(t *testing.T) time.Time {
	t.Helper()
	return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
}

func at(t *testing.T, c *Clock, want time.Time) {
	t.Helper()
	if got := c.Now(); !got.Equal(want) {
		t.Errorf("it is %s, want %s", got, want)
	}
}

func TestBeginsAtTheWallClock(t *testing.T) {
	m := machine{boot: "b1", up: time.Hour, wall: noon(t)}
	c, s := m.start(State{})
	at(t, c, noon(t))
	if want := (State{Boot: "b1", Zero: noon(t).Add(-time.Hour), Last: noon(t)}); s != want {
		t.Errorf("state %+v, want %+v", s, want)
	}
}

func TestStepsOfTheWallClockDoNotCount(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 1000 * time.Hour, -1000 * time.Hour} {
		m := machine{boot: "b1", up: time.Hour, wall: noon(t)}
		c, s := m.start(State{})
		m.wall = m.wall.Add(step)
		at(t, c, noon(t))
		m.up += time.Minute
		at(t, c, noon(t).Add(time.Minute))
		// The process is killed, and started again a minute later.
		m.up += time.Minute
		again, s2 := m.start(s)
		at(t, again, noon(t).Add(2*time.Minute))
		if s2.Zero != s.Zero {
			t.Errorf("the offset moved in one boot: %s, was %s", s2.Zero, s.Zero)
		}
	}
}

func TestAnotherBootAsksTheWallClock(t *testing.T) {
	for _, tt := range []struct {
		name string
		wall time.Duration // since noon, after the boot
		want time.Duration
	}{
		{"an hour later", time.Hour, time.Hour},
		{"the battery is empty", -30 * 365 * 24 * time.Hour, 10 * time.Minute}, // from the time known last
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := machine{boot: "b1", up: time.Hour, wall: noon(t)}
			_, s := m.start(State{})
			s.Last = noon(t).Add(10 * time.Minute)
			m = machine{boot: "b2", up: 3 * time.Second, wall: noon(t).Add(tt.wall)}
			c, s := m.start(s)
			at(t, c, noon(t).Add(tt.want))
			m.up += time.Minute
			at(t, c, noon(t).Add(tt.want+time.Minute))
			if s.Boot != "b2" || !s.Last.Equal(noon(t).Add(tt.want)) {
				t.Errorf("state %+v", s)
			}
		})
	}
}

// A container may see another offset of the same boot (time_namespaces(7)).
func TestNeverBeforeTheTimeKnownLast(t *testing.T) {
	m := machine{boot: "b1", up: time.Hour, wall: noon(t)}
	_, s := m.start(State{})
	s.Last = noon(t).Add(time.Minute)
	m.up = 0
	c, _ := m.start(s)
	at(t, c, noon(t).Add(time.Minute))
}

func TestMachinesWithoutANameOfTheirBoot(t *testing.T) {
	m := machine{up: time.Hour, wall: noon(t)}
	_, s := m.start(State{})
	m.up, m.wall = 0, noon(t).Add(time.Hour)
	c, _ := m.start(s)
	at(t, c, noon(t).Add(time.Hour))
}

func TestThisMachine(t *testing.T) {
	c := New()
	if d := time.Since(c.Now()); d.Abs() > time.Minute {
		t.Errorf("a new clock is %s off", d)
	}
	first := c.Now()
	if second := c.Now(); second.Before(first) {
		t.Errorf("%s came before %s", second, first)
	}
	s := c.Resume(State{})
	again := New()
	again.Resume(State{Boot: s.Boot, Zero: s.Zero.Add(-time.Hour), Last: s.Zero})
	if s.Boot != "" {
		if d := c.Now().Sub(again.Now()) - time.Hour; d.Abs() > time.Second {
			t.Errorf("the same boot went on %s off", d)
		}
	}
}

func TestWithoutAClockOfTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(sinceStart(), "", Wall())
		begin := c.Now()
		time.Sleep(time.Hour)
		at(t, c, begin.Add(time.Hour))
	})
}
