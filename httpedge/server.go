package httpedge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/admit"
	"postern/mime"
)

// Bounds of HTTP itself.
const (
	maxHeaderBytes = 16 << 10
	maxStreams     = 32        // at once on a connection of HTTP/2
	maxUnread      = 128 << 10 // of what a client of HTTP/2 may send ahead, on a connection
	maxFrame       = 16 << 10  // as small as may be (RFC 9113 §4.2): a connection has room for one
)

// A Server serves the requests of our accounts. Use New.
type Server struct {
	backend Backend
	options Options
	http    http.Server
	routes  []route

	gate       admit.Gate
	arrivals   admit.Meter[netip.Prefix] // connections
	told       admit.Meter[netip.Prefix] // those refused that were logged
	lookups    admit.Meter[string]       // by Address.Key
	refused    admit.Meter[string]       // recipients, by Address.Key of who named them
	taken      *memory                   // of messages that come within JSON
	shown      *memory                   // of those that are shown
	turnedAway atomic.Uint64
	errors     atomic.Uint64
	open       connections
	underWay   tally

	closing context.Context // ends when waits must
	close   context.CancelFunc

	mu   sync.Mutex
	busy map[string]int      // requests of an account, by Address.Key
	keys map[string]struct{} // idempotency keys of requests that are under way
}

// New returns a server of the accounts of b.
func New(b Backend, o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		backend: b, options: o, taken: newMemory(o.JSONMemory-o.JSONMemory/4, 2*o.MessageBytes), shown: newMemory(o.JSONMemory/4, reading),
		gate:     admit.Gate{Total: o.Connections, Each: o.ConnectionsPerIP},
		arrivals: admit.Meter[netip.Prefix]{Burst: o.ConnectionRate, Per: time.Minute},
		told:     admit.Meter[netip.Prefix]{Burst: 1, Per: time.Minute},
		lookups:  admit.Meter[string]{Burst: o.Lookups, Per: time.Minute},
		refused:  admit.Meter[string]{Burst: o.Lookups, Per: time.Minute},
		busy:     make(map[string]int), keys: make(map[string]struct{}),
	}
	s.closing, s.close = context.WithCancel(context.Background())
	s.routes = s.table()
	s.http = http.Server{
		Handler: http.HandlerFunc(s.serve), TLSConfig: tlsConfig(o.TLS),
		ReadHeaderTimeout: o.HeaderTime, IdleTimeout: o.Idle,
		// Bodies go on as long as they move: see body.
		ReadTimeout: o.Silence, WriteTimeout: o.Silence,
		MaxHeaderBytes: maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: maxUnread, MaxReceiveBufferPerStream: maxUnread,
			MaxReadFrameSize: maxFrame,
		},
		ErrorLog:    slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		ConnContext: s.withConnection,
		ConnState:   s.count,
	}
	s.http.RegisterOnShutdown(func() {
		s.close()
		s.open.end()
	})
	return s
}

// tlsConfig offers HTTP/2 whatever configuration a client is given.
func tlsConfig(base *tls.Config) *tls.Config {
	if base == nil {
		return nil
	}
	c := withHTTP(base)
	if base.GetConfigForClient != nil {
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			special, err := base.GetConfigForClient(hello)
			if err != nil || special == nil {
				return nil, err
			}
			return withHTTP(special), nil
		}
	}
	return c
}

func withHTTP(base *tls.Config) *tls.Config {
	c := base.Clone()
	for _, p := range []string{"h2", "http/1.1"} {
		if !slices.Contains(c.NextProtos, p) {
			c.NextProtos = append(slices.Clip(c.NextProtos), p)
		}
	}
	return c
}

// Serve accepts connections from l until Shutdown, and then returns nil. When ctx
// ends, listener and connections are closed without ado.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.options.TLS == nil {
		_ = l.Close()
		return errors.New("serving HTTP: tokens travel under TLS alone, and there is no TLS configuration")
	}
	stop := context.AfterFunc(ctx, func() {
		s.close()
		_ = s.http.Close()
	})
	defer stop()
	err := s.http.ServeTLS(s.gate.Listen(&arrivals{l, s}, s.refuse), "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving HTTP: %w", err)
}

// Shutdown stops accepting and waits for the requests under way; lists that wait for
// news end at once, and connections that wait for their clients alone soon. When ctx ends
// first, what is left is cut off, and its error is returned. In any case the backend has
// ended by then what it did for connections that broke, or severance is over.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
		err = fmt.Errorf("shutting down HTTP: %w", err)
	}
	s.underWay.wait(severance) // net/http waits for connections, not for what runs for them
	return err
}

// An arrivals listener turns away clients that come too often.
type arrivals struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (a *arrivals) Accept() (net.Conn, error) {
	for {
		conn, err := a.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if a.server.arrivals.Take(time.Now(), admit.Client(admit.AddrPort(conn.RemoteAddr()).Addr())) {
			return conn, nil
		}
		a.server.refuse(conn)
	}
}

// refuse closes a connection above a limit. It is logged once a minute for a client,
// which could fill a disk otherwise.
func (s *Server) refuse(conn net.Conn) {
	s.turnedAway.Add(1)
	client := admit.Client(admit.AddrPort(conn.RemoteAddr()).Addr())
	if s.told.Take(time.Now(), client) {
		s.options.Log.Warn("connections turned away", "client", client)
	}
	_ = conn.Close()
}

// count forgets connections that are closed.
func (s *Server) count(c net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		s.open.remove(c)
	}
}

// Stats is what a server has done since its start.
type Stats struct {
	Connections int    // at the moment
	TurnedAway  uint64 // connections above a limit
	Errors      uint64 // requests that were no good, and wrong tokens
}

// Stats returns what the server does.
func (s *Server) Stats() Stats {
	return Stats{s.open.len(), s.turnedAway.Load(), s.errors.Load()}
}

// begin counts a request of an account, if it may have one more at once.
func (s *Server) begin(account mime.Address) (end func(), ok bool) {
	key := account.Key()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[key] >= s.options.Requests {
		return nil, false
	}
	s.busy[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy[key]--
		if s.busy[key] == 0 {
			delete(s.busy, key)
		}
	}, true
}

// hold keeps a second request with the same idempotency key out while the first is
// under way. It is a courtesy of this process: what keeps a message from being sent
// twice is the transaction that takes it.
func (s *Server) hold(account mime.Address, key string) (release func(), ok bool) {
	name := account.Key() + "\x00" + key
	s.mu.Lock()
	defer s.mu.Unlock()
	_, held := s.keys[name]
	if held {
		return nil, false
	}
	s.keys[name] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.keys, name)
	}, true
}
