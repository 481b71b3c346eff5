package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/bundle"
	"postern/internal/fetch"
	"postern/internal/gateway/care"
	"postern/internal/testnet"
	"postern/store"
	"postern/store/storetest"
	"postern/trust/reason"
)

// A calendar runs the schedule in a bubble, whose time flies.
type calendar struct {
	*Core
	t    *testing.T
	path string // of the store
	file []byte // what every host hands out
	log  heard

	mu      sync.Mutex
	down    map[string]error         // by URL
	takes   map[string]time.Duration // by URL
	asked   map[string][]time.Time   // by URL
	busy    int
	busiest int // fetches at once
}

// onCalendar gives the test a store with these bundles; those without a URL have
// one of their own.
func onCalendar(t *testing.T, fn func(t *testing.T, c *calendar), bundles ...store.Bundle) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), care.StoreFile)
		db, err := store.Create(path, store.Options{MasterKey: store.NewMasterKey()})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		c := &calendar{
			t: t, path: path, file: unsigned(t, testnet.NewPKI(t, time.Now()).Root("ours")),
			down: make(map[string]error), takes: make(map[string]time.Duration), asked: make(map[string][]time.Time),
		}
		c.Core = &Core{Store: db, Log: c.log.logger(), Bundles: c}
		c.setDefaults()
		defer c.Close()
		for _, b := range bundles {
			c.put(b)
		}
		fn(t, c)
	})
}

func urlOf(name string) string { return "https://" + name + ".example/bundle" }

func (c *calendar) put(b store.Bundle) {
	c.t.Helper()
	b.URL = urlOf(b.Name)
	if b.Created.IsZero() {
		b.Created = time.Now()
	}
	c.update(func(tx store.Tx) error { return tx.PutBundle(b) })
}

func (c *calendar) update(fn func(tx store.Tx) error) {
	c.t.Helper()
	err := c.Store.Update(c.t.Context(), fn)
	if err != nil {
		c.t.Fatal(err)
	}
}

// Do implements bundle.Fetcher.
func (c *calendar) Do(ctx context.Context, r fetch.Request) (fetch.Document, error) {
	c.mu.Lock()
	c.asked[r.URL] = append(c.asked[r.URL], time.Now())
	c.busy++
	c.busiest = max(c.busiest, c.busy)
	err, takes := c.down[r.URL], c.takes[r.URL]
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.busy--
	}()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return fetch.Document{}, ctx.Err()
		}
	}
	return fetch.Document{Body: c.file}, err
}

// serve runs the schedule for so long.
func (c *calendar) serve(d time.Duration) {
	ctx, stop := context.WithCancel(c.t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.keepBundles(ctx) })
	time.Sleep(d)
	synctest.Wait()
	stop()
	running.Wait()
}

// gaps are the times between the fetches of a bundle.
func (c *calendar) gaps(name string) (all []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked[urlOf(name)]
	for i := 1; i < len(asked); i++ {
		all = append(all, asked[i].Sub(asked[i-1]))
	}
	return all
}

func (c *calendar) fetches(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked[urlOf(name)])
}

func (c *calendar) wantFetches(name string, want int) {
	c.t.Helper()
	if got := c.fetches(name); got != want {
		c.t.Errorf("%s was fetched %d times, want %d", name, got, want)
	}
}

// wantGap expects a wait, or up to a tenth less.
func wantGap(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got > want || got < want-want/10 {
		t.Errorf("a wait of %v, want %v or up to a tenth less", got, want)
	}
}

// TB-11: at once when it is new, and then daily, never later.
func TestTB11_Daily(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.serve(time.Second)
		c.wantFetches("b", 1)
		c.serve(10*day - time.Second)
		if n := c.fetches("b"); n < 11 || n > 12 {
			t.Errorf("%d fetches in ten days", n)
		}
		different := make(map[time.Duration]bool)
		for _, gap := range c.gaps("b") {
			wantGap(t, gap, day)
			different[gap] = true
		}
		if len(different) < 5 {
			t.Errorf("the waits are all alike: %v", different)
		}
	}, store.Bundle{Name: "b", Every: day})
}

