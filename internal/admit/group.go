package admit

import (
	"context"
	"net"
	"sync"
)

// A Conn is a connection of a Group.
type Conn interface {
	Drain() // end it after what is under way
	Cut()   // end it now
}

// A Group is the listeners and the connections of one server, which end together.
// The zero Group is ready for use.
type Group struct {
	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	conns     map[Conn]struct{}
	running   sync.WaitGroup // listeners and connections
}

// Listen adds a listener until done is called, which closes it. The end of ctx
// drains the whole group. It is false, and l closed, once the group was drained.
func (g *Group) Listen(ctx context.Context, l net.Listener) (done func(), ok bool) {
	if !add(g, &g.listeners, l) {
		_ = l.Close()
		return nil, false
	}
	stop := context.AfterFunc(ctx, g.Drain)
	return func() {
		stop()
		_ = l.Close()
		remove(g, &g.listeners, l)
	}, true
}

// Add adds a connection, unless the group was drained. Remove is to be called at
// its end.
func (g *Group) Add(c Conn) bool { return add(g, &g.conns, c) }

// Remove takes a connection out, if it is there.
func (g *Group) Remove(c Conn) { remove(g, &g.conns, c) }

func add[K comparable](g *Group, all *map[K]struct{}, k K) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return false
	}
	if *all == nil {
		*all = make(map[K]struct{})
	}
	(*all)[k] = struct{}{}
	g.running.Add(1)
	return true
}

func remove[K comparable](g *Group, all *map[K]struct{}, k K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, there := (*all)[k]
	if there {
		delete(*all, k)
		g.running.Done()
	}
}

// Len returns how many connections there are.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.conns)
}

// Closing reports whether the group was drained.
func (g *Group) Closing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closing
}

// Drain stops listening and drains every connection. Nothing can be added any
// more.
func (g *Group) Drain() {
	for _, c := range g.close() {
		c.Drain()
	}
}

func (g *Group) close() []Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closing = true
	for l := range g.listeners {
		_ = l.Close()
	}
	all := make([]Conn, 0, len(g.conns))
	for c := range g.conns {
		all = append(all, c)
	}
	return all
}

// Cut stops listening and cuts every connection. Nothing can be added any more.
func (g *Group) Cut() {
	for _, c := range g.close() {
		c.Cut()
	}
}

// Shutdown drains the group and waits until all of it has ended. When ctx ends
// first the connections that are left are cut, and its error is returned.
func (g *Group) Shutdown(ctx context.Context) error {
	g.Drain()
	done := make(chan struct{})
	go func() {
		g.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		g.Cut()
		return ctx.Err()
	}
}
