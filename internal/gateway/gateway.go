package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/internal/publish/ldapd"
	"postern/internal/publish/named"
	"postern/internal/tlscert"
)

// A Gateway is a Core with its listeners: everything that postern serve runs.
type Gateway struct {
	*Core
	listeners []listener
	named     *named.Server   // nil without listen.dns
	directory *ldapd.Server   // nil without listen.ldap
	tls       *tlscert.Keeper // nil: the listeners have no certificate
}

// A listener is a bound socket and the server for it.
type listener struct {
	name    string
	socket  net.Listener
	packets net.PacketConn // beside socket, of DNS alone
	server  server
}

func (l listener) close() {
	_ = l.socket.Close()
	if l.packets != nil {
		_ = l.packets.Close()
	}
}

// A server answers on a socket until it is shut down.
type server interface {
	Serve(ctx context.Context, l net.Listener) error
	Shutdown(ctx context.Context) error
}

// Close gives the sockets of a Gateway back that was never run.
func (g *Gateway) Close() {
	for _, l := range g.listeners {
		l.close()
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

// drainTime is how long sessions and steps under way may take to end when
// stopping.
const drainTime = 10 * time.Second

// Run serves until ctx is done. Then no new mail comes in and no job is begun;
// sessions and steps under way end, and what serves them ends last. What is queued
// stays queued.
func (g *Gateway) Run(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var working errgroup.Group
	working.Go(func() error { g.watchExpiry(work); return nil })
	working.Go(func() error { g.keepTLS(work); return nil })
	working.Go(func() error { g.keepEvidence(work); return nil })
	working.Go(func() error { g.keepBundles(work); return nil })
	working.Go(func() error { g.keepFound(work); return nil })

	defer g.Care.Start(ctx)()
	serving, serveCtx := errgroup.WithContext(ctx)
	stepping := make(chan struct{})
	go func() {
		defer close(stepping)
		g.Work(serveCtx)
	}()
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
	<-stepping
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