// A minute is for tests of others; what has no interval is fetched by hand alone.
func TestIntervals(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.serve(time.Hour)
		for _, gap := range c.gaps("minute") {
			wantGap(t, gap, time.Minute)
		}
		if n := c.fetches("minute"); n < 60 {
			t.Errorf("%d fetches in an hour", n)
		}
		c.wantFetches("by-hand", 0)
		r, err := c.RefreshBundles(t.Context(), []string{"by-hand"})
		if err != nil || r[0].Failure != "" {
			t.Errorf("by hand: %+v, %v", r, err)
		}
		c.serve(2 * time.Hour)
		c.wantFetches("by-hand", 1)
	}, store.Bundle{Name: "minute", Every: time.Minute}, store.Bundle{Name: "by-hand"})
}

// After a failure soon, and then less and less often; after a success on schedule.
func TestRetriesBackOff(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.down[urlOf("daily")], c.down[urlOf("often")] = errors.New("down"), errors.New("down")
		c.serve(12 * time.Hour)
		want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60}
		for i, gap := range c.gaps("daily") {
			wantGap(t, gap, want[min(i, len(want)-1)]*time.Minute)
		}
		for i, gap := range c.gaps("often") {
			wantGap(t, gap, min(want[min(i, len(want)-1)], 5)*time.Minute)
		}
		if n := c.fetches("daily"); n < 15 || n > 20 {
			t.Errorf("%d tries in twelve hours", n)
		}
		c.mu.Lock()
		clear(c.down)
		c.mu.Unlock()
		c.serve(time.Hour)
		n := c.fetches("daily")
		c.serve(20 * time.Hour)
		c.wantFetches("daily", n)
	}, store.Bundle{Name: "daily", Every: day}, store.Bundle{Name: "often", Every: 5 * time.Minute})
}

// What became due while nothing ran is fetched when it runs again, four at a time;
// what is not due waits, as it was recorded.
func TestCatchingUpAfterDowntime(t *testing.T) {
	var all []store.Bundle
	for i := range 10 {
		all = append(all, store.Bundle{Name: fmt.Sprintf("b%d", i), Every: day})
	}
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.serve(time.Minute)
		time.Sleep(time.Hour)
		c.serve(time.Minute)
		for _, b := range all {
			c.wantFetches(b.Name, 1)
			c.takes[urlOf(b.Name)] = 20 * time.Second
		}
		time.Sleep(3 * day)
		c.busiest = 0
		c.serve(time.Minute + time.Second)
		for _, b := range all {
			c.wantFetches(b.Name, 2)
		}
		if c.busiest != maxFetches {
			t.Errorf("%d at once", c.busiest)
		}
	}, all...)
}

// Hosts that are dead, however many, do not delay a bundle whose host is not.
func TestDeadHostsDelayNobody(t *testing.T) {
	all := []store.Bundle{{Name: "alive", Every: time.Minute}}
	for i := range 12 {
		all = append(all, store.Bundle{Name: fmt.Sprintf("dead%d", i), Every: 10 * time.Minute})
	}
	onCalendar(t, func(t *testing.T, c *calendar) {
		for _, b := range all[1:] {
			c.takes[urlOf(b.Name)], c.down[urlOf(b.Name)] = time.Minute, errors.New("dead")
		}
		c.serve(10 * time.Minute) // the first tries: nobody knows yet who is dead
		c.mu.Lock()
		clear(c.asked)
		c.mu.Unlock()
		c.serve(6 * time.Hour)
		for _, gap := range c.gaps("alive") {
			wantGap(t, gap, time.Minute)
		}
		if n := c.fetches("alive"); n < 360 {
			t.Errorf("%d fetches in six hours", n)
		}
	}, all...)
}

// A clock that was wrong, and an interval that was shortened, have it fetched at
// once, not in a hundred years.
func TestATimeFarAheadIsDue(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.serve(time.Minute)
		c.update(func(tx store.Tx) error {
			s, err := tx.BundleState("b")
			s.Next = time.Now().AddDate(100, 0, 0)
			return errors.Join(err, tx.PutBundleState("b", s))
		})
		c.serve(time.Minute)
		c.wantFetches("b", 2)
		c.put(store.Bundle{Name: "b", Every: time.Hour})
		c.serve(time.Minute)
		c.wantFetches("b", 3)
		c.serve(time.Hour)
		c.wantFetches("b", 4)
	}, store.Bundle{Name: "b", Every: day})
}

