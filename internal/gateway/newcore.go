package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"postern/internal/config"
	"postern/internal/fetch"
	"postern/internal/gateway/care"
	"postern/internal/guard"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust"
	"postern/trust/discovery"
	"postern/trust/evidence"
	"postern/trust/reason"
)

// relayIdle is how long a connection to a destination waits for the next message.
// Peers let it wait for minutes (RFC 5321 §4.5.3.2.7); mail that comes in a row comes
// sooner.
const relayIdle = 2 * time.Second

// relayTimeouts are shorter than those of RFC 5321 §4.5.3.2 where only a dead
// peer takes so long: the queue tries again, and others wait behind it.
var relayTimeouts = smtp.Timeouts{Connect: 30 * time.Second, Command: time.Minute, Total: 20 * time.Minute}

// NewCore makes the Core that a configuration describes, over an open store. It
// is to be closed before the store.
func NewCore(cfg *config.Config, s store.Store, log *slog.Logger) (*Core, error) {
	c := &Core{
		Hostname: string(cfg.Hostname), Store: s, Log: log,
		RefuseUnreachable: cfg.Submit.RefuseUnreachable,
		AcceptUnwrapped:   cfg.Trust.AcceptUnwrapped, Subaddress: cfg.Accounts.Subaddress,
		ChannelBinding: cfg.Accounts.ChannelBinding,
		MessageBytes:   cfg.Limits.MessageBytes, CryptoMemory: cfg.Limits.CryptoMemory,
		RetryFor: cfg.Relay.RetryFor, QueueBytes: cfg.Limits.QueueBytes, PerDestination: cfg.Relay.PerDestination,
		Notify: Notify{
			ProcessedWithin: cfg.Notify.ProcessedWithin, DispatchedWithin: cfg.Notify.DispatchedWithin,
			DelayedAfter: cfg.Notify.DelayedAfter, HideProcessed: cfg.Notify.HideProcessed,
		},
		Rates: Rates{
			AccountMessages: cfg.Limits.AccountMessages, AccountRecipients: cfg.Limits.AccountRecipients,
			PeerMessages: cfg.Limits.PeerMessages,
		},
	}
	err := errors.Join(c.setTrust(cfg), c.setNetwork(cfg, log))
	if err != nil {
		return nil, err
	}
	c.setCare(cfg)
	c.Delegated = cfg.Listen.DNS != "" || len(cfg.Publish.NameServers) > 0
	c.Publish, err = publishOptions(cfg)
	if err != nil {
		return nil, err
	}
	c.setDefaults()
	return c, nil
}

// setCare reads how much there may be in the store, and for how long.
func (c *Core) setCare(cfg *config.Config) {
	k := &c.Care
	k.Dir = cfg.Dir
	k.Backups = care.Backups{Dir: cfg.Backup.Dir, Every: cfg.Backup.Every, Keep: cfg.Backup.Keep}
	k.DiskReserve, k.DiskSpace = cfg.Limits.DiskReserve, func() (store.Space, error) {
		return store.SpaceOf(filepath.Join(cfg.Dir, care.StoreFile)) // which may be a link to another disk
	}
	k.KeepTracks, k.KeepAudit, k.KeepDuplicates = cfg.Keep.Tracks, cfg.Keep.Audit, cfg.Keep.Duplicates
	k.KeepRefused, c.RefusedBytes = cfg.Keep.Refused, cfg.Keep.RefusedBytes
	if k.KeepRefused == 0 || c.RefusedBytes == 0 {
		k.KeepRefused, c.RefusedBytes = -1, -1 // zero is the default
	}
	c.MailboxBytes = cfg.Limits.MailboxBytes
}

// setTrust reads whom we believe, and how we seal.
func (c *Core) setTrust(cfg *config.Config) error {
	var err error
	c.Profile, err = trust.ParseProfile(cfg.Trust.Profile)
	if err != nil {
		return err
	}
	c.Sealing, err = sealingOf(cfg.Seal, c.Profile)
	if err != nil {
		return err
	}
	c.Signers, err = believedSigners(cfg.Trust)
	if err != nil {
		return err
	}
	c.Revocation, err = trust.ParseRevocationPolicy(cfg.Trust.Revocation)
	return err
}

// setNetwork makes what asks others. Everything that strangers can point
// somewhere goes through one guard: it alone decides how far.
func (c *Core) setNetwork(cfg *config.Config, log *slog.Logger) error {
	network := guard.Policy{AllowPrivate: cfg.Network.AllowPrivate}
	roots, noRoots := httpsRoots(cfg.Network.CA)
	dns, err := discovery.NewDNS(cfg.DNS.Servers)
	if err != nil {
		return err
	}
	dns.Network, dns.Port = network, uint16(cfg.DNS.Port)
	client := fetcher{&fetch.Client{Network: network, Lookup: dns.LookupHost, Roots: roots}, noRoots}
	c.dns = dns
	c.found = &discovery.Resolver{DNS: dns, Network: network, Fetcher: client, Cache: foundDocument{c}, Log: log}
	c.keeper = &evidence.Keeper{Fetcher: client, Cache: Documents{c.Store}, Budget: cfg.Trust.Wait, Log: log}
	c.Finder, c.Evidence, c.Bundles, c.Poster = c.found, c.keeper, client, client
	relay := &smtp.Relay{
		Hostname: c.Hostname, Resolver: mxResolver{dns},
		Routes: cfg.Relay.Routes, Port: cfg.Relay.Port, Timeouts: relayTimeouts,
		DialMX: dialMX(network), Idle: relayIdle,
	}
	c.Sender, c.Edges, c.endRelay = relay, relay, relay.Close
	c.edgeRoots, c.noEdgeRoots = roots, noRoots
	return nil
}

// dialMX connects to mail servers that a domain's zone names. To an agent behind us
// we would look like one of its own; only relay.routes may lead there.
func dialMX(network guard.Policy) smtp.Dialer {
	d := network.Dialer(relayTimeouts.Connect)
	return func(ctx context.Context, protocol, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, protocol, address)
		if errors.Is(err, guard.ErrForbidden) {
			return nil, reason.New(reason.NoRoute, "%w", err)
		}
		return conn, err
	}
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
