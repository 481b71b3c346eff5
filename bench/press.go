package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A door is a mail server that takes messages, and how one comes in.
type door struct {
	addr       string
	user       string      // for AUTH; "" is none
	tls        *tls.Config // for STARTTLS; nil is none
	lmtp       bool
	sender, to string
	// used tells the processor time of who is behind it; nil tells nothing.
	used func() (time.Duration, error)
}

// A load is messages that are handed in, in sessions side by side.
type load struct {
	sessions, messages int
	text               func(i int) []byte // of the i-th message
	// every is how often one may begin, over all sessions; 0 is as often as can be.
	every time.Duration
}

// A handed is what became of a load.
type handed struct {
	began time.Time       // when all sessions were open
	used  time.Duration   // by who is behind the door, then
	times []time.Duration // that each message took, sorted
}

// hand opens the sessions, one after the other, and hands the messages in.
func (d door) hand(ctx context.Context, l load) (handed, error) {
	callers := make([]caller, 0, l.sessions)
	defer func() {
		for _, c := range callers {
			_ = c.Close()
		}
	}()
	for range l.sessions {
		c, err := d.enter(ctx)
		if err != nil {
			return handed{}, fmt.Errorf("entering %s: %w", d.addr, err)
		}
		callers = append(callers, c)
	}
	used, failed := d.taken()
	h := handed{began: time.Now(), used: used}
	var next atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, c := range callers {
		all.Go(func() {
			took, err := c.session(ctx, d, l, h.began, &next)
			mu.Lock()
			defer mu.Unlock()
			h.times, failed = append(h.times, took...), errors.Join(failed, err)
		})
	}
	all.Wait()
	slices.Sort(h.times)
	return h, failed
}

// taken is the processor time of who is behind a door, so far.
func (d door) taken() (time.Duration, error) {
	if d.used == nil {
		return 0, nil
	}
	return d.used()
}

// turn is what was done since the sessions were open.
func (d door) turn(n int, h handed) (turn, error) {
	used, err := d.taken()
	return turn{
		N: n, Wall: int64(time.Since(h.began)), CPU: int64(used - h.used),
		Slowest: int64(percentile(h.times, 99) * float64(time.Millisecond)),
	}, err
}

func (c caller) session(ctx context.Context, d door, l load, began time.Time, next *atomic.Int64) ([]time.Duration, error) {
	var times []time.Duration
	for {
		i := int(next.Add(1)) - 1
		if i >= l.messages {
			return times, c.say(221, "QUIT")
		}
		if l.every > 0 && !pause(ctx, time.Until(began.Add(time.Duration(i)*l.every))) {
			return times, ctx.Err()
		}
		start := time.Now()
		err := c.send(d, l.text(i))
		if err != nil {
			return times, fmt.Errorf("handing a message to %s: %w", d.addr, err)
		}
		times = append(times, time.Since(start))
	}
}

// A caller is the client's end of a session.
type caller struct {
	*textproto.Conn
	raw *bufio.Writer
}

func newCaller(conn net.Conn) caller {
	return caller{textproto.NewConn(conn), bufio.NewWriterSize(conn, 64<<10)}
}

// enter opens a session up to where mail can be sent.
func (d door) enter(ctx context.Context) (caller, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return caller{}, err
	}
	c := newCaller(conn)
	_, _, err = c.ReadResponse(220)
	if err == nil {
		err = c.say(250, d.hello())
	}
	if err == nil && d.tls != nil {
		err = c.say(220, "STARTTLS")
		c = newCaller(tls.Client(conn, d.tls))
		if err == nil {
			err = c.say(250, d.hello())
		}
	}
	if err == nil && d.user != "" {
		err = c.say(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+d.user+"\x00"+housePassword)))
	}
	if err != nil {
		return c, errors.Join(err, c.Close())
	}
	return c, nil
}

func (d door) hello() string {
	if d.lmtp {
		return "LHLO client"
	}
	return "EHLO client"
}

// say sends a command and wants an answer.
func (c caller) say(want int, command string) error {
	err := c.PrintfLine("%s", command)
	if err != nil {
		return err
	}
	_, _, err = c.ReadResponse(want)
	return err
}

// send is one transaction of one recipient.
func (c caller) send(d door, text []byte) error {
	for _, command := range []string{"MAIL FROM:<" + d.sender + ">", "RCPT TO:<" + d.to + ">"} {
		err := c.say(250, command)
		if err != nil {
			return err
		}
	}
	err := c.say(354, "DATA")
	if err != nil {
		return err
	}
	_, _ = c.raw.Write(text) // no line of ours begins with a dot; an error shows at the end
	_, _ = c.raw.WriteString(".\r\n")
	err = c.raw.Flush()
	if err != nil {
		return err
	}
	_, _, err = c.ReadResponse(250)
	return err
}

// numbered is messages of one size, each with a Message-ID of its own.
func numbered(size int, series string) func(i int) []byte {
	const id = "<bench@a.example>"
	head, tail, _ := bytes.Cut(message(size), []byte(id))
	return func(i int) []byte {
		return slices.Concat(head, fmt.Appendf(nil, "<%s.%d@a.example>", series, i), tail)
	}
}

// percentile of sorted times, in milliseconds.
func percentile(times []time.Duration, p int) float64 {
	if len(times) == 0 {
		return 0
	}
	return float64(times[min(len(times)*p/100, len(times)-1)].Microseconds()) / 1000
}
