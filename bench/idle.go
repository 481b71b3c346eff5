package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"postern/internal/testnet/spawn"
)

// idleFigures are the part of B11 in which a client idles: from the answer that a message
// is taken until the client is told that it is there. Postern opens, verifies and believes
// it meanwhile; Dovecot has stored it as it is, and waits half a second for more to tell.
func (b *bench) idleFigures(ctx context.Context) (all []figure, err error) {
	if !haveDovecot() {
		return []figure{skipped("B11", "a client that idles, against Dovecot", dovecotMissing)}, nil
	}
	town, err := b.newTown()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, town.close()) }()
	h, err := b.receiving(ctx, town, "idle")
	if err != nil {
		return nil, err
	}
	imap, err := h.listen("imaps")
	if err != nil {
		return nil, err
	}
	ours, err := h.servePickup(ctx, imap)
	defer func() { err = stopHouses(err, h) }()
	if err != nil {
		return nil, err
	}
	server, theirs, lmtp, err := b.idleDovecot(ctx, h)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	backbone := door{addr: h.backbone, sender: senderAddress, to: recipientAddress(0)}
	turns, err := interleave(b.rounds, b.turn, b.noticed(ctx, backbone, ours), b.noticed(ctx, lmtp, theirs))
	if err != nil {
		return nil, err
	}
	f := figure{ID: "B11", Unit: "ms", What: fmt.Sprintf("IMAP, from the 250 of a sealed 10 KiB to EXISTS for a client that idles, opened and believed, against Dovecot LMTP as it is; p99 %.3g ms, there %.3g",
		slowest(turns[0]), slowest(turns[1]))}
	return []figure{compared(f, wallMillis, turns[0], turns[1])}, nil
}

// idleDovecot is one that takes mail by LMTP and tells of it over IMAP.
func (b *bench) idleDovecot(ctx context.Context, h *house) (*dovecot, pickupDoor, door, error) {
	lmtp, err := freeAddress()
	if err != nil {
		return nil, pickupDoor{}, door{}, err
	}
	imap, err := freeAddress()
	if err != nil {
		return nil, pickupDoor{}, door{}, err
	}
	secret, err := dovecotPassword()
	if err != nil {
		return nil, pickupDoor{}, door{}, err
	}
	trust, err := spawn.ClientTLS(h.dir, h.hostname())
	if err != nil {
		return nil, pickupDoor{}, door{}, err
	}
	dir := filepath.Join(b.dir, "dovecot-idle")
	d, err := b.runDovecot(ctx, dir, dovecotConfig(dir, "imap lmtp", secret, tlsService("imap", imap, h)+lmtpService(lmtp)), lmtp)
	if err != nil {
		return nil, pickupDoor{}, door{}, err
	}
	return d, pickupDoor{addr: imap, user: recipientAddress(0), tls: trust}, d.door(), nil
}

// noticed is a side that hands messages in one by one, each when a client that idles has
// heard of the one before. The time of a turn is the median of its messages.
func (b *bench) noticed(ctx context.Context, in door, out pickupDoor) side {
	return func(long time.Duration) (t turn, err error) {
		l, err := b.sealedLoad(load{sessions: 1, messages: max(b.mails/10, 1)}, long, 10<<10)
		if err != nil {
			return turn{}, err
		}
		s, err := out.enterIMAP(ctx)
		if err != nil {
			return turn{}, err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		c, err := in.enter(ctx)
		if err != nil {
			return turn{}, err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		heard, err := s.idle()
		if err != nil {
			return turn{}, err
		}
		var times []time.Duration
		for i := range l.messages {
			err := c.send(in, l.text(i))
			if err != nil {
				return turn{}, err
			}
			taken := time.Now()
			at, ok := <-heard
			if !ok {
				return turn{}, errors.New("the client that idles was left")
			}
			times = append(times, max(at.Sub(taken), time.Microsecond))
		}
		slices.Sort(times)
		return turn{
			N: l.messages, Wall: int64(times[len(times)/2]), Slowest: int64(percentile(times, 99) * float64(time.Millisecond)),
		}, c.say(221, "QUIT")
	}
}

// idle begins IDLE and tells when it heard of messages (RFC 9051 §6.3.13), until the
// connection ends.
func (s *imapSession) idle() (<-chan time.Time, error) {
	_, err := io.WriteString(s, "idle IDLE\r\n")
	if err == nil {
		_, err = s.await("+")
	}
	if err != nil {
		return nil, err
	}
	heard := make(chan time.Time, 1)
	go func() {
		defer close(heard)
		for {
			line, err := s.line()
			if err != nil {
				return
			}
			var n int
			var what string
			_, err = fmt.Sscanf(line, "* %d %s", &n, &what)
			if err == nil && what == "EXISTS" {
				heard <- time.Now()
			}
		}
	}()
	return heard, nil
}
