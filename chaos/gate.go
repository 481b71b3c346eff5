package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A gate is the way to a server that may be shut: then it takes connections and
// nothing goes through them.
type gate struct {
	addr string
	shut atomic.Bool
	held atomic.Int64 // connections that came while it was shut
	all  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newGate(t testing.TB, to string) *gate {
	t.Helper()
	g := &gate{conns: make(map[net.Conn]bool)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = listener.Addr().String()
	g.all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			g.all.Go(func() { g.pass(near, to) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		g.mu.Lock()
		for c := range g.conns {
			_ = c.Close()
		}
		g.mu.Unlock()
		g.all.Wait()
	})
	return g
}

func (g *gate) keep(open bool, conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		if open {
			g.conns[c] = true
		} else {
			delete(g.conns, c)
		}
	}
}

func (g *gate) pass(near net.Conn, to string) {
	defer near.Close()
	_ = near.SetDeadline(time.Now().Add(sessionTime))
	g.keep(true, near)
	defer g.keep(false, near)
	if g.shut.Load() {
		g.held.Add(1)
		_, _ = io.Copy(io.Discard, near)
		return
	}
	far, err := net.DialTimeout("tcp", to, sessionTime)
	if err != nil {
		return
	}
	defer far.Close()
	_ = far.SetDeadline(time.Now().Add(sessionTime))
	g.keep(true, far)
	defer g.keep(false, far)
	g.all.Go(func() {
		_, _ = io.Copy(far, near)
		_ = far.Close()
	})
	_, _ = io.Copy(near, far)
}
