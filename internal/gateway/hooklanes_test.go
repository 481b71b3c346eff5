package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/fetch"
	"postern/store"
)

// shared are receivers at one host, of which those with evil in their path take every
// connection, and are silent, or answer late.
type shared struct {
	*receiver
	late time.Duration // 0 is never
}

func (s shared) Post(ctx context.Context, p fetch.Post) (fetch.Reply, error) {
	if !strings.Contains(p.URL, "evil") {
		return s.receiver.Post(ctx, p)
	}
	ctx, cancel := context.WithTimeout(ctx, p.Time)
	defer cancel()
	if s.late > 0 {
		ctx, cancel = context.WithTimeout(ctx, s.late)
		defer cancel()
		<-ctx.Done()
		return fetch.Reply{Status: http.StatusOK}, nil
	}
	<-ctx.Done()
	return fetch.Reply{}, fmt.Errorf("%w: %w", fetch.ErrUnanswered, ctx.Err())
}

// hookAt is a hook for all events of an account at a path of a host that many share.
func (s *site) hookAt(account, path string) store.Hook {
	s.t.Helper()
	h, _, err := s.AddHook(s.t.Context(), "test", HookOrder{addr(s.t, account), "https://shared.example" + path, store.HookEventTypes()})
	if err != nil {
		s.t.Fatal(err)
	}
	return h.Hook
}

// Whatever hooks an account has at a host, those of others there are told as if it had
// none: it has no host down for them, and takes no part of the host for itself.
func TestHooksOfOneAccountHoldUpNobodyElses(t *testing.T) {
	for name, late := range map[string]time.Duration{"silent": 0, "slow": hookTime - 700*time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				b := w.site("b.example")
				b.accounts("eve@b.example", "dan@b.example")
				r := shared{&receiver{}, late}
				b.Poster = r
				for i := range maxHooks {
					b.hookAt("eve@b.example", fmt.Sprintf("/evil/%d", i))
				}
				b.hookAt("dan@b.example", "/dan")
				raise := func(account string) {
					b.update(func(tx store.Tx) error {
						return b.raise(tx, addr(t, account), store.HookEvent{Type: store.HookArrived})
					})
				}
				stop := b.work()
				for range 6 {
					raise("eve@b.example")
				}
				synctest.Wait()
				time.Sleep(5 * time.Minute)
				for n := range 12 {
					raise("dan@b.example")
					synctest.Wait()
					if len(r.got) != n+1 {
						t.Fatalf("dan has %d of %d events", len(r.got), n+1)
					}
					time.Sleep(time.Second)
				}
				for _, d := range b.DownLanes() {
					if !strings.Contains(d.Lane, " of eve@b.example at shared.example") {
						t.Errorf("%s is down", d.Lane)
					}
				}
				stop()
				closeStores(w)
			})
		})
	}
}

// A hook that gives no answer holds up no other of its account either.
func TestHooksOfOneAccountAreApart(t *testing.T) {
	_, a, _ := twoSites(t)
	r := &receiver{}
	a.Poster = r
	evil, good := a.hookAt("alice@a.example", "/evil"), a.hookAt("alice@a.example", "/good")
	r.answer = func(p fetch.Post) (fetch.Reply, error) {
		if strings.Contains(p.URL, "evil") {
			return fetch.Reply{}, fetch.ErrBroken
		}
		return fetch.Reply{Status: http.StatusOK}, nil
	}
	for range 2 * breakAfter {
		a.oneEvent(evil) // of both
		a.run()
	}
	if s := a.hookState(good); s.Delivered != 2*breakAfter || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	if s := a.hookState(evil); s.Delivered != 0 || s.Waiting != 2*breakAfter {
		t.Errorf("%+v", s)
	}
	down := a.DownLanes()
	if len(down) != 1 || down[0].Lane != hookLane(evil) {
		t.Errorf("%+v", down)
	}
}

func TestLimitsOfHooks(t *testing.T) {
	c := &Core{Steady: time.Now}
	workers, l := c.toHooks()
	const lane = "x of nurse@b.example at app.example:8443"
	slots := l.Lane(lane)
	equal(t, "slots", slots, []store.Slot{
		{Name: "account nurse@b.example at app.example:8443", Width: 1},
		{Name: "host app.example:8443", Width: hooksAtHost},
		{Name: "zone app.example:8443", Width: zoneDomains * hooksAtHost},
	})
	if l.Flow >= hooksAtHost || slots[2].Width >= workers {
		t.Errorf("flow %d, workers %d", l.Flow, workers)
	}
	c.slowHooks.note("nurse@b.example", slowHook, time.Now())
	c.slowHooks.note("aide@b.example", slowHook-1, time.Now())
	equal(t, "slots of a slow account", l.Lane(lane), []store.Slot{
		slots[0], {Name: "slow at app.example:8443", Width: slowAtHost},
		slots[1], {Name: "slow in zone app.example:8443", Width: zoneDomains * slowAtHost}, slots[2],
	})
	equal(t, "slots of another", len(l.Lane("x of aide@b.example at app.example:8443")), len(slots))
	c.slowHooks.note("nurse@b.example", slowHook, time.Now().Add(-slowMemory-time.Second))
	equal(t, "slots later", l.Lane(lane), slots)
}