// What is added while the schedule sleeps is fetched when it is told; who waits for
// it is in the same flight.
func TestBundlesChangedWakesTheSchedule(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.takes[urlOf("b")] = time.Second
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.keepBundles(ctx) })
		time.Sleep(10*time.Second + time.Millisecond)
		c.put(store.Bundle{Name: "b", Every: day})
		c.BundlesChanged()
		synctest.Wait()
		c.wantFetches("b", 1)
		r, err := c.RefreshBundles(t.Context(), nil)
		if err != nil || r[0].Failure != "" || r[0].Took != time.Second {
			t.Errorf("refreshed: %+v, %v", r, err)
		}
		c.wantFetches("b", 1)
		stop()
		running.Wait()
	})
}

// When Core is closed, flights end, nothing is recorded of them, and none begins.
func TestCloseEndsFlights(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.takes[urlOf("b")] = time.Hour
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := c.RefreshBundles(t.Context(), nil)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("refreshed: %v", err)
			}
		})
		synctest.Wait()
		c.Close()
		waiting.Wait()
		_, err := c.RefreshBundles(t.Context(), nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
		report, err := c.BundleReport(t.Context())
		if err != nil || report[0].State.Failures != 0 || !report[0].State.Attempted.IsZero() {
			t.Errorf("report %+v, %v", report, err)
		}
		if lines := c.log.lines(); len(lines) > 0 {
			t.Errorf("logged %q", lines)
		}
	}, store.Bundle{Name: "b", Every: day})
}

// A store that does not take the state is not asked again at once, again and again.
func TestAFailingStoreIsNotHammered(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		real := c.bundles.store
		c.bundles.store = &crashing{Store: real}
		c.serve(10 * time.Minute)
		if n := c.fetches("b"); n < 5 || n > 11 {
			t.Errorf("%d fetches in ten minutes", n)
		}
		c.bundles.store = real
		c.serve(time.Minute)
		report, err := c.BundleReport(t.Context())
		if err != nil || report[0].State.Anchors != 1 {
			t.Errorf("when it works again: %+v, %v", report, err)
		}
	}, store.Bundle{Name: "b", Every: day})
}

// TB-14: louder as it ages.
func TestTB14_LouderAsItAges(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		levels := func() []string { return slices.Compact(c.levels("b")) }
		want := func(when string, stale bool, failures bool) {
			t.Helper()
			report, err := c.BundleReport(t.Context())
			if err != nil || len(report) != 1 || report[0].Stale != stale || report[0].State.FailedSince.IsZero() == failures {
				t.Errorf("%s: %+v, %v", when, report, err)
			}
		}
		c.serve(time.Minute)
		equal(t, "the first", levels(), []string{"INFO"})
		want("fresh", false, false)
		c.down[urlOf("b")] = reason.New(reason.NoRoute, "down")
		c.serve(47 * time.Hour)
		equal(t, "the first two days", levels(), []string{"WARN"})
		want("failing", false, true)
		c.serve(2 * time.Hour)
		levels()
		for range 3 {
			c.serve(day)
			equal(t, "later, each day", c.levels("b"), []string{"ERROR"})
			want("stale", true, true)
		}
		c.down[urlOf("b")] = nil
		c.serve(2 * time.Hour)
		equal(t, "in the end", levels(), []string{"INFO"})
		want("fresh again", false, false)
	}, store.Bundle{Name: "b", Every: day})
}

// levels are those of what was logged of a bundle since the last call.
func (c *calendar) levels(bundle string) (found []string) {
	c.t.Helper()
	for _, line := range c.log.lines() {
		level, _, _ := strings.Cut(strings.TrimPrefix(line, "level="), " ")
		found = append(found, level)
		if !strings.Contains(line, "bundle="+bundle+" ") {
			c.t.Errorf("logged %s", line)
		}
	}
	return found
}

