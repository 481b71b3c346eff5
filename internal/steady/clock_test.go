package steady

import (
	"encoding/json"
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

func (m *machine) start(t *testing.T, kept []byte) *Clock {
	t.Helper()
	c := newClock(func() time.Duration { return m.up }, m.boot, m.wall)
	err := c.Resume(kept)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

func at(t *testing.T, c *Clock, want time.Time) {
	t.Helper()
	if got := c.Now(); !got.Equal(want) {
		t.Errorf("it is %s, want %s", got, want)
	}
}

func TestStepsOfTheWallClockDoNotCount(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 1000 * time.Hour, -1000 * time.Hour} {
		m := machine{boot: "b1", up: time.Hour, wall: noon()}
		c := m.start(t, nil)
		at(t, c, noon())
		kept := c.Keep()
		m.wall = m.wall.Add(step)
		at(t, c, noon())
		m.up += time.Minute
		at(t, c, noon().Add(time.Minute))
		// The process is killed, and started again a minute later.
		m.up += time.Minute
		again := m.start(t, kept)
		at(t, again, noon().Add(2*time.Minute))
		if again.zero.Load() != c.zero.Load() {
			t.Error("the offset moved in one boot")
		}
	}
}

func TestAnotherBootAsksTheWallClock(t *testing.T) {
	for name, tt := range map[string]struct {
		wall time.Duration // since noon, after the boot
		want time.Duration
	}{
		"an hour later":        {time.Hour, time.Hour},
		"the battery is empty": {-30 * 365 * 24 * time.Hour, 10 * time.Minute}, // from the time known last
	} {
		t.Run(name, func(t *testing.T) {
			m := machine{boot: "b1", up: time.Hour, wall: noon()}
			c := m.start(t, nil)
			m.up += 10 * time.Minute
			kept := c.Keep()
			m = machine{boot: "b2", up: 3 * time.Second, wall: noon().Add(tt.wall)}
			c = m.start(t, kept)
			at(t, c, noon().Add(tt.want))
			m.up += time.Minute
			at(t, c, noon().Add(tt.want+time.Minute))
			var s state
			err := json.Unmarshal(c.Keep(), &s)
			if err != nil || s.Boot != "b2" {
				t.Errorf("%+v kept, error %v", s, err)
			}
		})
	}
}

// A container may see another offset of the same boot (time_namespaces(7)).
func TestNeverBeforeTheTimeKnownLast(t *testing.T) {
	m := machine{boot: "b1", up: time.Hour, wall: noon()}
	kept := m.start(t, nil).Keep()
	m.up = 0
	at(t, m.start(t, kept), noon())
}

func TestMachineWithoutANameOfItsBoot(t *testing.T) {
	m := machine{up: time.Hour, wall: noon()}
	kept := m.start(t, nil).Keep()
	m.up, m.wall = 0, noon().Add(time.Hour)
	at(t, m.start(t, kept), noon().Add(time.Hour))
}

func TestStateThatIsNone(t *testing.T) {
	m := machine{boot: "b1", up: time.Hour, wall: noon()}
	c := m.start(t, nil)
	for _, kept := range []string{"", "x", `{"last":"soon"}`} {
		if c.Resume([]byte(kept)) == nil {
			t.Errorf("%q: no error", kept)
		}
		at(t, c, noon())
	}
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
	again := New()
	err := again.Resume(c.Keep())
	if d := again.Now().Sub(c.Now()); err != nil || d.Abs() > time.Second {
		t.Errorf("it went on %s off, error %v", d, err)
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
