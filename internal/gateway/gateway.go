package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/internal/config"
	"postern/internal/fetch"
	"postern/internal/gateway/mailbox"
	"postern/internal/guard"
	"postern/mime"
	"postern/pickup"
	"postern/smtp"
	"postern/store"
	"postern/trust"
	"postern/trust/discovery"
	"postern/trust/evidence"
	"postern/trust/reason"
)

// A Gateway is a Core with its listeners: everything that postern serve runs.
type Gateway struct {
	*Core
	listeners []listener
}

// A listener is a bound socket and the server for it.
type listener struct {
	name   string
	socket net.Listener
	server server
}

// A server answers on a socket until it is shut down.
type server interface {
	Serve(ctx context.Context, l net.Listener) error
	Shutdown(ctx context.Context) error
}

// relayTimeouts are shorter than those of RFC 5321 §4.5.3.2 where only a dead
// peer takes so long: the queue tries again, and others wait behind it.
var relayTimeouts = smtp.Timeouts{Connect: 30 * time.Second, Command: time.Minute, Total: 20 * time.Minute}

// NewCore makes the Core that a configuration describes, over an open store. It
// is to be closed before the store.
func NewCore(cfg *config.Config, s store.Store, log *slog.Logger) (*Core, error) {
	profile, err := trust.ParseProfile(cfg.Trust.Profile)
	if err != nil {
		return nil, err
	}
	sealing, err := sealingOf(cfg.Seal, profile)
	if err != nil {
		return nil, err
	}
	signers, err := believedSigners(cfg.Trust)
	if err != nil {
		return nil, err
	}
	revocation, err := trust.ParseRevocationPolicy(cfg.Trust.Revocation)
	if err != nil {
		return nil, err
	}
	dns, err := discovery.NewDNS(cfg.DNS.Servers)
	if err != nil {
		return nil, err
	}
	published, err := publishOptions(cfg)
	if err != nil {
		return nil, err
	}
	network := guard.Policy{AllowPrivate: cfg.Network.AllowPrivate}
	roots, err := httpsRoots(cfg.Network.CA)
	if err != nil {
		return nil, err
	}
	web := &fetch.Client{Network: network, Lookup: dns.LookupHost, Roots: roots}
	c := &Core{
		Hostname: string(cfg.Hostname), Store: s, Profile: profile, Log: log,
		keeper: &evidence.Keeper{
			Fetcher: web, Cache: Documents{s}, Budget: cfg.Trust.Wait, Log: log,
		},
		Bundles:         web,
		AcceptUnwrapped: cfg.Trust.AcceptUnwrapped,
		MessageBytes:    cfg.Limits.MessageBytes, RetryFor: cfg.Relay.RetryFor,
		CryptoMemory: cfg.Limits.CryptoMemory,
		Sealing:      sealing, Signers: signers, Revocation: revocation, Publish: published,
		Finder: &discovery.Resolver{DNS: dns, Network: guard.Policy{AllowPrivate: cfg.Network.AllowPrivate}},
		Sender: &smtp.Relay{
			Hostname: string(cfg.Hostname), Resolver: mxResolver{dns},
			Routes: cfg.Relay.Routes, Port: cfg.Relay.Port, Timeouts: relayTimeouts,
		},
	}
	c.Evidence = c.keeper
	c.setDefaults()
	return c, nil
}

