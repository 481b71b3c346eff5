package smtp

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"postern/mime"
	"postern/trust/reason"
)

// An Edge is a host that is handed opened messages, whose protection on the way is TLS
// alone: without TLS, or with another certificate than that which is asked for, it gets
// nothing, and there is no fallback.
type Edge struct {
	Host string // a host name or an IP address
	Port uint16
	// Implicit says that TLS begins with the first octet (RFC 8314 §3); otherwise
	// STARTTLS is required.
	Implicit bool
	// TLS says whose certificate is believed. It must verify it: nil believes the
	// system's authorities, for Host.
	TLS *tls.Config
	// User and Password are for AUTH PLAIN (RFC 4616), which is required where User is
	// not "".
	User, Password string
}

// errNoEdge ends a delivery to nowhere.
var errNoEdge = errors.New("the edge has no host or no port")

// Push delivers to an edge, over a connection of its own, and returns one result for
// each recipient, in their order. What goes wrong before MAIL is temporary, also a
// wrong certificate or password: an operator mends it, and no message is lost for it.
func (r *Relay) Push(ctx context.Context, e Edge, d Delivery) []Result {
	ctx, cancel := context.WithTimeout(ctx, r.Timeouts.withDefaults().Total)
	defer cancel()
	var results []Result
	t := r.meet(ctx, e, func(l *link) (failure Result, over bool) {
		err := l.mail(d)
		if err != nil {
			failure = tooFast(l.mark(outcome(err, l.host)))
			if failure.Code == reason.PeerRefused {
				results = spread(d.To, failure)
			}
			return failure, results != nil
		}
		results, _ = l.deliver(d)
		return Result{}, true
	})
	if results != nil {
		for i, result := range results {
			results[i] = e.discreet(result)
		}
		return t.before(results)
	}
	return t.results(d.To)
}

// A Met is what was found of an edge that could be used.
type Met struct {
	Address     netip.AddrPort
	TLS         tls.ConnectionState
	LoggedIn    bool     // by AUTH PLAIN
	EightBit    bool     // it takes 8BITMIME (RFC 6152)
	LargestSize int64    // octets of a message, 0 if it does not say (RFC 1870)
	Others      []Result // addresses that could not be used before it
}

// Meet connects to an edge as Push does, up to where a message would begin, and tells
// what was found, or why it cannot be used.
func (r *Relay) Meet(ctx context.Context, e Edge) (Met, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeouts.withDefaults().Total)
	defer cancel()
	var met *Met
	t := r.meet(ctx, e, func(l *link) (Result, bool) {
		met = &Met{LoggedIn: e.User != "", EightBit: l.eightBit, TLS: l.state}
		met.Address, _ = netip.ParseAddrPort(l.paced.RemoteAddr().String())
		size, ok := l.client.MaxMessageSize()
		if ok {
			met.LargestSize = int64(size)
		}
		return Result{}, true
	})
	if met == nil {
		f := t.results(make([]mime.Address, 1))[0]
		if f.Reply != 0 {
			f.Text = fmt.Sprintf("the server answered %d: %s", f.Reply, f.Text)
		}
		return Met{}, reason.New(f.Code, "%s", f.Text)
	}
	met.Others = t.failures
	return *met, nil
}

// meet calls do with a connection to each address of an edge in turn, until it says
// that all is done.
func (r *Relay) meet(ctx context.Context, e Edge, do func(*link) (failure Result, over bool)) trial {
	var t trial
	if e.Host == "" || e.Port == 0 {
		t.failed(failed(reason.New(reason.Internal, "%w", errNoEdge), e.Host))
		return t
	}
	addresses, err := r.addresses(ctx, e.Host)
	if err != nil {
		t.failed(failed(err, e.Host))
		return t
	}
	for _, a := range addresses {
		if ctx.Err() != nil {
			return t
		}
		t.attempts++
		l, err := r.openEdge(ctx, e, netip.AddrPortFrom(a, e.Port))
		if err != nil {
			t.failed(e.discreet(tooFast(noService(err, e.Host))))
			continue
		}
		failure, over := do(l)
		l.close()
		if over {
			return t
		}
		t.failed(e.discreet(failure))
	}
	return t
}

// openEdge opens a session in which a message may begin.
func (r *Relay) openEdge(ctx context.Context, e Edge, addr netip.AddrPort) (*link, error) {
	t := r.Timeouts.withDefaults()
	conn, err := connect(ctx, r.Dial, addr, t)
	if err != nil {
		return nil, err
	}
	config := e.TLS
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	l, err := newLink(ctx, conn, reach{
		hostname: r.Hostname, host: strings.TrimSuffix(e.Host, "."), tls: config,
		startTLS: true, must: true, implicit: e.Implicit, timeouts: t,
	})
	if err != nil {
		return nil, err
	}
	l.foreign = true
	l.eightBit, _ = l.client.Extension("8BITMIME")
	err = l.logIn(e)
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// logIn proves who we are. The password goes nowhere without TLS that was verified.
func (l *link) logIn(e Edge) error {
	switch {
	case e.User == "":
		return nil
	case !l.tls:
		return errors.New("no password without TLS")
	case !l.client.SupportsAuth(sasl.Plain):
		return errors.New("the server does not offer AUTH PLAIN, which is required")
	}
	err := l.client.Auth(sasl.NewPlainClient("", e.User, e.Password))
	var noReply textproto.ProtocolError
	switch reply := replyIn(err); {
	case err == nil:
		return nil
	case reply != nil: // its words may repeat what was said to it, or part of that
		return &ReplyError{Code: reply.Code, Enhanced: reply.Enhanced, Text: "the login is refused"}
	case errors.As(err, &noReply): // whose text is what the server said
		return errors.New("logging in: the server's answer is no reply")
	}
	return fmt.Errorf("logging in: %w", err)
}

// discreet returns a result without the words of a server that repeats our password.
func (e Edge) discreet(r Result) Result {
	said := []string{e.Password}
	for _, s := range []string{e.Password, "\x00" + e.User + "\x00" + e.Password} {
		said = append(said, base64.StdEncoding.EncodeToString([]byte(s)))
	}
	repeats := func(s string) bool { return strings.Contains(r.Text, s) }
	if e.Password != "" && slices.ContainsFunc(said, repeats) {
		r.Text = "the server's words have the password in them"
	}
	return r
}

// implicitTLS begins a session with TLS (RFC 8314 §3.3).
func (r reach) implicitTLS(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	err := conn.SetDeadline(time.Now().Add(r.timeouts.Command))
	if err != nil {
		return nil, fmt.Errorf("setting the time limit: %w", err)
	}
	return r.handshake(ctx, conn)
}
