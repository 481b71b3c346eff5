package named

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/miekg/dns"
)

// A Fixed server serves records that never change.
type Fixed struct {
	server *Server
	addr   string
	ended  chan error
}

// Records returns a server of records. Every record must lie in a zone that one of
// them, made by Apex, begins.
func Records(records ...Record) (*Fixed, error) {
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
	return &Fixed{server: newServer(fixed, Options{RateTCP: math.MaxInt})}, nil
}

// Start serves on addr, such as "127.0.0.1:0", over UDP and TCP on the same
// port.
func (f *Fixed) Start(addr string) error {
	if f.ended != nil {
		return errors.New("it is serving already")
	}
	l, pc, err := Listen(addr)
	if err != nil {
		return fmt.Errorf("serving DNS: %w", err)
	}
	f.addr, f.ended = l.Addr().String(), make(chan error, 1)
	go func() {
		f.ended <- f.server.Serve(context.Background(), l, pc)
		close(f.ended)
	}()
	return nil
}

// Addr returns the address that is served, after Start.
func (f *Fixed) Addr() string { return f.addr }

// Close ends serving and waits for the answers under way.
func (f *Fixed) Close() error {
	if f.ended == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(f.server.Shutdown(ctx), <-f.ended)
}
