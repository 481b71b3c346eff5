package named

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func client(address string) net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 53))
}

// count returns how many of n are let through.
func count(l *limiter, address string, n int) int {
	ok := 0
	for range n {
		if l.allow(client(address)) {
			ok++
		}
	}
	return ok
}

func TestLimiterCountsByNetwork(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := newLimiter(10, func() time.Time { return now })
	wait := func(d time.Duration) { now = now.Add(d) }
	for _, step := range []struct {
		wait    time.Duration
		address string
		n, want int
	}{
		{0, "192.0.2.1", 15, 10},
		{0, "192.0.2.200", 5, 0}, // the same /24
		{0, "::ffff:192.0.2.9", 5, 0},
		{0, "192.0.3.1", 5, 5},
		{0, "2001:db8:0:1::1", 15, 10},
		{0, "2001:db8:0:ff::1", 5, 0},  // the same /56
		{0, "2001:db8:0:100::1", 5, 5}, // another
		{300 * time.Millisecond, "192.0.2.1", 15, 3},
		{700 * time.Millisecond, "192.0.2.1", 15, 7}, // past the turn of the second
		{0, "192.0.3.1", 15, 10},                     // it was full again
		{time.Hour, "192.0.2.1", 15, 10},
		{-2 * time.Hour, "192.0.2.1", 15, 0}, // a clock that goes back gives nothing
		{time.Second, "192.0.2.1", 15, 10},
	} {
		wait(step.wait)
		if got := count(l, step.address, step.n); got != step.want {
			t.Errorf("%s after %v: %d of %d, want %d", step.address, step.wait, got, step.n, step.want)
		}
	}
}

// However many networks are forged, the memory has an end, and they get nothing.
func TestLimiterIsBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := newLimiter(10, func() time.Time { return now })
	known := "198.51.100.1"
	count(l, known, 1)
	forge := func() (ok int) {
		for i := range 2 * maxNetworks {
			if l.allow(client(netip.AddrFrom4([4]byte{10 + byte(i>>16), byte(i >> 8), byte(i), 1}).String())) {
				ok++
			}
		}
		return ok
	}
	if got := forge(); got != maxNetworks-1 {
		t.Errorf("%d forged networks got an answer", got)
	}
	if got := count(l, known, 20); got != 9 {
		t.Errorf("a known network got %d", got)
	}
	now = now.Add(time.Second)
	if got := count(l, "203.0.113.1", 1); got != 1 {
		t.Error("a new network gets nothing in the next second")
	}
	forge()
	if n := len(l.recent) + len(l.old); n > 2*maxNetworks {
		t.Errorf("%d networks are kept", n)
	}
	now = now.Add(time.Minute)
	count(l, known, 1)
	if n := len(l.recent) + len(l.old); n != 1 {
		t.Errorf("%d networks are kept after a minute", n)
	}
}

// Over the limit UDP clients are sent to TCP with nothing.
func TestOverTheLimitAnswersAreTruncated(t *testing.T) {
	s, _ := theSite(t)
	now := time.Unix(1_000_000, 0)
	server, addr := s.serve(t, Options{Rate: 3, Now: func() time.Time { return now }})
	q := question("b.example", dns.TypeNS).SetEdns0(1232, false)
	whole := 0
	for range 10 {
		m := ask(t, addr, "udp", q)
		if len(m.Answer) > 0 && !m.Truncated {
			whole++
		} else if !m.Truncated || len(m.Answer)+len(m.Ns) > 0 || m.Len() > q.Len() {
			t.Errorf("over the limit:\n%s", m)
		}
	}
	if whole != 3 {
		t.Errorf("%d whole answers", whole)
	}
	for range 10 {
		if m := ask(t, addr, "tcp", q); len(m.Answer) != 2 {
			t.Errorf("over TCP:\n%s", m)
		}
	}
	if st := server.Stats(); st.Limited != 7 || st.TCP != 10 || st.Answers["NOERROR"] != 20 {
		t.Errorf("counted %+v", st)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	s, _ := theSite(t)
	for name, o := range map[string]Options{
		"in all":     {Connections: 2, ConnectionsPerIP: 9},
		"per client": {Connections: 9, ConnectionsPerIP: 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := s.serve(t, o)
			open := func() *dns.Conn {
				conn, err := dns.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				return conn
			}
			asks := func(conn *dns.Conn) bool {
				err := conn.WriteMsg(question("b.example", dns.TypeSOA))
				if err != nil {
					return false
				}
				_, err = conn.ReadMsg()
				return err == nil
			}
			one, two := open(), open()
			if !asks(one) || !asks(two) {
				t.Fatal("two are too many")
			}
			if asks(open()) {
				t.Error("a third was let in")
			}
			one.Close()
			again := open()
			for !asks(again) { // until the server has seen the end of the first
				again = open()
			}
		})
	}
}

func TestTCPConnectionsEnd(t *testing.T) {
	s, _ := theSite(t)
	server := New(s.source, Options{})
	server.idle = 50 * time.Millisecond
	addr := run(t, server)
	for name, send := range map[string][]byte{"silent": nil, "half a length": {0}, "half a question": {0, 40, 1, 2, 3}} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Write(send)
		if err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(make([]byte, 1))
		if n > 0 || err == nil {
			t.Errorf("%s: an answer", name)
		}
		conn.Close()
	}
	busy, err := dns.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	answers := 0
	for busy.WriteMsg(question("b.example", dns.TypeSOA)) == nil {
		_, err := busy.ReadMsg()
		if err != nil {
			break
		}
		answers++
	}
	if answers != connectionQueries {
		t.Errorf("one connection got %d answers", answers)
	}
}

// A client that does not read its answers is not waited for.
func TestAnswersThatNobodyTakesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		g := newGate(nil, 1, 1, idleTime)
		c := g.admit(ours)
		if g.admit(ours) != nil {
			t.Error("a second was let in")
		}
		began := time.Now()
		_, err := c.Write([]byte("x"))
		if err == nil || time.Since(began) != idleTime {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		g.closeAll()
		if len(g.conns)+len(g.perIP) > 0 {
			t.Errorf("%d connections are left", len(g.conns))
		}
		_ = theirs.Close()
	})
}
