// Package named is the authoritative DNS server of what a site publishes: SOA,
// NS, MX, SRV, A, AAAA and CERT records of its domains, over UDP and TCP (CD-10).
// It does no recursion, transfers no zones and takes no updates.
//
// [Records] serves records as they are given instead, for the demonstration and
// for tests.
package named

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"postern/internal/admit"
	"postern/internal/publish"
)

// Options say how a Server behaves. The zero value of a limit is its default, but
// for Rate.
type Options struct {
	// Rate is how many answers a second go over UDP to one network of clients, an
	// IPv4 /24 or an IPv6 /56. Of more, every second is truncated to nothing; the
	// others, and all beyond ten times the rate, get none. 0 is no limit.
	Rate int
	// RateTCP is the same over TCP, where one more ends the connection; 200 if 0.
	RateTCP int
	// Connections over TCP at a time; 200 if 0. The next is closed, or takes the
	// place of the one that was answered the longest time ago of a client with more
	// than its own.
	Connections      int
	ConnectionsPerIP int              // the same for one IPv4 address or IPv6 /64, whose next is closed; 20
	Log              *slog.Logger     // discarded if nil; questions are not logged
	Now              func() time.Time // for the rates; time.Now if nil
}

const (
	// idleTime is how long a TCP connection may wait for its next question
	// (RFC 7766 §6.2.3), and to take an answer.
	idleTime = 10 * time.Second
	// connectionQueries bounds the questions of one TCP connection.
	connectionQueries = 100
	// sourceTime bounds the asking of the source.
	sourceTime = 5 * time.Second
)

// A Server answers questions about what is published.
type Server struct {
	opts    Options
	current *current
	gate    admit.Gate // for TCP
	limits  limits
	counts  counters
	ctx     context.Context // of Serve: the source is asked with it
	idle    time.Duration   // idleTime but in tests

	mu      sync.Mutex
	serving bool
	closing bool
	servers []*dns.Server
	started chan struct{} // closed when both are, or one failed
}

// New returns a server of what source publishes. Serve makes it run.
func New(source publish.Source, o Options) *Server {
	return newServer(&current{source: source}, o)
}

