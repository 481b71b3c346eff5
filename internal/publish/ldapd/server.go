package ldapd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"postern/internal/publish"
)

// A Server answers for the directory of a Source. New makes one.
type Server struct {
	opts    Options
	forest  forest
	limiter *limiter
	stats   counters

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	perIP     map[netip.Prefix]int
	running   sync.WaitGroup // Serve calls and open connections
}

// New returns a server of what the source publishes.
func New(source publish.Source, o Options) *Server {
	o = o.withDefaults()
	return &Server{
		opts:      o,
		forest:    forest{source: source},
		limiter:   newLimiter(o.Rate),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		perIP:     make(map[netip.Prefix]int),
	}
}

// Serve answers connections of l until ctx is done or Shutdown is called, closes
// l and returns nil; or the error of l. It may be called for several listeners.
// When ctx is done connections are ended as by Shutdown, which waits for them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if !s.add(l) {
		l.Close()
		return nil
	}
	defer s.remove(l)
	stop := context.AfterFunc(ctx, s.drain)
	defer stop()
	for {
		socket, err := l.Accept()
		switch {
		case err == nil:
			s.begin(context.WithoutCancel(ctx), socket)
		case s.isClosing():
			return nil
		case passing(err):
			pause(ctx)
		default:
			return fmt.Errorf("accepting connections: %w", err)
		}
	}
}

// acceptPause is how long accepting waits when the system is out of something.
const acceptPause = 100 * time.Millisecond

// passing reports whether accepting may succeed later.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pause waits, or until ctx ends.
func pause(ctx context.Context) {
	t := time.NewTimer(acceptPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Shutdown stops listening, lets requests under way be answered and ends all
// connections with a Notice of Disconnection. When ctx ends first the remaining
// connections are cut, and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.cut()
		return fmt.Errorf("waiting for requests under way: %w", ctx.Err())
	}
}

func (s *Server) add(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners[l] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) remove(l net.Listener) {
	l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	s.running.Done()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
}

func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.cut()
	}
}
