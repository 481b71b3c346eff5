package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"postern/httpedge"
	"postern/internal/config"
	"postern/internal/gateway/mailbox"
	"postern/internal/publish/ldapd"
	"postern/internal/publish/named"
	"postern/pickup"
	"postern/pickup/pop3"
	"postern/smtp"
)

// Listen binds every listener of the configuration. Nothing is answered before
// Run; when one socket cannot be bound, none stays bound.
func Listen(cfg *config.Config, c *Core) (*Gateway, error) {
	g := &Gateway{Core: c}
	var err error
	g.tls, err = c.newKeeper(cfg)
	if err != nil {
		return nil, err
	}
	err = g.listen(cfg, g.serverTLS())
	if err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

func (g *Gateway) listen(cfg *config.Config, tlsConfig *tls.Config) error {
	c := g.Core
	mailboxes := mailbox.Options{Bytes: c.MailboxBytes, Room: c.Care.Room, Now: c.Now, Steady: c.Steady}
	backend := mailbox.New(c.Store, pickingUp{c}, mailboxes)
	drops := mailbox.NewPOP3(c.Store, pickingUp{c}, mailboxes)
	clientTLS := c.askingClients(tlsConfig)
	mail := func(implicit bool) smtp.ServerOptions {
		return smtp.ServerOptions{
			Hostname: c.Hostname, TLS: clientTLS, Implicit: implicit, Log: c.Log,
			MessageBytes: cfg.Limits.MessageBytes, Recipients: cfg.Limits.Recipients,
			Connections: cfg.Limits.Connections, ConnectionsPerIP: cfg.Limits.ConnectionsPerIP,
			ConnectionRate: cfg.Limits.PeerConnections,
			CommandIdle:    cfg.Limits.CommandIdle, DataTime: cfg.Limits.DataTime,
		}
	}
	sealedMail := mail(false)
	sealedMail.TLS = tlsConfig
	sealedMail.MessageBytes = SealedBytes(cfg.Limits.MessageBytes)
	imap := func(implicit bool) pickup.Options {
		return pickup.Options{
			TLS: clientTLS, Implicit: implicit, Log: c.Log, AppendLimit: cfg.Limits.MessageBytes,
			Connections: cfg.Limits.Connections, ConnectionsPerIP: cfg.Limits.ConnectionsPerIP,
			ConnectionRate: cfg.Limits.PeerConnections,
		}
	}
	pop := func(implicit bool) pop3.Options {
		return pop3.Options{
			TLS: clientTLS, Implicit: implicit, Log: c.Log,
			Connections: cfg.Limits.Connections, ConnectionsPerIP: cfg.Limits.ConnectionsPerIP,
			ConnectionRate: cfg.Limits.PeerConnections,
		}
	}
	for _, l := range []struct {
		name, address string
		server        func() server
	}{
		{"submission", cfg.Listen.Submission, func() server { return smtp.NewSubmission(Submission{c}, mail(false)) }},
		{"submissions", cfg.Listen.Submissions, func() server { return smtp.NewSubmission(Submission{c}, mail(true)) }},
		{"backbone", cfg.Listen.Backbone, func() server { return smtp.NewBackbone(Backbone{c}, sealedMail) }},
		{"imap", cfg.Listen.IMAP, func() server { return pickup.NewIMAP(backend, imap(false)) }},
		{"imaps", cfg.Listen.IMAPS, func() server { return pickup.NewIMAP(backend, imap(true)) }},
		{"pop3", cfg.Listen.POP3, func() server { return pop3.New(drops, pop(false)) }},
		{"pop3s", cfg.Listen.POP3S, func() server { return pop3.New(drops, pop(true)) }},
		{"acme", cfg.Listen.ACME, func() server { return g.newChallenge() }},
		{"ldap", cfg.Listen.LDAP, func() server { return g.newDirectory(cfg, tlsConfig) }},
	} {
		err := g.listenTCP(l.name, l.address, func() (server, error) { return l.server(), nil })
		if err != nil {
			return err
		}
	}
	err := g.listenDNS(cfg)
	if err != nil {
		return err
	}
	err = g.listenTCP("https", cfg.Listen.HTTPS, func() (server, error) { return g.newHTTPEdge(cfg, tlsConfig), nil })
	if err != nil {
		return err
	}
	return g.listenTCP("http", cfg.Listen.HTTP, g.newMetrics)
}

// listenTCP binds a socket and makes its server, unless the listener has no
// address.
func (g *Gateway) listenTCP(name, address string, make func() (server, error)) error {
	if address == "" {
		return nil
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening for %s on %s: %w", name, address, err)
	}
	g.listeners = append(g.listeners, listener{name: name, socket: socket})
	g.listeners[len(g.listeners)-1].server, err = make()
	if err != nil {
		return fmt.Errorf("making the server of %s: %w", name, err)
	}
	return nil
}

// newHTTPEdge makes the server of applications.
func (g *Gateway) newHTTPEdge(cfg *config.Config, tlsConfig *tls.Config) server {
	return httpedge.New(NewHTTPEdge(g.Core), httpedge.Options{
		TLS: tlsConfig, Log: g.Log, MessageBytes: cfg.Limits.MessageBytes, Recipients: cfg.Limits.Recipients,
		Connections: cfg.Limits.Connections, ConnectionsPerIP: cfg.Limits.ConnectionsPerIP,
		ConnectionRate: cfg.Limits.PeerConnections, BodyTime: cfg.Limits.DataTime,
		JSONMemory: cfg.Limits.CryptoMemory,
	})
}

// newDirectory makes the LDAP server of our certificates.
func (g *Gateway) newDirectory(cfg *config.Config, tlsConfig *tls.Config) server {
	g.directory = ldapd.New(g.Published, ldapd.Options{
		TLS: tlsConfig, Log: g.Log, Connections: cfg.Limits.Connections, ConnectionsPerIP: cfg.Limits.ConnectionsPerIP,
	})
	return g.directory
}

// listenDNS binds the name server of our domains, which listens on two sockets.
func (g *Gateway) listenDNS(cfg *config.Config) error {
	if cfg.Listen.DNS == "" {
		return nil
	}
	socket, packets, err := named.Listen(cfg.Listen.DNS)
	if err != nil {
		return fmt.Errorf("listening for dns on %s: %w", cfg.Listen.DNS, err)
	}
	g.named = named.New(g.Published, named.Options{
		Rate: cfg.Publish.Rate, Connections: cfg.Limits.Connections, ConnectionsPerIP: cfg.Limits.ConnectionsPerIP,
		Log: g.Log, Now: g.Now,
	})
	g.listeners = append(g.listeners, listener{name: "dns", socket: socket, packets: packets, server: nameServer{g.named, packets}})
	return nil
}

// A nameServer is a named.Server with its other socket.
type nameServer struct {
	*named.Server
	packets net.PacketConn
}

// Serve implements server.
func (s nameServer) Serve(ctx context.Context, l net.Listener) error {
	return s.Server.Serve(ctx, l, s.packets)
}
