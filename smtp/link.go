package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// A link is a connection to a peer on which EHLO has been said, over TLS where
// the peer could.
type link struct {
	client *gosmtp.Client
	host   string
	tls    bool
	state  tls.ConnectionState
	keep   bool        // it is as safe as the peer offers: good for more than one message
	stop   func() bool // ends the watch of the context

	eightBit  bool // BODY=8BITMIME may be said
	foreign   bool // what goes over it is as others wrote it, and not sealed by us
	lines     *lines
	paced     *paced
	total     time.Duration // of a delivery whose context has no end
	delivered int           // messages
	timer     *time.Timer   // of its wait for the next
}

// errHandshake is wrapped by the error of a STARTTLS that was promised and did
// not work.
var errHandshake = errors.New("TLS handshake")

func isHandshake(err error) bool { return errors.Is(err, errHandshake) }

// A reach says how to talk to a peer.
type reach struct {
	hostname string
	host     string // for SNI and for verification
	tls      *tls.Config
	startTLS bool // use STARTTLS when it is offered
	must     bool // and fail when it is not
	implicit bool // TLS begins before the greeting
	timeouts Timeouts
}

func (r *Relay) open(ctx context.Context, h host, addr netip.AddrPort, startTLS bool) (*link, error) {
	t := r.Timeouts.withDefaults()
	conn, err := connect(ctx, h.dial, addr, t)
	if err != nil {
		return nil, err
	}
	config := r.TLSConfig
	if config == nil {
		config = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} // CP-25
	}
	return newLink(ctx, conn, reach{
		hostname: r.Hostname, host: strings.TrimSuffix(h.name, "."), tls: config,
		startTLS: startTLS, must: r.RequireTLS, timeouts: t,
	})
}

// connect dials an address, in the way given if there is one.
func connect(ctx context.Context, dial func(ctx context.Context, network, address string) (net.Conn, error), addr netip.AddrPort, t Timeouts) (net.Conn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	limited, cancel := context.WithTimeout(ctx, t.Connect)
	defer cancel()
	conn, err := dial(limited, "tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return conn, nil
}

// newLink opens the session on conn, which it closes on an error and when ctx is
// done.
func newLink(ctx context.Context, conn net.Conn, r reach) (*link, error) {
	if r.hostname == "" {
		r.hostname = "localhost"
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	pace := &paced{Conn: conn, until: endOf(ctx, r.timeouts.Total), block: r.timeouts.DataBlock}
	l, err := r.begin(ctx, pace)
	if err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	l.stop, l.paced, l.total = stop, pace, r.timeouts.Total
	return l, nil
}

// endOf is when a delivery must be over.
func endOf(ctx context.Context, total time.Duration) time.Time {
	until, ok := ctx.Deadline()
	if !ok {
		return time.Now().Add(total)
	}
	return until
}

// begin does what precedes the library's part: the greeting, a first EHLO and
// STARTTLS. The library could do it, but it would say "localhost" in that EHLO
// and hide a failed handshake in the next command.
func (r reach) begin(ctx context.Context, conn net.Conn) (*link, error) {
	if r.implicit {
		secure, err := r.implicitTLS(ctx, conn)
		if err != nil {
			return nil, err
		}
		return r.greeted(secure)
	}
	text := textproto.NewConn(conn)
	err := conn.SetDeadline(time.Now().Add(r.timeouts.Command))
	if err != nil {
		return nil, fmt.Errorf("setting the time limit: %w", err)
	}
	_, _, err = text.ReadResponse(220)
	if err != nil {
		return nil, fmt.Errorf("reading the greeting: %w", err)
	}
	offered, err := r.offersSTARTTLS(text)
	if err != nil {
		return nil, err
	}
	secured := false
	if offered && r.startTLS {
		secured, err = r.askSTARTTLS(text)
		if err != nil {
			return nil, err
		}
	}
	if text.R.Buffered() > 0 {
		// What stands behind the reply in clear could pass for part of the
		// protected session (RFC 3207 §6).
		return nil, errOutOfTurn
	}
	if !secured && r.must {
		return nil, errors.New("the server does not offer the TLS that is required")
	}
	if secured {
		secure, err := r.handshake(ctx, conn)
		if err != nil {
			return nil, err
		}
		conn = secure
	}
	l, err := r.hello(conn)
	if err != nil {
		return nil, err
	}
	l.tls, l.keep = secured, secured || !offered
	if secured {
		l.state = conn.(*tls.Conn).ConnectionState()
	}
	return l, nil
}

func (r reach) offersSTARTTLS(text *textproto.Conn) (bool, error) {
	err := text.PrintfLine("EHLO %s", r.hostname)
	if err != nil {
		return false, fmt.Errorf("sending EHLO: %w", err)
	}
	_, lines, err := text.ReadResponse(250)
	reply := replyIn(err)
	if reply != nil && (reply.Code == 500 || reply.Code == 502) {
		return false, nil // no ESMTP; the library says HELO
	}
	if err != nil {
		return false, fmt.Errorf("reading the reply to EHLO: %w", err)
	}
	for line := range strings.SplitSeq(lines, "\n") {
		if strings.EqualFold(strings.TrimSpace(line), "STARTTLS") {
			return true, nil
		}
	}
	return false, nil
}

// askSTARTTLS reports whether the server is ready to shake hands.
func (r reach) askSTARTTLS(text *textproto.Conn) (bool, error) {
	err := text.PrintfLine("STARTTLS")
	if err != nil {
		return false, fmt.Errorf("sending STARTTLS: %w", err)
	}
	_, _, err = text.ReadResponse(220)
	if replyIn(err) != nil {
		return false, nil // such as 454; the session goes on in clear, if it may
	}
	if err != nil {
		return false, fmt.Errorf("reading the reply to STARTTLS: %w", err)
	}
	return true, nil
}

func (r reach) handshake(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	config := r.tls.Clone()
	if config.ServerName == "" {
		config.ServerName = r.host
	}
	secure := tls.Client(conn, config)
	err := secure.HandshakeContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	return secure, nil
}

// greeted is begin where TLS has begun.
func (r reach) greeted(conn *tls.Conn) (*link, error) {
	text := textproto.NewConn(conn)
	_, _, err := text.ReadResponse(220)
	if err != nil {
		return nil, fmt.Errorf("reading the greeting: %w", err)
	}
	if text.R.Buffered() > 0 {
		return nil, errOutOfTurn
	}
	l, err := r.hello(conn)
	if err != nil {
		return nil, err
	}
	l.tls, l.keep, l.state = true, true, conn.ConnectionState()
	return l, nil
}

// hello hands the connection to the library, which expects the greeting that has
// been read already.
func (r reach) hello(conn net.Conn) (*link, error) {
	in := &lines{Conn: conn, unread: []byte("220 " + r.hostname + "\r\n")}
	c := gosmtp.NewClient(in)
	c.CommandTimeout, c.SubmissionTimeout = r.timeouts.Command, r.timeouts.DataDone
	err := c.Hello(r.hostname)
	if err != nil {
		return nil, fmt.Errorf("saying EHLO: %w", err)
	}
	return &link{client: c, host: r.host, lines: in}, nil
}

// quitTime is how long the end of a session may take; all is said by then.
const quitTime = 5 * time.Second

// close says QUIT, without which some servers count the session as failed, and
// closes the connection.
func (l *link) close() {
	defer l.stop()
	l.client.CommandTimeout = quitTime
	err := l.client.Quit()
	if err != nil {
		l.client.Close() // a broken connection has nothing more to say
	}
}
