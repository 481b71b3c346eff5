package named

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// A Zone serves records that never change.
type Zone struct {
	server *Server
	addr   string
	ended  chan error
}

// Records returns a server of records. Every record must lie in a zone that one of
// them, made by Apex, begins.
func Records(records ...Record) (*Zone, error) {
	var all []dns.RR
	for _, r := range records {
		if r.err != nil {
			return nil, r.err
		}
		all = append(all, r.rrs...)
	}
	x, err := newIndex(all)
	if err != nil {
		return nil, err
	}
	fixed := new(current)
	fixed.latest.Store(x)
	return &Zone{server: newServer(fixed, Options{})}, nil
}

// Start serves on addr, such as "127.0.0.1:0", over UDP and TCP on the same
// port.
func (z *Zone) Start(addr string) error {
	if z.ended != nil {
		return errors.New("the zone is served already")
	}
	l, pc, err := Listen(addr)
	if err != nil {
		return fmt.Errorf("serving DNS: %w", err)
	}
	z.addr, z.ended = l.Addr().String(), make(chan error, 1)
	go func() {
		z.ended <- z.server.Serve(context.Background(), l, pc)
		close(z.ended)
	}()
	return nil
}

// Addr returns the address that is served, after Start.
func (z *Zone) Addr() string { return z.addr }

// ServeDNS answers one question, for a server that answers some otherwise.
func (z *Zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) { z.server.serveDNS(w, q) }

// Close ends serving and waits for the answers under way.
func (z *Zone) Close() error {
	if z.ended == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(z.server.Shutdown(ctx), <-z.ended)
}