// A crowd are receivers at one host, of which those with evil in their path do what they
// can to keep others waiting.
type crowd struct {
	evil func(n int) time.Duration // how long the nth event of one is kept; no answer comes then if it is too long

	mu    sync.Mutex
	asked map[string]int // by URL
}

// count counts an attempt at a URL, and returns how many there were before.
func (c *crowd) count(url string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = make(map[string]int)
	}
	c.asked[url]++
	return c.asked[url] - 1
}

func (c *crowd) counted(url string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[url]
}

// Post implements Poster.
func (c *crowd) Post(_ context.Context, p fetch.Post) (fetch.Reply, error) {
	n, keep := c.count(p.URL), time.Duration(0)
	if strings.Contains(p.URL, "evil") {
		keep = c.evil(n)
	}
	time.Sleep(min(keep, p.Time))
	if keep >= p.Time {
		return fetch.Reply{}, fmt.Errorf("%w: %w", fetch.ErrUnanswered, context.DeadlineExceeded)
	}
	return fetch.Reply{Status: http.StatusOK}, nil
}

// Ten accounts that do their worst at a host, with all the hooks that they may have, keep
// another's event there waiting for no longer than one attempt takes, and seldom at all.
func TestHooksOfManyAccountsHoldUpNobodyElses(t *testing.T) {
	const nearly = hookTime - 100*time.Millisecond
	for name, evil := range map[string]func(n int) time.Duration{
		"silent":         func(int) time.Duration { return hookTime },
		"slow":           func(int) time.Duration { return nearly },
		"now and then":   func(n int) time.Duration { return []time.Duration{0, nearly}[n%2] },
		"silent at last": func(n int) time.Duration { return []time.Duration{0, 0, 0, nearly, hookTime}[min(n, 4)] },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				b := w.site("b.example")
				r := &crowd{evil: evil}
				b.Poster = r
				b.accounts("dan@b.example")
				dan := b.hookAt("dan@b.example", "/dan").URL
				var eves []string
				for i := range 10 {
					eve := fmt.Sprintf("eve%d@b.example", i)
					eves = append(eves, eve)
					b.accounts(eve)
					for n := range maxHooks {
						b.hookAt(eve, fmt.Sprintf("/evil/%d/%d", i, n))
					}
				}
				raise := func(accounts ...string) {
					b.update(func(tx store.Tx) error {
						for _, a := range accounts {
							err := b.raise(tx, addr(t, a), store.HookEvent{Type: store.HookArrived})
							if err != nil {
								return err
							}
						}
						return nil
					})
				}
				stop := b.work()
				late := 0
				const events = 40
				for n := range events {
					if n%3 == 0 {
						raise(eves...)
						synctest.Wait()
					}
					raise("dan@b.example")
					synctest.Wait()
					if r.counted(dan) != n+1 {
						late++
						time.Sleep(hookTime)
						synctest.Wait()
					}
					if got := r.counted(dan); got != n+1 {
						t.Fatalf("dan has %d of %d events after %v", got, n+1, hookTime)
					}
					time.Sleep(11 * time.Second)
				}
				if late > events/10 {
					t.Errorf("%d of %d events were late", late, events)
				}
				stop()
				closeStores(w)
			})
		})
	}
}

// A hook that was made before the clock was set back is told what becomes of
// messages, once, and still nothing that was before it.
func TestHooksAreToldAfterTheClockWasSetBack(t *testing.T) {
	w, a, _ := twoSites(t)
	w.clock.advance(2 * time.Hour)
	r, _, _ := a.everything("alice@a.example")
	w.clock.advance(-time.Hour)
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	w.runAll()
	got := r.events(t)
	slices.Sort(got)
	wantStates(t, got, "arrived alice@a.example INBOX/1 notification", "delivered bob@b.example")
	w.clock.advance(2 * time.Hour)
	w.runAll()
	wantEvents(t, r)
}

// Nor is it told then of what had its final state before it was made, when more is heard of
// that message.
func TestHooksAreNotToldOfBeforeThoughTheClockWasSetBack(t *testing.T) {
	w, a, _ := twoSites(t)
	w.clock.advance(2 * time.Hour)
	a.submit(message("alice@a.example", "bob@b.example>, <nobody@c.example"), "alice@a.example", "bob@b.example", "nobody@c.example")
	a.run() // nobody's failure
	sent, raw := a.taken()
	w.clock.advance(time.Minute)
	r, _, _ := a.everything("alice@a.example")
	w.clock.advance(-time.Hour)
	w.carry(sent[0], raw[0])
	w.runAll()
	got := r.events(t)
	slices.Sort(got)
	wantStates(t, got, "arrived alice@a.example INBOX/2 notification", "delivered bob@b.example")
}
