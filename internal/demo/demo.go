// Package demo shows a record crossing between two gateways on this machine,
// and a third that neither knows, with nothing pretended: real listeners, TLS,
// passwords, DNS, certificates and stores, all on loopback and all thrown away
// at the end.
package demo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/internal/publish/named"
	"postern/mime"
	"postern/store"
)

// limit bounds the whole demonstration.
const limit = 2 * time.Minute

// A show is one demonstration.
type show struct {
	out     io.Writer
	started time.Time
	dir     string
	log     *slog.Logger

	hospital, app, stranger *site
	zone                    *named.Fixed
}

// Run makes three gateways under dir, sends a record from one to another and
// prints every step with its time. It returns an error if any step does not do
// what it must: a record that does not arrive byte for byte, a notification
// that is missing, a stranger who is believed, a failure that is not told. What
// the gateways warn of goes to log.
func Run(ctx context.Context, out, log io.Writer, dir string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := &show{out: out, started: time.Now(), dir: dir, log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	var serving errgroup.Group
	running, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		err = errors.Join(err, serving.Wait(), s.close())
	}()
	for _, act := range []func(context.Context) error{
		func(context.Context) error { return s.build(running, &serving) },
		s.furnish,
		s.crossing,
		s.strange,
		s.uncertified,
	} {
		err := act(ctx)
		if err != nil {
			return err
		}
	}
	s.heading("Done: all of it happened as shown")
	return nil
}

func (s *show) heading(text string) { fmt.Fprintf(s.out, "\n%s\n", text) }

func (s *show) step(format string, args ...any) {
	fmt.Fprintf(s.out, "%8.3fs  %s\n", time.Since(s.started).Seconds(), fmt.Sprintf(format, args...))
}

// build makes and starts the gateways.
func (s *show) build(ctx context.Context, serving *errgroup.Group) error {
	s.heading("1. Three gateways start on loopback")
	held, err := hold(3)
	defer closeAll(held)
	if err != nil {
		return err
	}
	names, packets, err := named.Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	defer names.Close()
	defer packets.Close()
	dns := names.Addr().String()
	for _, one := range []struct {
		site         **site
		domain, user string
		at, relay    net.Listener
	}{
		{&s.hospital, "hospital.example", "records", held[0], held[1]},
		{&s.app, "app.example", "mira", held[1], held[0]},
		{&s.stranger, "stranger.example", "somebody", held[2], held[1]},
	} {
		made, err := newSite(ctx, s.log, s.dir, one.domain, one.user, dns, one.at, one.relay.Addr().(*net.TCPAddr).Port)
		if err != nil {
			return fmt.Errorf("making %s: %w", one.domain, err)
		}
		*one.site = made
		err = made.run(ctx, serving)
		if err != nil {
			return fmt.Errorf("starting %s: %w", one.domain, err)
		}
		s.step("%-17s submission %s, backbone %s, IMAP %s", one.domain,
			made.gateway.Address("submission"), made.gateway.Address("backbone"), made.gateway.Address("imaps"))
		err = made.furnish(ctx)
		if err != nil {
			return fmt.Errorf("furnishing %s: %w", one.domain, err)
		}
		s.step("%-17s has the account %s and a certificate of its own test CA", one.domain, made.user)
	}
	err = errors.Join(names.Close(), packets.Close())
	if err != nil {
		return err
	}
	return s.startDNS(dns)
}

// startDNS publishes what the gateways would: mail servers and certificates.
func (s *show) startDNS(address string) error {
	var records []named.Record
	for _, one := range []*site{s.hospital, s.app, s.stranger} {
		domain, host := string(one.domain), string(one.cfg.Hostname)
		records = append(records, named.Apex(domain, host), named.MX(domain, 10, host),
			named.A(host, netip.AddrFrom4([4]byte{127, 0, 0, 1})), named.DomainCERT(one.domain, one.leaf))
	}
	// A domain that takes mail but has no certificate.
	records = append(records, named.Apex("plain.example", "mail.plain.example"), named.MX("plain.example", 10, "mail.plain.example"),
		named.A("mail.plain.example", netip.AddrFrom4([4]byte{127, 0, 0, 1})))
	var err error
	s.zone, err = named.Records(records...)
	if err != nil {
		return fmt.Errorf("making the zones: %w", err)
	}
	err = s.zone.Start(address)
	if err != nil {
		return fmt.Errorf("serving DNS: %w", err)
	}
	s.step("DNS               at %s serves MX and CERT records of four domains", s.zone.Addr())
	return nil
}

// furnish decides who trusts whom.
func (s *show) furnish(ctx context.Context) error {
	s.heading("2. Who trusts whom")
	for _, t := range []struct{ who, whom *site }{{s.hospital, s.app}, {s.app, s.hospital}, {s.stranger, s.app}} {
		err := t.who.trust(ctx, t.whom)
		if err != nil {
			return fmt.Errorf("%s trusting %s: %w", t.who.domain, t.whom.domain, err)
		}
		s.step("%s holds the anchor of %s", t.who.domain, t.whom.domain)
	}
	for _, one := range []*site{s.hospital, s.app} {
		held, err := one.control.Anchors(ctx)
		if err != nil {
			return err
		}
		for _, a := range held {
			if a.SHA256 == store.FingerprintOf(s.stranger.anchor).String() {
				return fmt.Errorf("%s holds the anchor of %s", one.domain, s.stranger.domain)
			}
		}
	}
	s.step("nobody holds the anchor of %s", s.stranger.domain)
	return nil
}

func (s *show) close() error {
	var err error
	if s.zone != nil {
		err = s.zone.Close()
	}
	for _, one := range []*site{s.hospital, s.app, s.stranger} {
		if one != nil {
			err = errors.Join(err, one.close())
		}
	}
	return err
}

// hold listens at loopback ports until they are listened at in earnest: on a busy
// machine somebody else would get one of them before.
func hold(n int) (held []net.Listener, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return held, err
		}
		held = append(held, l)
	}
	return held, nil
}

func closeAll(held []net.Listener) {
	for _, l := range held {
		_ = l.Close()
	}
}

// newMessage composes a record from one site's user and its Message-ID.
func newMessage(from *site, to mime.Address) (raw []byte, id string, err error) {
	id = mime.NewMessageID("ehr."+string(from.domain), rand.Reader)
	raw, err = message(from.user, to, id, time.Now())
	return raw, id, err
}

// inFront returns the fields that a gateway put in front of a message when it delivered
// it. All below them must be what was sent.
func inFront(got, sent []byte) (*mime.Header, error) {
	front, same := bytes.CutSuffix(got, sent)
	if !same {
		return nil, fmt.Errorf("the record changed on its way: %d bytes were sent and %d arrived", len(sent), len(got))
	}
	return mime.ReadHeader(bufio.NewReader(bytes.NewReader(front)), mime.Limits{})
}