// The log tells of the first failure of a row, then once an hour at the most, and
// of a bundle that is stale once a day, however often it is tried.
func TestFailuresAreNotRepeatedForEachTry(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.serve(time.Second)
		equal(t, "the first", c.levels("b"), []string{"INFO"})
		c.down[urlOf("b")] = reason.New(reason.NoRoute, "down")
		begins := func() {
			t.Helper()
			tries := c.fetches("b")
			c.serve(70 * time.Second)
			equal(t, "a failure that begins", c.levels("b"), []string{"WARN"})
			if c.fetches("b") == tries {
				t.Error("it was not tried")
			}
		}
		begins()
		c.down[urlOf("b")] = nil
		c.serve(70 * time.Second)
		equal(t, "it is over", c.levels("b"), []string{"INFO"})
		c.down[urlOf("b")] = reason.New(reason.NoRoute, "down")
		begins()
		c.serve(20 * time.Hour)
		if tries, n := c.fetches("b"), len(c.levels("b")); n > 2+20 || n < 1 || tries < 1000 {
			t.Errorf("in 20 hours and %d tries the log told %d times", tries, n)
		}
	}, store.Bundle{Name: "b", Every: time.Minute})
}

// A bundle that is stale is told of once a day, also when nobody tries it, and at
// once when it was long stale and is fetched by hand; not when a refresh is due
// that may mend it.
func TestStaleBundlesAreToldOfByThemselves(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.serve(47 * time.Hour)
		equal(t, "for two days", c.levels("b"), nil)
		c.serve(26 * time.Hour)
		equal(t, "on the third and fourth day", c.levels("b"), []string{"ERROR", "ERROR"})
		_, err := c.RefreshBundles(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.serve(time.Minute)
		equal(t, "refreshed", c.levels("b"), []string{"INFO"})
		c.serve(48*time.Hour + time.Minute)
		equal(t, "two days later", c.levels("b"), []string{"ERROR"})
	}, store.Bundle{Name: "b"})
	onCalendar(t, func(t *testing.T, c *calendar) {
		time.Sleep(100 * time.Hour)
		c.takes[urlOf("b")] = 10 * time.Second
		c.serve(time.Minute)
		equal(t, "after a downtime", c.levels("b"), []string{"INFO"})
	}, store.Bundle{Name: "b", Every: day})
}

// A bundle that was never fetched ages from the day it was added; one that is
// fetched by hand is stale after two days.
func TestBundleReport(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		c.down[urlOf("never")] = errors.New("down")
		c.serve(time.Minute)
		_, err := c.RefreshBundles(t.Context(), []string{"by-hand"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(47 * time.Hour)
		c.serve(time.Minute)
		ages := func() (all []string) {
			report, err := c.BundleReport(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range report {
				all = append(all, fmt.Sprintf("%s %v %v %q", h.Name, h.Age.Round(time.Hour), h.Stale, h.State.Failure))
			}
			return all
		}
		equal(t, "after two days", ages(), []string{`by-hand 47h0m0s false ""`, `fresh 0s false ""`, `never 47h0m0s false "unreachable"`})
		time.Sleep(2 * time.Hour)
		c.serve(time.Minute)
		equal(t, "after more", ages(), []string{`by-hand 49h0m0s true ""`, `fresh 2h0m0s false ""`, `never 49h0m0s true "unreachable"`})
	}, store.Bundle{Name: "by-hand"}, store.Bundle{Name: "fresh", Every: day}, store.Bundle{Name: "never", Every: day})
}

var _ bundle.Fetcher = (*calendar)(nil)

// A damaged state stops neither the refresh nor the metrics and lists of the bundles behind
// it, and is mended by the refresh of its own.
func TestADamagedStateStopsNoOtherBundle(t *testing.T) {
	onCalendar(t, func(t *testing.T, c *calendar) {
		state := store.BundleState{Attempted: time.Now().UTC(), Failure: "of aaa"}
		c.update(func(tx store.Tx) error { return tx.PutBundleState("aaa", state) })
		record, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		begins, _, _ := strings.Cut(string(record), "of aaa")
		storetest.Damage(t, c.path, begins+"of aaa", "")
		report, err := c.BundleReport(t.Context())
		if err != nil || len(report) != 3 || !report[0].State.Attempted.IsZero() {
			t.Errorf("%+v, %v", report, err)
		}
		c.serve(time.Second)
		for _, name := range []string{"aaa", "bbb", "ccc"} {
			c.wantFetches(name, 1)
		}
		report, err = c.BundleReport(t.Context())
		if err != nil || len(report) != 3 || report[0].State.Succeeded.IsZero() {
			t.Errorf("%+v, %v", report, err)
		}
	}, store.Bundle{Name: "aaa", Every: time.Hour}, store.Bundle{Name: "bbb", Every: time.Hour}, store.Bundle{Name: "ccc", Every: time.Hour})
}
