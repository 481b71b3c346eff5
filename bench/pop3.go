package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"time"
)

// dovecotPOP3 is the program of the package dovecot-pop3d, in Debian's place.
const dovecotPOP3 = "/usr/lib/dovecot/pop3"

// popTarget is how much longer than with Dovecot a session may take.
const popTarget = 1.5

// popFigures are P1: sessions over POP3 under TLS that fetch all messages of a
// mailbox, one after the other and with all commands in one go, against Dovecot.
// Postern opens each, and has that it is read on the disk before it is sent.
func popFigures(ctx context.Context, b *bench) (all []figure, err error) {
	if !haveDovecotFor(dovecotPOP3) {
		return []figure{skipped("P1", "fetching by POP3 against Dovecot", "dovecot with POP3 is not installed, or this is not root")}, nil
	}
	for _, size := range b.upTo(100 << 10) {
		some, err := b.popSize(ctx, size)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// popSize are the figures of one size of messages.
func (b *bench) popSize(ctx context.Context, size int) (all []figure, err error) {
	messages := b.mails * 10 / 3
	h, ours, err := b.pickupHouse(ctx, fmt.Sprintf("pop3-%d", size), "pop3s", messages, size)
	defer func() { err = stopHouses(err, h) }()
	if err != nil {
		return nil, err
	}
	server, theirs, err := b.pickupDovecot(ctx, h, "pop3", messages, size)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	for _, way := range []struct {
		name  string
		fetch func(*textproto.Conn, int) error
	}{{"one by one", fetchSingly}, {"all commands in one go", fetchTogether}} {
		turns, err := interleave(b.rounds, b.turn, ours.side(ctx, messages, way.fetch), theirs.side(ctx, messages, way.fetch))
		if err != nil {
			return nil, err
		}
		f := figure{ID: "P1", What: fmt.Sprintf("POP3, RETR of %d of %s, %s, under TLS, against Dovecot", messages, sizeName(size), way.name), Unit: "ms"}
		all = append(all, compared(f, wallMillis, turns[0], turns[1]).atMost(popTarget))
	}
	return all, nil
}

// wallMillis is how long a turn took in milliseconds.
func wallMillis(t turn) float64 { return float64(t.Wall) / 1e6 }

// side is a side of which a turn is one session.
func (d pickupDoor) side(ctx context.Context, messages int, fetch func(*textproto.Conn, int) error) side {
	return func(time.Duration) (turn, error) {
		began := time.Now()
		err := d.session(ctx, messages, fetch)
		return turn{N: messages, Wall: int64(time.Since(began))}, err
	}
}

// session logs in, looks what there is as clients do, fetches and leaves.
func (d pickupDoor) session(ctx context.Context, messages int, fetch func(*textproto.Conn, int) error) error {
	conn, err := d.dial(ctx)
	if err != nil {
		return err
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	err = errors.Join(popOK(c, ""), popOK(c, "USER "+d.user), popOK(c, "PASS "+housePassword), popOK(c, "STAT"))
	for _, command := range []string{"UIDL", "LIST"} {
		if err == nil {
			err = popOK(c, command)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, c.DotReader())
		}
	}
	if err == nil {
		err = fetch(c, messages)
	}
	if err == nil {
		err = popOK(c, "QUIT")
	}
	return err
}

// popOK sends a command, unless it is "", and reads +OK.
func popOK(c *textproto.Conn, command string) error {
	if command != "" {
		err := c.PrintfLine("%s", command)
		if err != nil {
			return err
		}
	}
	line, err := c.ReadLine()
	if err == nil && !strings.HasPrefix(line, "+OK") {
		err = fmt.Errorf("%.4s: %s", command, line)
	}
	return err
}

// fetchSingly asks for a message when it has the one before.
func fetchSingly(c *textproto.Conn, messages int) error {
	for n := 1; n <= messages; n++ {
		err := popOK(c, fmt.Sprintf("RETR %d", n))
		if err == nil {
			_, err = io.Copy(io.Discard, c.DotReader())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fetchTogether asks for all and then reads (RFC 2449 §6.6).
func fetchTogether(c *textproto.Conn, messages int) error {
	sent := make(chan error, 1)
	go func() {
		for n := 1; n <= messages; n++ {
			fmt.Fprintf(c.W, "RETR %d\r\n", n) // errors stay with the writer
		}
		sent <- c.W.Flush()
	}()
	for range messages {
		err := popOK(c, "")
		if err == nil {
			_, err = io.Copy(io.Discard, c.DotReader())
		}
		if err != nil {
			return err
		}
	}
	return <-sent
}
