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

	"postern/internal/admit"
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
	group    admit.Group    // sessions, and connections that may become one
	running  sync.WaitGroup // sessions, and the goroutines beside them
}

// NewIMAP returns a server that lets in the users of b.
func NewIMAP(b Backend, o Options) *Server {
	o = o.withDefaults()
	s := &Server{backend: b, options: o}
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
	done, ok := s.group.Listen(context.WithoutCancel(ctx), ln)
	if !ok {
		return fmt.Errorf("serving IMAP: %w", errClosed)
	}
	defer done()
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	err := s.imap.Serve(&gatedListener{Listener: ln, server: s})
	if err != nil && !s.group.Closing() {
		return fmt.Errorf("serving IMAP: %w", err)
	}
	return nil
}

// Shutdown stops accepting, tells every client BYE once its command is answered (of FETCH,
// once the response it is reading is complete), and waits for the sessions to end: for none
// on which nothing moves, longer than door.Farewell. When ctx ends first, the remaining connections are closed and its
// error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.shut()
	err := s.group.Shutdown(ctx)
	s.cancel()
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("shutting down IMAP: %w", err)
	}
	return nil
}

// abort closes everything at once.
func (s *Server) abort() {
	s.shut()
	s.group.Cut()
	s.cancel()
}

// spawn runs fn beside the sessions; Shutdown waits for it. It is called only
// while a session is counted.
func (s *Server) spawn(fn func()) { s.running.Go(fn) }

// newSession is called by the library for a new connection.
func (s *Server) newSession(conn *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
	f, ok := conn.NetConn().(*front)
	if !ok {
		return nil, nil, errors.New("a connection of an unknown kind")
	}
	cc := f.counted
	if !s.group.Add(arriving{cc}) {
		cc.Close()
		return nil, nil, bye(shuttingDown)
	}
	defer s.group.Remove(arriving{cc})
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
	f.Until = time.Now().Add(s.options.LoginTime)
	f.Delay, f.Errors = s.options.ErrorDelay, &s.errors
	c := &session{server: s, conn: conn, net: cc, front: f, log: s.options.Log.With("remote", cc.IP)}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	if !s.add(c) {
		c.cancel()
		return nil, nil, bye(shuttingDown)
	}
	f.taker = c
	f.amend(amendment{begins: "* OK [CAPABILITY ", change: capabilityLine})
	f.greeted = !s.options.Implicit // a client is not greeted twice (RFC 9051 §6.2.1)
	return c, nil, nil
}

// An arriving connection is no session yet: nobody has to be told that it ends.
type arriving struct{ *door.Conn }

// Drain implements admit.Conn.
func (a arriving) Drain() { _ = a.Close() }

// Cut implements admit.Conn.
func (a arriving) Cut() { _ = a.Close() }

// secure brings a connection under TLS, in bounded time.
func (s *Server) secure(f *front) error {
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
	Connections int    // at the moment
	TurnedAway  uint64 // connections above a limit
	Errors      uint64 // commands that were no good, and wrong passwords
}

// Stats returns what the server does.
func (s *Server) Stats() Stats {
	return Stats{s.group.Len(), s.gate.TurnedAway(), s.errors.Load()}
}

// add counts a session, unless none may begin any more.
func (s *Server) add(c *session) bool {
	s.running.Add(1)
	ok := s.group.Add(c)
	if !ok {
		s.running.Done()
	}
	return ok
}

func (s *Server) remove(c *session) {
	s.group.Remove(c)
	s.running.Done()
}

// Drain tells the client BYE once its command is answered: with FETCH, which may send for
// long, once the response that it is sent is complete. A client that sends or takes nothing
// of that is not waited for, and told nothing; nor is one that is asked for more, as within
// AUTHENTICATE, where the library says nothing else. It implements admit.Conn.
func (s *session) Drain() {
	s.net.Hurry()
	if !s.front.leave() {
		s.server.spawn(func() { s.bye(shuttingDown) })
	}
}

// Cut breaks off what is under way. It implements admit.Conn.
func (s *session) Cut() { s.hangUp() }
