package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// dovecotIMAP is the program of the package dovecot-imapd, in Debian's place.
const dovecotIMAP = "/usr/lib/dovecot/imap"

const imapMissing = "dovecot with IMAP is not installed, or this is not root"

// An imapWork is what each client does in a turn, and how much longer than with
// Dovecot it may take.
type imapWork struct {
	name   string
	target float64
	early  bool // the clock starts before the login
	do     func(s *imapSession, d pickupDoor, messages int) error
}

// imapReading is what is done with messages of every size.
func imapReading() []imapWork {
	return []imapWork{
		{name: "FETCH of all in one", target: 2, do: func(s *imapSession, _ pickupDoor, _ int) error {
			return s.do("FETCH 1:* BODY.PEEK[]")
		}},
		{name: "FETCH one by one", target: 1.5, do: fetchEach},
	}
}

// imapListing is what is done however large messages are.
func imapListing() []imapWork {
	return []imapWork{
		{name: "LOGIN and SELECT", target: 1.5, early: true, do: func(s *imapSession, d pickupDoor, _ int) error { return s.login(d) }},
		{name: "list of flags and ENVELOPE", target: 3, do: func(s *imapSession, _ pickupDoor, _ int) error {
			return s.do("FETCH 1:* (FLAGS ENVELOPE)")
		}},
	}
}

func fetchEach(s *imapSession, _ pickupDoor, messages int) error {
	for n := 1; n <= messages; n++ {
		err := s.do(fmt.Sprintf("FETCH %d BODY.PEEK[]", n))
		if err != nil {
			return err
		}
	}
	return nil
}

// imapFigures are B11: reading over IMAP under TLS, and how soon a client that idles
// hears of a message, against Dovecot. Postern opens each message that is read, and has
// that it is read on the disk before it is sent.
func imapFigures(ctx context.Context, b *bench) (all []figure, err error) {
	if !haveDovecotFor(dovecotIMAP) {
		return []figure{skipped("B11", "reading over IMAP against Dovecot", imapMissing)}, nil
	}
	messages := b.mails * 10 / 3
	for _, size := range b.upTo(100 << 10) {
		work := imapReading()
		if size == 10<<10 {
			work = append(work, imapListing()...)
		}
		some, err := b.imapBox(ctx, messages, size, work)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	some, err := b.imapBox(ctx, 10*messages, 2<<10, imapListing())
	if err != nil {
		return nil, err
	}
	all = append(all, some...)
	some, err = b.idleFigures(ctx)
	return append(all, some...), err
}

// imapBox are the figures of a mailbox.
func (b *bench) imapBox(ctx context.Context, messages, size int, work []imapWork) (all []figure, err error) {
	h, ours, err := b.pickupHouse(ctx, fmt.Sprintf("imap-%d-%d", messages, size), "imaps", messages, size)
	defer func() { err = stopHouses(err, h) }()
	if err != nil {
		return nil, err
	}
	server, theirs, err := b.pickupDovecot(ctx, h, "imap", messages, size)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	for _, w := range work {
		for _, clients := range []int{1, 10} {
			turns, err := interleave(b.rounds, b.turn, ours.reading(ctx, w, clients, messages), theirs.reading(ctx, w, clients, messages))
			if err != nil {
				return nil, err
			}
			f := figure{ID: "B11", What: fmt.Sprintf("IMAP, %d of %s, %s, %d clients, against Dovecot", messages, sizeName(size), w.name, clients), Unit: "ms"}
			all = append(all, compared(f, wallMillis, turns[0], turns[1]).atMost(w.target))
		}
	}
	return all, nil
}

// reading is a side of which a turn is the work of some clients at once, in sessions that
// are open before the clock starts.
func (d pickupDoor) reading(ctx context.Context, w imapWork, clients, messages int) side {
	enter := d.enterIMAP
	if w.early {
		enter = d.greeted
	}
	return func(time.Duration) (t turn, err error) {
		sessions := make([]*imapSession, 0, clients)
		defer func() {
			for _, s := range sessions {
				err = errors.Join(err, s.leave())
			}
		}()
		for range clients {
			s, err := enter(ctx)
			if err != nil {
				return turn{}, err
			}
			sessions = append(sessions, s)
		}
		began := time.Now()
		var g errgroup.Group
		for _, s := range sessions {
			g.Go(func() error { return w.do(s, d, messages) })
		}
		err = g.Wait()
		return turn{N: messages * clients, Wall: int64(time.Since(began))}, err
	}
}
