package pickup

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"postern/pickup/door"
)

// A Server serves IMAP. Use NewIMAP.
type Server struct {
	backend  Backend
	options  Options
	imap     *imapserver.Server
	gate     *door.Gate
	ctx      context.Context // ends when sessions must
	cancel   context.CancelFunc
	errors   atomic.Uint64   // answered BAD, or wrong passwords
	shutting context.Context // ends when no session may begin any more
	shut     context.CancelFunc

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	sessions  map[*session]struct{}
	running   sync.WaitGroup // sessions and the goroutines of the server
}

// NewIMAP returns a server that lets in the users of b.
func NewIMAP(b Backend, o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		backend:   b,
		options:   o,
		listeners: map[net.Listener]struct{}{},
		sessions:  map[*session]struct{}{},
	}
	s.gate = door.NewGate("imap", o.Connections, o.ConnectionsPerIP, o.ConnectionRate)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.shutting, s.shut = context.WithCancel(s.ctx)
	s.imap = imapserver.New(&imapserver.Options{
		NewSession: s.newSession,
		Caps:       capabilities(),
		Logger:     libraryLog{o.Log},
		// The library never sees a connection that is not under TLS.
		InsecureAuth: true,
	})
	return s
}

// capabilities lists what depends on us; the library adds AUTH=PLAIN, SASL-IR,
// LITERAL-, ENABLE, IDLE, UNSELECT, UTF8=ACCEPT and APPENDLIMIT where they apply, and
// capabilityLine what it does not know.
func capabilities() imap.CapSet {
	set := imap.CapSet{}
	for _, c := range []imap.Cap{
		imap.CapIMAP4rev1, imap.CapIMAP4rev2, imap.CapNamespace, imap.CapUIDPlus,
		imap.CapESearch, imap.CapSearchRes, imap.CapListExtended, imap.CapListStatus,
		imap.CapMove, imap.CapStatusSize, imap.CapBinary, imap.CapChildren,
		imap.CapSpecialUse, imap.CapCreateSpecialUse, imap.CapLiteralPlus,
	} {
		set[c] = struct{}{}
	}
	return set
}

// errClosed is returned by Serve after Shutdown.
var errClosed = errors.New("the server is closed")

// Serve accepts connections from ln until Shutdown, and then returns nil. When
// ctx ends, listener and sessions are closed without ado. Serve may be called
// for several listeners; it closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.options.Implicit && s.options.TLS == nil {
		return errors.New("serving IMAP: implicit TLS needs a TLS configuration")
	}
	if !s.track(ln) {
		ln.Close()
		return fmt.Errorf("serving IMAP: %w", errClosed)
	}
	defer s.untrack(ln)
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	err := s.imap.Serve(&gatedListener{Listener: ln, gate: s.gate})
	if err != nil && !s.isClosing() {
		return fmt.Errorf("serving IMAP: %w", err)
	}
	return nil
}

func (s *Server) track(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners[ln] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) untrack(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
	ln.Close()
	s.running.Done()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown stops accepting, tells every client BYE once the response it is
// reading is complete, and waits for the sessions to end. When ctx ends first,
// the remaining connections are closed and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.close() {
		s.spawn(func() { c.bye("Server is shutting down") })
	}
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("shutting down IMAP: %w", ctx.Err())
	}
	s.abort()
	<-done
	return err
}

// close stops accepting and returns the sessions of that moment.
func (s *Server) close() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.shut()
	for ln := range s.listeners {
		ln.Close()
	}
	sessions := make([]*session, 0, len(s.sessions))
	for c := range s.sessions {
		sessions = append(sessions, c)
	}
	return sessions
}

// abort closes everything at once.
func (s *Server) abort() {
	for _, c := range s.close() {
		c.hangUp()
	}
	s.cancel()
}

// spawn runs fn beside the sessions; Shutdown waits for it. It is called only
// while a session or listener is counted, or from Shutdown.
func (s *Server) spawn(fn func()) {
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		fn()
	}()
}

// newSession is called by the library for a new connection.
func (s *Server) newSession(conn *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	f, ok := conn.NetConn().(*front)
	if !ok {
		return nil, nil, errors.New("a connection of an unknown kind")
	}
	if !s.enter() {
		f.counted.Close()
		return nil, nil, bye("Server is shutting down")
	}
	defer s.running.Done()
	cc := f.counted
	if cc.Over != "" && !s.options.Implicit {
		s.gate.Log(s.options.Log, cc)
		return nil, nil, bye(cc.Over)
	}
	f.Ended = s.shutting.Done()
	err := s.secure(f)
	if err != nil {
		s.options.Log.Debug("imap connection without TLS", "remote", cc.IP, "err", err)
		cc.Close()
		return nil, nil, bye("TLS is required")
	}
	if cc.Over != "" {
		s.gate.Log(s.options.Log, cc)
		return nil, nil, bye(cc.Over)
	}
	f.until = time.Now().Add(s.options.LoginTime)
	f.Delay, f.Errors = s.options.ErrorDelay, &s.errors
	c := &session{server: s, conn: conn, net: cc, front: f, log: s.options.Log.With("remote", cc.IP)}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	if !s.add(c) {
		c.cancel()
		return nil, nil, bye("Server is shutting down")
	}
	f.taker = c
	f.amend(amendment{begins: "* OK [CAPABILITY ", change: capabilityLine})
	f.greeted = !s.options.Implicit // a client is not greeted twice (RFC 9051 §6.2.1)
	return c, nil, nil
}

// enter counts a connection that is no session yet.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.running.Add(1)
	}
	return !s.closing
}

// secure brings a connection under TLS, in bounded time.
func (s *Server) secure(f *front) error {
	stop := context.AfterFunc(s.shutting, func() { f.counted.Close() })
	defer stop()
	secured := tls.Server(f.counted, s.options.TLS)
	if !s.options.Implicit {
		t, err := s.startTLS(f)
		if err != nil {
			return err
		}
		secured = t
	}
	err := door.Handshake(s.shutting, secured, s.options.Handshake)
	if err != nil {
		return err
	}
	f.over(secured)
	return nil
}

// Stats is what a server has done since its start.
type Stats struct {
	Connections int    // at the moment, of those under TLS
	TurnedAway  uint64 // connections above a limit
	Errors      uint64 // commands that were no good, and wrong passwords
}

// Stats returns what the server does.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{len(s.sessions), s.gate.TurnedAway(), s.errors.Load()}
}

func (s *Server) add(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.sessions[c] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) remove(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	s.running.Done()
}
