package main

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A mode is how a link spoils what goes through it.
type mode int32

// Modes of a link.
const (
	passes     mode = iota
	cutsData        // it resets the connection in the middle of DATA
	cutsAnswer      // it resets it when the message was answered, before its client knows
	defers          // it answers 421 or 451 itself
	hangs           // it takes connections and says nothing
	modes      = 5
)

// hangTime is how long a link that hangs keeps a connection.
const hangTime = 3 * time.Second

// A link is the way from one gateway to the backbone of another, with all that
// happens to connections. STARTTLS is not offered on it, so that it sees where a
// message ends.
type link struct {
	addr, to string
	mode     atomic.Int32
	spoilt   [modes]atomic.Int64 // connections that were not let through whole, by mode
	all      sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newLink(t testing.TB, to string) *link {
	t.Helper()
	l := &link{to: to, conns: make(map[net.Conn]bool)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = listener.Addr().String()
	l.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.all.Go(func() { l.carry(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.mu.Lock()
		for c := range l.conns {
			_ = c.Close()
		}
		l.mu.Unlock()
		l.all.Wait()
	})
	return l
}

func (l *link) set(m mode) { l.mode.Store(int32(m)) }

func (l *link) keep(c net.Conn, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if open {
		l.conns[c] = true
	} else {
		delete(l.conns, c)
	}
}

// carry is one connection.
func (l *link) carry(near net.Conn) {
	l.keep(near, true)
	defer l.keep(near, false)
	defer near.Close()
	_ = near.SetDeadline(time.Now().Add(sessionTime))
	m := mode(l.mode.Load())
	switch m {
	case hangs:
		l.spoilt[m].Add(1)
		_ = near.SetDeadline(time.Now().Add(hangTime))
		_, _ = io.Copy(io.Discard, near)
		return
	case defers:
		if l.spoilt[m].Add(1)%2 == 0 {
			_, _ = io.WriteString(near, "421 4.3.2 come back later\r\n")
			return
		}
	}
	far, err := net.DialTimeout("tcp", l.to, sessionTime)
	if err != nil {
		return
	}
	l.keep(far, true)
	defer l.keep(far, false)
	defer far.Close()
	_ = far.SetDeadline(time.Now().Add(sessionTime))
	c := &crossing{link: l, mode: m, near: near, far: far, in: bufio.NewReader(near), out: bufio.NewReader(far)}
	c.run()
}

// A crossing is a session over a link: one command and its reply after the other.
type crossing struct {
	*link
	mode      mode
	near, far net.Conn
	in, out   *bufio.Reader // from near and from far
}

func (c *crossing) run() {
	_, ok := c.reply()
	for ok {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return
		}
		verb := strings.ToUpper(strings.TrimSpace(line))
		if c.mode == defers && strings.HasPrefix(verb, "MAIL") {
			_, err = io.WriteString(c.near, "451 4.3.2 not now\r\n")
			if err != nil {
				return
			}
			continue
		}
		_, err = io.WriteString(c.far, line)
		if err != nil {
			return
		}
		var code string
		code, ok = c.reply()
		if ok && verb == "DATA" && code == "354" {
			ok = c.data()
		}
	}
}

// reply passes one reply back, without the offer of STARTTLS, and returns its
// code.
func (c *crossing) reply() (code string, ok bool) {
	var whole []string
	for {
		line, err := c.out.ReadString('\n')
		if err != nil || len(line) < 4 {
			return "", false
		}
		if !strings.Contains(line, "STARTTLS") {
			whole = append(whole, line[:3]+"-"+line[4:])
		}
		if line[3] != '-' {
			break
		}
	}
	if len(whole) == 0 {
		return "", false
	}
	last := &whole[len(whole)-1]
	*last = (*last)[:3] + " " + (*last)[4:]
	_, err := io.WriteString(c.near, strings.Join(whole, ""))
	return (*last)[:3], err == nil
}

// data passes a message on, or what the mode leaves of it.
func (c *crossing) data() bool {
	for octets := 0; ; {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return false
		}
		octets += len(line)
		if c.mode == cutsData && octets > 2000 {
			c.spoilt[c.mode].Add(1)
			reset(c.near)
			reset(c.far)
			return false
		}
		_, err = io.WriteString(c.far, line)
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
	}
	if c.mode == cutsAnswer {
		c.spoilt[c.mode].Add(1)
		_, _ = c.out.ReadString('\n') // the far side has it
		reset(c.near)
		return false
	}
	_, ok := c.reply()
	return ok
}

// reset ends a connection as a router does that lost its memory.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
