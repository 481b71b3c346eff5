// Package named is a small authoritative DNS server over records held in memory:
// enough to publish certificates and mail servers for the demonstration and for
// tests. It answers over UDP and TCP (CD-10), does no recursion, and never
// changes once made.
package named

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

// A Zone is a set of records being served.
type Zone struct {
	names map[string]*node // by lower-case name
	apex  map[string]bool  // of the zones there are

	udp, tcp *dns.Server
	addr     string
}

// node is one name. A name above others has none of its own, and yet exists
// (RFC 4592 §2.2.2).
type node struct{ records []dns.RR }

// Records returns a server of records. Every record must lie in a zone that one of
// them, made by Apex, begins.
func Records(records ...Record) (*Zone, error) {
	z := &Zone{names: map[string]*node{}, apex: map[string]bool{}}
	for _, r := range records {
		if r.err != nil {
			return nil, r.err
		}
		for _, rr := range r.rrs {
			if rr.Header().Rrtype == dns.TypeSOA {
				z.apex[canonical(rr.Header().Name)] = true
			}
		}
	}
	for _, r := range records {
		for _, rr := range r.rrs {
			err := z.add(rr)
			if err != nil {
				return nil, err
			}
		}
	}
	return z, nil
}

func (z *Zone) add(rr dns.RR) error {
	name := canonical(rr.Header().Name)
	apex := z.zoneOf(name)
	if apex == "" {
		return fmt.Errorf("the record of %s is in none of the zones", name)
	}
	for at := name; ; at = parent(at) {
		if z.names[at] == nil {
			z.names[at] = new(node)
		}
		if at == apex {
			break
		}
	}
	z.names[name].records = append(z.names[name].records, rr)
	return nil
}

// zoneOf returns the apex of the zone that name is in, or "".
func (z *Zone) zoneOf(name string) string {
	for at := name; at != "."; at = parent(at) {
		if z.apex[at] {
			return at
		}
	}
	return ""
}

// canonical returns the name in lower case and with the escapes that a name
// from the wire has, so that "o'brien" is one name however it is written.
func canonical(name string) string {
	var buf [256]byte
	_, err := dns.PackDomainName(dns.Fqdn(name), buf[:], 0, nil, false)
	if err != nil {
		return dns.CanonicalName(name) // record has refused those
	}
	read, _, err := dns.UnpackDomainName(buf[:], 0)
	if err != nil {
		return dns.CanonicalName(name)
	}
	return dns.CanonicalName(read)
}

func parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

// Start serves on addr, such as "127.0.0.1:0", over UDP and TCP on the same
// port.
func (z *Zone) Start(addr string) error {
	if z.tcp != nil {
		return errors.New("the zone is served already")
	}
	l, pc, err := listen(addr)
	if err != nil {
		return fmt.Errorf("listening for DNS on %s: %w", addr, err)
	}
	z.addr = l.Addr().String()
	timeout := 5 * time.Second
	z.tcp = &dns.Server{Listener: l, Handler: z, ReadTimeout: timeout, WriteTimeout: timeout}
	z.udp = &dns.Server{PacketConn: pc, Handler: z}
	for _, s := range []*dns.Server{z.tcp, z.udp} {
		started := make(chan error, 1)
		s.NotifyStartedFunc = func() { started <- nil }
		go func() { started <- s.ActivateAndServe() }()
		err := <-started
		if err != nil {
			_ = l.Close()
			_ = pc.Close()
			return fmt.Errorf("serving DNS on %s: %w", z.addr, err)
		}
	}
	return nil
}

// listen binds both transports. A port the kernel chose for one may be taken
// for the other; then another is tried.
func listen(addr string) (net.Listener, net.PacketConn, error) {
	var l net.Listener
	var pc net.PacketConn
	var err error
	for range 10 {
		l, err = net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, err
		}
		pc, err = net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			return l, pc, nil
		}
		_ = l.Close()
	}
	return nil, nil, err
}

// Addr returns the address that is served, after Start.
func (z *Zone) Addr() string { return z.addr }

// Close ends serving and waits for the answers under way.
func (z *Zone) Close() error {
	if z.tcp == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(z.udp.ShutdownContext(ctx), z.tcp.ShutdownContext(ctx))
}
