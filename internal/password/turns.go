package password

import (
	"context"
	"net/netip"
	"sync"
)

// A Client is who asks for a hash. Those that wait have their turns network by
// network, so that many from one do not keep the others waiting, and the known go
// before strangers. The zero Client is a stranger without a network.
type Client struct {
	Network netip.Prefix
	Known   bool // it gave a right password lately
}

// turns are room for work that is given in turns.
type turns struct {
	mu    sync.Mutex
	free  int64
	lines [2]line // of the known, of strangers
}

// A line is what waits of each network, and whose turn it is.
type line struct {
	waiting map[netip.Prefix][]*waiter
	order   []netip.Prefix
}

type waiter struct {
	weight int64
	ready  chan struct{} // closed when it has its room
}

func (t *turns) lineOf(c Client) *line {
	if c.Known {
		return &t.lines[0]
	}
	return &t.lines[1]
}

// acquire waits for room.
func (t *turns) acquire(ctx context.Context, c Client, weight int64) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	w := &waiter{weight: weight, ready: make(chan struct{})}
	t.mu.Lock()
	t.lineOf(c).add(c.Network, w)
	t.grant()
	t.mu.Unlock()
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
		t.lineOf(c).remove(c.Network, w)
	}
	t.grant()
	return ctx.Err()
}

func (t *turns) release(weight int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free += weight
	t.grant()
}

// grant gives room to those whose turn it is, as far as there is some.
func (t *turns) grant() {
	for i := range t.lines {
		l := &t.lines[i]
		for len(l.order) > 0 {
			network := l.order[0]
			w := l.waiting[network][0]
			if w.weight > t.free {
				return
			}
			t.free -= w.weight
			close(w.ready)
			l.order = append(l.order[1:], network) // its next one comes after the others
			l.remove(network, w)
		}
	}
}

func (l *line) add(network netip.Prefix, w *waiter) {
	if l.waiting == nil {
		l.waiting = make(map[netip.Prefix][]*waiter)
	}
	if len(l.waiting[network]) == 0 {
		l.order = append(l.order, network)
	}
	l.waiting[network] = append(l.waiting[network], w)
}

func (l *line) remove(network netip.Prefix, w *waiter) {
	all := l.waiting[network]
	for i := range all {
		if all[i] == w {
			all = append(all[:i:i], all[i+1:]...)
			break
		}
	}
	if len(all) > 0 {
		l.waiting[network] = all
		return
	}
	delete(l.waiting, network)
	for i := range l.order {
		if l.order[i] == network {
			l.order = append(l.order[:i:i], l.order[i+1:]...)
			break
		}
	}
}
