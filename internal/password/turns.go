package password

import (
	"context"
	"net/netip"
	"sync"
)

// A Client is who asks for a hash. The known have three turns for one of strangers
// while both wait. Among the known turns go account by account, among strangers
// network by network, so that many from one do not keep the others waiting. The zero
// Client is a stranger without a network.
type Client struct {
	Network netip.Prefix
	// Account is the one of which the client gave the right password lately; "" is
	// a stranger.
	Account string
}

// knownTurns is how many turns the known have for one of strangers.
const knownTurns = 3

// turns are room for work that is given in turns.
type turns struct {
	mu               sync.Mutex
	free             int64
	known, strangers line
	run              int // turns that the known had since strangers had one
}

// A line is what waits of each account, or of each network, and whose turn it is.
type line struct {
	waiting map[Client][]*waiter
	order   []Client
}

type waiter struct {
	weight int64
	ready  chan struct{} // closed when it has its room
}

// place returns the line of a client and by what it has its turns there.
func (t *turns) place(c Client) (*line, Client) {
	if c.Account != "" {
		return &t.known, Client{Account: c.Account}
	}
	return &t.strangers, c
}

// acquire waits for room.
func (t *turns) acquire(ctx context.Context, c Client, weight int64) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	w := t.enter(c, weight)
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-w.ready: // at the same moment
		t.free += weight
	default:
		l, share := t.place(c)
		l.remove(share, w)
	}
	t.grant()
	return ctx.Err()
}

// enter has a client wait for room.
func (t *turns) enter(c Client, weight int64) *waiter {
	w := &waiter{weight: weight, ready: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	l, share := t.place(c)
	l.add(share, w)
	t.grant()
	return w
}

func (t *turns) release(weight int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free += weight
	t.grant()
}

// grant gives room to those whose turn it is, as far as there is some.
func (t *turns) grant() {
	for {
		l, run := &t.known, t.run+1
		if len(t.known.order) == 0 || t.run >= knownTurns && len(t.strangers.order) > 0 {
			l, run = &t.strangers, 0
		}
		if !l.grant(&t.free) {
			return
		}
		t.run = run
	}
}

// grant gives room to the first of the line, if there is one and room for it.
func (l *line) grant(free *int64) bool {
	if len(l.order) == 0 {
		return false
	}
	share := l.order[0]
	w := l.waiting[share][0]
	if w.weight > *free {
		return false
	}
	*free -= w.weight
	close(w.ready)
	l.order = append(l.order[1:], share) // its next one comes after the others
	l.remove(share, w)
	return true
}

func (l *line) add(share Client, w *waiter) {
	if l.waiting == nil {
		l.waiting = make(map[Client][]*waiter)
	}
	if len(l.waiting[share]) == 0 {
		l.order = append(l.order, share)
	}
	l.waiting[share] = append(l.waiting[share], w)
}

func (l *line) remove(share Client, w *waiter) {
	all := l.waiting[share]
	for i := range all {
		if all[i] == w {
			all = append(all[:i:i], all[i+1:]...)
			break
		}
	}
	if len(all) > 0 {
		l.waiting[share] = all
		return
	}
	delete(l.waiting, share)
	for i := range l.order {
		if l.order[i] == share {
			l.order = append(l.order[:i:i], l.order[i+1:]...)
			break
		}
	}
}
