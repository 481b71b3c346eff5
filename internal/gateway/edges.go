package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"postern/internal/audit"
	"postern/smtp"
	"postern/store"
)

// A Pusher hands an opened message to an edge, with one result for each recipient, and
// finds out whether an edge can be used.
type Pusher interface {
	Push(ctx context.Context, e smtp.Edge, d smtp.Delivery) []smtp.Result
	Meet(ctx context.Context, e smtp.Edge) (smtp.Met, error)
}

// edgeHost names where an edge is: host:port.
func edgeHost(e store.Edge) string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// edgeLane names what pushes to an edge wait for: its owner's settings and its host. What
// is wrong with one owner's, such as a certificate, holds up no other at the same host.
func edgeLane(e store.Edge) string { return laneAt(e.Owner, edgeHost(e)) }

// ErrEdgeCA says that the authorities of an edge cannot be read.
var ErrEdgeCA = errors.New("no certificate in PEM")

// reachOf is how an edge is talked to. Its certificate is always verified: by the
// certificate itself, by the authorities named for it, or by those of HTTPS.
func (c *Core) reachOf(e store.Edge) (smtp.Edge, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: e.Host, RootCAs: c.edgeRoots, Time: c.Now}
	switch {
	case e.Pin != nil:
		config.InsecureSkipVerify = true // for the check below, which asks for more
		config.VerifyConnection = c.pinned(*e.Pin)
	case len(e.CA) > 0:
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(e.CA) {
			return smtp.Edge{}, ErrEdgeCA
		}
	case c.noEdgeRoots != nil:
		return smtp.Edge{}, c.noEdgeRoots
	}
	return smtp.Edge{Host: e.Host, Port: e.Port, Implicit: e.Implicit, TLS: config, User: e.User, Password: string(e.Password)}, nil
}

// pinned takes one certificate alone, while it is in date. Its names do not matter: the
// operator has said whose it is.
func (c *Core) pinned(pin store.Fingerprint) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server has no certificate")
		}
		leaf, now := s.PeerCertificates[0], c.Now()
		switch {
		case store.FingerprintOf(leaf.Raw) != pin:
			return fmt.Errorf("the server's certificate is another than that pinned: its SHA-256 is %s", store.FingerprintOf(leaf.Raw))
		case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
			return fmt.Errorf("the pinned certificate is not in date: it is from %s to %s", leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
		}
		return nil
	}
}

// CheckEdge tells what is wrong with an edge that is to be set; nil is nothing.
func (c *Core) CheckEdge(e store.Edge) error {
	_, err := c.reachOf(e)
	return err
}

// MeetEdge connects to the edge of an address or a domain as a delivery does, and tells
// what was found. Nothing is handed over.
func (c *Core) MeetEdge(ctx context.Context, actor, owner string) (smtp.Met, error) {
	var e store.Edge
	err := c.Store.Update(ctx, func(tx store.Tx) (err error) {
		e, err = tx.Edge(owner)
		if err != nil || e.User == "" {
			return err
		}
		return tx.Audit(audit.Record{At: c.Now(), Actor: actor, Action: audit.Used, Object: "edge of " + e.Owner, Detail: "its password, to check it"})
	})
	if err != nil {
		return smtp.Met{}, err
	}
	to, err := c.reachOf(e)
	if err != nil {
		return smtp.Met{}, err
	}
	return c.Edges.Meet(ctx, to)
}
