package smtp

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"

	"github.com/emersion/go-sasl"

	"postern/mime"
)

// Submit hands a message to the submission server at addr (host:port) as a user:
// STARTTLS, AUTH PLAIN, and every recipient must be accepted. config verifies
// the server; a ServerName is taken from addr if it has none. A refusal by the
// server is a *ReplyError.
func Submit(ctx context.Context, addr string, config *tls.Config, user, password string, from mime.Address, to []mime.Address, message io.Reader) error {
	return submit(ctx, addr, config, false, user, password, from, to, message)
}

// SubmitTLS is Submit to a server that speaks TLS from the first octet.
func SubmitTLS(ctx context.Context, addr string, config *tls.Config, user, password string, from mime.Address, to []mime.Address, message io.Reader) error {
	return submit(ctx, addr, config, true, user, password, from, to, message)
}

func submit(ctx context.Context, addr string, config *tls.Config, implicit bool, user, password string, from mime.Address, to []mime.Address, message io.Reader) error {
	l, err := openSubmission(ctx, addr, config, implicit)
	if err != nil {
		return fmt.Errorf("opening a session with %s: %w", addr, err)
	}
	defer l.close()
	err = l.client.Auth(sasl.NewPlainClient("", user, password))
	if err != nil {
		return fmt.Errorf("authenticating: %w", replyOr(err))
	}
	err = l.client.Mail(from.String(), nil)
	if err != nil {
		return fmt.Errorf("naming the sender: %w", replyOr(err))
	}
	for _, a := range to {
		err = l.client.Rcpt(a.String(), nil)
		if err != nil {
			return fmt.Errorf("naming the recipient %s: %w", a, replyOr(err))
		}
	}
	w, err := l.client.Data()
	if err != nil {
		return fmt.Errorf("announcing the message: %w", replyOr(err))
	}
	_, err = io.Copy(w, message)
	if err != nil {
		l.client.Close() // no final dot
		return fmt.Errorf("sending the message: %w", err)
	}
	err = w.Close()
	if err != nil {
		return fmt.Errorf("sending the message: %w", replyOr(err))
	}
	return nil
}

func openSubmission(ctx context.Context, addr string, config *tls.Config, implicit bool) (*link, error) {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	name, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("reading the server's address: %w", err)
	}
	r := reach{host: name, tls: config, startTLS: !implicit, must: !implicit, timeouts: Timeouts{}.withDefaults()}
	conn, err := (&net.Dialer{Timeout: r.timeouts.Connect}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if implicit {
		limited, cancel := context.WithTimeout(ctx, r.timeouts.Command)
		defer cancel()
		secure, err := r.handshake(limited, conn)
		if err != nil {
			conn.Close()
			return nil, err
		}
		conn = secure
	}
	return newLink(ctx, conn, r)
}

// replyOr shows a refusal as a *ReplyError and leaves other errors alone.
func replyOr(err error) error {
	reply := replyIn(err)
	if reply != nil {
		return reply
	}
	return err
}
