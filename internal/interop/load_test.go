package interop

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	netsmtp "net/smtp"
	"strings"
	"sync"
	"time"
)

// A client is an SMTP client of the standard library: another implementation
// than ours, and one that keeps its session.
type client struct{ *netsmtp.Client }

// sessionTime bounds a whole session.
const sessionTime = 5 * time.Minute

// dialBackbone opens a session as a far agent.
func dialBackbone(ctx context.Context, address string) (client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return client{}, err
	}
	_ = conn.SetDeadline(time.Now().Add(sessionTime))
	c, err := netsmtp.NewClient(conn, "localhost")
	return client{c}, err
}

// dialSubmission opens a session as a user.
func dialSubmission(ctx context.Context, address, user string, config *tls.Config) (client, error) {
	c, err := dialBackbone(ctx, address)
	if err != nil {
		return c, err
	}
	err = c.StartTLS(config)
	if err == nil {
		err = c.Auth(netsmtp.PlainAuth("", user, password, "localhost"))
	}
	if err != nil {
		c.Close()
	}
	return c, err
}

// send sends one message; nil means that it was answered 250.
func (c client) send(from, to string, message io.Reader) error {
	err := c.Mail(from)
	if err != nil {
		return err
	}
	err = c.Rcpt(to)
	if err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, message)
	if err != nil {
		return err
	}
	return w.Close()
}

// An offer is a message to send, and what must arrive.
type offer struct {
	id       string
	from, to string
	sent     string // on the wire
	inner    string // to the mailbox
}

// A tally is what became of all messages that were offered.
type tally struct {
	mu      sync.Mutex
	offered map[string]offer
	acked   map[string]bool
	bell    chan struct{} // told of each 250
}

func newTally() *tally {
	return &tally{offered: make(map[string]offer), acked: make(map[string]bool), bell: make(chan struct{}, 1)}
}

func (l *tally) offering(o offer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offered[o.id] = o
}

func (l *tally) answered250(o offer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[o.id] = true
	select {
	case l.bell <- struct{}{}:
	default: // it rings already
	}
}

func (l *tally) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// waitAcks waits until so many messages were answered 250.
func (l *tally) waitAcks(ctx context.Context, want int) {
	for l.count() < want {
		select {
		case <-l.bell:
		case <-ctx.Done():
			return
		}
	}
}

// press sends what next gives on one session until it breaks or ctx ends.
func (l *tally) press(ctx context.Context, dial func(context.Context) (client, error), next func() (offer, bool)) {
	c, err := dial(ctx)
	if err != nil {
		return
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	for ctx.Err() == nil {
		o, more := next()
		if !more {
			return
		}
		l.offering(o)
		err := c.send(o.from, o.to, strings.NewReader(o.sent))
		if err != nil {
			return
		}
		l.answered250(o)
	}
}