// Listen binds every listener of the configuration. Nothing is answered before
// Run; when one socket cannot be bound, none stays bound.
func Listen(cfg *config.Config, c *Core) (*Gateway, error) {
	g := &Gateway{Core: c}
	var tlsConfig *tls.Config
	if cfg.TLS.Cert != "" {
		var err error
		tlsConfig, err = TLS(cfg.TLS.Cert, cfg.TLS.Key, c.Log)
		if err != nil {
			return nil, err
		}
	}
	backend := mailbox.New(c.Store, c.authenticateFrom)
	mail := func(implicit bool) smtp.ServerOptions {
		return smtp.ServerOptions{
			Hostname: c.Hostname, TLS: tlsConfig, Implicit: implicit, Log: c.Log,
			MessageBytes: cfg.Limits.MessageBytes, Recipients: cfg.Limits.Recipients,
			Connections: cfg.Limits.Connections, ConnectionsPerIP: cfg.Limits.ConnectionsPerIP,
			CommandIdle: cfg.Limits.CommandIdle, DataTime: cfg.Limits.DataTime,
		}
	}
	sealedMail := mail(false)
	sealedMail.MessageBytes = SealedBytes(cfg.Limits.MessageBytes)
	imap := func(implicit bool) pickup.Options {
		return pickup.Options{
			TLS: tlsConfig, Implicit: implicit, Log: c.Log, AppendLimit: cfg.Limits.MessageBytes,
			Connections: cfg.Limits.Connections, ConnectionsPerIP: cfg.Limits.ConnectionsPerIP,
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
	} {
		if l.address == "" {
			continue
		}
		socket, err := net.Listen("tcp", l.address)
		if err != nil {
			g.Close()
			return nil, fmt.Errorf("listening for %s on %s: %w", l.name, l.address, err)
		}
		g.listeners = append(g.listeners, listener{l.name, socket, l.server()})
	}
	return g, nil
}

// Close gives the sockets of a Gateway back that was never run.
func (g *Gateway) Close() {
	for _, l := range g.listeners {
		l.socket.Close()
	}
}

// Address returns where a listener is bound, such as "imaps", or nil.
func (g *Gateway) Address(name string) net.Addr {
	for _, l := range g.listeners {
		if l.name == name {
			return l.socket.Addr()
		}
	}
	return nil
}

// drainTime is how long sessions under way may take to end when stopping.
const drainTime = 10 * time.Second

// Run serves until ctx is done. It stops in order: first no new mail comes in
// and sessions end, then the steps under way end. What is queued stays queued.
func (g *Gateway) Run(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var working errgroup.Group
	working.Go(func() error { g.Work(work); return nil })
	working.Go(func() error { g.watchExpiry(work); return nil })
	working.Go(func() error { g.keepEvidence(work); return nil })
	working.Go(func() error { g.keepBundles(work); return nil })

	serving, serveCtx := errgroup.WithContext(ctx)
	for _, l := range g.listeners {
		serving.Go(func() error {
			err := l.server.Serve(context.WithoutCancel(ctx), l.socket)
			if err != nil && serveCtx.Err() == nil {
				return fmt.Errorf("serving %s: %w", l.name, err)
			}
			return nil
		})
		g.Log.Info("listening", "what", l.name, "address", l.socket.Addr().String())
	}
	g.Log.Info("ready", "hostname", g.Hostname)
	<-serveCtx.Done()
	g.drain()
	err := serving.Wait()
	stopWork()
	return errors.Join(err, working.Wait())
}

func (g *Gateway) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var stopping errgroup.Group
	for _, l := range g.listeners {
		stopping.Go(func() error {
			err := l.server.Shutdown(ctx)
			if err != nil {
				g.Log.Warn("sessions were cut off", "what", l.name, "err", err)
			}
			return nil
		})
	}
	_ = stopping.Wait() // each has logged its own
}

// mxResolver gives the relay what DNS says about where mail goes.
type mxResolver struct{ *discovery.DNS }

// LookupMX returns the mail servers of a domain in the relay's own terms.
func (r mxResolver) LookupMX(ctx context.Context, domain mime.Domain) ([]smtp.MX, error) {
	found, err := r.DNS.LookupMX(ctx, domain)
	if err != nil {
		return nil, err
	}
	hosts := make([]smtp.MX, len(found))
	for i, m := range found {
		hosts[i] = smtp.MX(m)
	}
	return hosts, nil
}

// authenticateFrom proves an account to the mailboxes' side, in its terms.
func (c *Core) authenticateFrom(ctx context.Context, user, secret string, remote netip.Addr) (store.Account, error) {
	account, err := c.Login(ctx, user, secret, remote)
	switch reason.Of(err) {
	case reason.AuthFailed:
		return account, fmt.Errorf("%w: %w", pickup.ErrAuthFailed, err)
	case reason.Busy:
		return account, fmt.Errorf("%w: %w", pickup.ErrUnavailable, err)
	}
	return account, err
}
