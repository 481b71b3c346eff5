package interop

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	netsmtp "net/smtp"
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
