package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"postern/internal/publish/named"
	"postern/internal/testnet/spawn"
	"postern/mime"
)

const (
	nearDomain = "a.example"
	farDomain  = "b.example"
	deadRoute  = "dead.example"
)

// A town is what a gateway that sends has around it: a name server with its
// recipients' certificates, and a sink where it relays to.
type town struct {
	dns  *named.Fixed
	sink *sink
	dead string // an address at which connections are refused
}

func (b *bench) newTown() (*town, error) {
	var records []named.Record
	for domain, who := range map[mime.Domain]identity{nearDomain: b.rig.sender, farDomain: b.rig.to[0]} {
		address, err := mime.ParseAddress(who.cert.EmailAddresses[0])
		if err != nil {
			return nil, err
		}
		host := "ns." + domain.String()
		records = append(records, named.Apex(domain.String(), host), named.A(host, netip.MustParseAddr("127.0.0.1")),
			named.AddressCERT(address, who.cert))
	}
	t := new(town)
	var err error
	t.dns, err = named.Records(records...)
	if err == nil {
		err = t.dns.Start("127.0.0.1:0")
	}
	if err == nil {
		t.dead, err = freeAddress()
	}
	if err != nil {
		return nil, fmt.Errorf("starting a name server: %w", err)
	}
	t.sink, err = newSink()
	if err != nil {
		return nil, errors.Join(err, t.dns.Close())
	}
	return t, nil
}

func (t *town) close() error {
	t.sink.close()
	return t.dns.Close()
}

// sending is a gateway of the town that sends for the rig's sender.
func (b *bench) sending(ctx context.Context, t *town, name string) (*house, error) {
	return b.newHouse(ctx, plan{
		name: name, domain: nearDomain, user: senderAddress, key: b.rig.sender, dns: t.dns.Addr(),
		routes: map[string]string{farDomain: t.sink.addr(), deadRoute: t.dead},
	})
}

// submissionDoor is where its user hands in mail.
func (h *house) submissionDoor() (door, error) {
	config, err := spawn.ClientTLS(h.dir, h.hostname())
	return door{addr: h.submission, user: senderAddress, tls: config, sender: senderAddress, to: recipientAddress(0), used: h.used}, err
}

// through is a side that hands messages to a gateway and waits until the sink has
// them.
func (b *bench) through(ctx context.Context, h *house, s *sink, l load, size int) (side, error) {
	d, err := h.submissionDoor()
	if err != nil {
		return nil, err
	}
	return b.passing(ctx, d, s, l, size), nil
}

// passing is the same for any door. A first turn, which takes no time, is a tenth.
func (b *bench) passing(ctx context.Context, d door, s *sink, l load, size int) side {
	return func(long time.Duration) (turn, error) {
		l := l
		if long == 0 {
			l.messages = max(l.messages/10, l.sessions)
		}
		b.series++
		l.text = numbered(size, fmt.Sprint("s", b.series))
		before := s.taken.Load()
		h, err := d.hand(ctx, l)
		if err == nil {
			err = s.await(ctx, before+int64(l.messages))
		}
		t, usedErr := d.turn(l.messages, h)
		return t, errors.Join(err, usedErr)
	}
}
