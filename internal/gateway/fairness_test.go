package gateway

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/gateway/task"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// A tally is a network in which every delivery takes a second and one destination
// is dead. It writes down who got how far in which order.
type tally struct {
	dead mime.Domain
	mu   sync.Mutex
	sent []string // "sender destination" of what was taken
	vain int      // attempts at the dead destination
}

func (c *tally) Send(ctx context.Context, d smtp.Delivery) []smtp.Result {
	if c.isDead(d.Destination) {
		return down(d)
	}
	if !task.Pause(ctx, time.Second) {
		return said(d, reason.PeerUnreachable)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, fmt.Sprintf("%s %s", d.From, d.Destination))
	return said(d, reason.OK)
}

// isDead counts an attempt if it is in vain.
func (c *tally) isDead(d mime.Domain) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d == c.dead {
		c.vain++
	}
	return d == c.dead
}

// since returns what was sent after the first n.
func (c *tally) since(n int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sent[n:])
}

// tries returns how often the dead destination was tried.
func (c *tally) tries() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.vain
}

// bulk puts so many sealed messages into the queue.
func (s *site) bulk(n int, from, to string, automatic bool) {
	s.t.Helper()
	body, err := s.Store.NewBody(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer body.Discard()
	_, err = io.WriteString(body, "Message-ID: <bulk@a.example>\r\n\r\nx\r\n")
	if err != nil {
		s.t.Fatal(err)
	}
	now, a := s.Steady(), addr(s.t, to)
	s.update(func(tx store.Tx) error {
		id, err := tx.PutBody(body)
		for range n {
			if err != nil {
				return err
			}
			_, err = tx.Enqueue(store.Job{
				Kind: store.RelayJob, Era: store.Now, Body: id, Sender: addr(s.t, from), Recipients: []mime.Address{a}, Destination: a.Domain(),
				Lane: a.Domain().String(), Flow: flowOf(addr(s.t, from)), Automatic: automatic,
				Created: now, Due: now, Expires: now.Add(s.RetryFor),
			})
		}
		return err
	})
}

// One dead destination and one bulk sender delay nobody else, and notifications go
// before bulk mail.
func TestQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		a.accounts("alice@a.example", "bulk@a.example", "carol@a.example")
		net := &tally{dead: "dead.example"}
		a.Sender = net
		a.bulk(1000, "alice@a.example", "x@dead.example", false)
		a.bulk(1000, "bulk@a.example", "x@b.example", false)
		stop := a.work()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		before := len(net.since(0))
		if before < 70 {
			t.Errorf("in ten seconds %d messages went to a destination that takes 8 a second", before)
		}
		a.bulk(1, "carol@a.example", "y@b.example", false)
		a.bulk(1, "carol@a.example", "y@c.example", false)
		a.bulk(1, "alice@a.example", "y@c.example", false) // hers wait for another destination
		a.bulk(1, "bulk@a.example", "n@b.example", true)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		after := net.since(before)
		const fewTurns = 3 * defaultPerDestination
		for _, want := range []string{"carol@a.example b.example", "carol@a.example c.example", "alice@a.example c.example"} {
			if i := slices.Index(after, want); i < 0 || i > fewTurns {
				t.Errorf("%s went out as number %d", want, i)
			}
		}
		if n := len(a.jobs(store.RelayJob)) - 1000; n > 1000-before {
			t.Errorf("%d bulk messages are left", n)
		}
		if slices.ContainsFunc(a.jobs(store.RelayJob), func(j store.Job) bool { return j.Automatic }) {
			t.Error("a notification waits behind bulk mail")
		}
		if vain := net.tries(); vain > 3*defaultPerDestination {
			t.Errorf("%d attempts at a dead destination", vain)
		}
		equal(t, "down", len(a.DownLanes()), 1)
		stop()
		closeStores(w)
	})
}

// When a destination is back, all that waited for it goes out, and operators need
// do nothing.
func TestADestinationComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		a.accounts("alice@a.example")
		net := &tally{dead: "b.example"}
		a.Sender = net
		a.bulk(100, "alice@a.example", "x@b.example", false)
		stop := a.work()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if vain := net.tries(); vain > 100 {
			t.Errorf("%d attempts in two hours", vain)
		}
		equal(t, "waiting", len(a.jobs(store.RelayJob)), 100)
		net.mu.Lock()
		net.dead = ""
		net.mu.Unlock()
		time.Sleep(longestBreak + longestBreak/jitterPart + 2*time.Second)
		synctest.Wait()
		if left := len(a.jobs(store.RelayJob)); left > 50 { // some wait for their next attempt
			t.Errorf("%d are left", left)
		}
		equal(t, "down", len(a.DownLanes()), 0)
		time.Sleep(lastRetry)
		synctest.Wait()
		equal(t, "left", len(a.jobs(store.RelayJob)), 0)
		stop()
		closeStores(w)
	})
}