func newServer(c *current, o Options) *Server {
	o.RateTCP = cmp.Or(o.RateTCP, 200)
	o.Connections = cmp.Or(o.Connections, 200)
	o.ConnectionsPerIP = cmp.Or(o.ConnectionsPerIP, 20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c.log = o.Log
	s := &Server{opts: o, current: c, ctx: context.Background(), idle: idleTime, started: make(chan struct{})}
	s.gate.Total, s.gate.Each = o.Connections, o.ConnectionsPerIP
	s.limits.set(o)
	return s
}

// Serve answers over TCP by l and over UDP by pc until Shutdown is called, closes
// both and returns nil; or the error of one of them. It is to be called once. The
// values of ctx reach the source; its end does not end serving.
func (s *Server) Serve(ctx context.Context, l net.Listener, pc net.PacketConn) error {
	s.mu.Lock()
	if s.serving || s.closing {
		again := s.serving
		s.mu.Unlock()
		err := errors.Join(l.Close(), pc.Close())
		if again {
			return errors.New("serving DNS: the server was started before")
		}
		return err
	}
	s.serving = true
	s.ctx = context.WithoutCancel(ctx)
	handler := dns.HandlerFunc(s.serveDNS)
	tcp := &dns.Server{Listener: listener{s.gate.Listen(l, nil), s.idle}, Handler: handler, MaxTCPQueries: connectionQueries,
		ReadTimeout: s.idle, IdleTimeout: func() time.Duration { return s.idle }}
	udp := &dns.Server{PacketConn: pc, Handler: handler, UDPSize: maxUDP}
	s.servers = []*dns.Server{tcp, udp}
	s.mu.Unlock()

	s.ask() // so that the first questions have something to be answered from
	var running errgroup.Group
	var ready sync.WaitGroup
	for _, server := range s.servers {
		var once sync.Once
		ready.Add(1)
		isReady := func() { once.Do(ready.Done) }
		server.NotifyStartedFunc = isReady
		running.Go(func() error {
			err := server.ActivateAndServe()
			isReady() // if it never was
			if err != nil && !s.isClosing() {
				go s.Shutdown(context.Background()) // the other has no use alone
				return fmt.Errorf("serving DNS: %w", err)
			}
			return nil
		})
	}
	ready.Wait()
	close(s.started)
	return running.Wait()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown stops listening and waits for the answers under way. When ctx ends
// first the connections are cut, and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	serving, servers := s.serving, s.servers
	s.mu.Unlock()
	if !serving {
		return nil
	}
	<-s.started // a dns.Server cannot be stopped earlier
	var stopping errgroup.Group
	for _, server := range servers {
		stopping.Go(func() error {
			err := server.ShutdownContext(ctx)
			if ctx.Err() != nil {
				return fmt.Errorf("waiting for answers under way: %w", err)
			}
			return nil // it was down
		})
	}
	err := stopping.Wait()
	if err != nil {
		s.gate.Cut()
	}
	return err
}

// serveDNS answers one message. The library has dropped those that are answers
// themselves, which could go on for ever, and has refused those that have not one
// question or are updates.
func (s *Server) serveDNS(w dns.ResponseWriter, q *dns.Msg) {
	defer func() {
		r := recover()
		if r != nil {
			s.opts.Log.Error("answering a DNS question failed", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	tcp := w.LocalAddr().Network() == "tcp"
	gets := s.limits.of(w.RemoteAddr(), tcp, s.opts.Now())
	if gets != whole {
		s.counts.limited.Add(1)
	}
	if gets == none {
		s.ignore(w, tcp)
		return
	}
	m, size, ok := reply(q)
	if tcp {
		size = dns.MaxMsgSize
		s.counts.tcp.Add(1)
	}
	switch {
	case gets == cut:
		m.Truncated = true
	case ok:
		s.answer(m)
	}
	data, err := pack(m, size)
	if err != nil {
		s.opts.Log.Error("a DNS answer cannot be written", "err", err)
		return
	}
	s.counts.add(m.Rcode)
	_, err = w.Write(data)
	if err != nil {
		s.opts.Log.Debug("a DNS answer was not sent", "remote", w.RemoteAddr().String(), "err", err)
	}
}

// ignore answers nothing, and ends a connection that would wait for it.
func (s *Server) ignore(w dns.ResponseWriter, tcp bool) {
	if !tcp {
		return
	}
	err := w.Close()
	if err != nil {
		s.opts.Log.Debug("closing a DNS connection failed", "remote", w.RemoteAddr().String(), "err", err)
	}
}

// answer fills the answer from what is published now.
func (s *Server) answer(m *dns.Msg) {
	x, err := s.ask()
	if err != nil {
		m.Rcode = dns.RcodeServerFailure // another server may know
		return
	}
	x.fill(m)
}

func (s *Server) ask() (*index, error) {
	ctx, cancel := context.WithTimeout(s.ctx, sourceTime)
	defer cancel()
	return s.current.index(ctx)
}

// Stats are counts since the start.
type Stats struct {
	Answers map[string]uint64 // by their code, such as "NXDOMAIN"
	Limited uint64            // questions above a rate: truncated, dropped or hung up on
	TCP     uint64            // questions over TCP that were answered
}

// Stats returns what the server has done so far.
func (s *Server) Stats() Stats {
	st := Stats{Answers: make(map[string]uint64), Limited: s.counts.limited.Load(), TCP: s.counts.tcp.Load()}
	for code := range s.counts.answers {
		n := s.counts.answers[code].Load()
		if n > 0 {
			st.Answers[nameOf(code)] = n
		}
	}
	return st
}

// nameOf names a code. The library has the other meaning of 16.
func nameOf(rcode int) string {
	if rcode == dns.RcodeBadVers {
		return "BADVERS"
	}
	return dns.RcodeToString[rcode]
}

type counters struct {
	answers      [dns.RcodeBadVers + 1]atomic.Uint64 // the largest code there is here
	limited, tcp atomic.Uint64
}

func (c *counters) add(rcode int) { c.answers[rcode].Add(1) }
