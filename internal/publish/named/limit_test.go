package named

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"postern/internal/testnet"
)

func client(address string) net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 53))
}

// Above the rate a network gets every second answer, cut, and beyond ten times
// the rate none.
func TestSharesByNetwork(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var l limits
	l.set(Options{Rate: 10, RateTCP: 20})
	for _, step := range []struct {
		wait      time.Duration
		address   string
		tcp       bool
		n         int
		whole     int
		cut, none int
	}{
		{0, "192.0.2.1", false, 12, 10, 1, 1},
		{0, "192.0.2.200", false, 5, 0, 3, 2}, // the same /24
		{0, "::ffff:192.0.2.9", false, 1000, 0, 41, 959},
		{0, "192.0.2.1", false, 100, 0, 0, 100},
		{0, "192.0.3.1", false, 5, 5, 0, 0},
		{0, "2001:db8:0:1::1", false, 10, 10, 0, 0},
		{0, "2001:db8:0:ff::1", false, 2, 0, 1, 1}, // the same /56
		{0, "2001:db8:0:100::1", false, 5, 5, 0, 0},
		{0, "192.0.2.1", true, 30, 20, 0, 10},
		{0, "192.0.2.2", true, 1, 0, 0, 1},
		{500 * time.Millisecond, "192.0.2.2", true, 30, 10, 0, 20},
		{0, "192.0.2.1", false, 10, 5, 3, 2},
	} {
		now = now.Add(step.wait)
		got := make(map[share]int)
		for range step.n {
			got[l.of(client(step.address), step.tcp, now)]++
		}
		if got[whole] != step.whole || got[cut] != step.cut || got[none] != step.none {
			t.Errorf("%+v: %v", step, got)
		}
	}
}

// Over the limit UDP clients are sent to TCP with nothing, every second time, and
// over TCP they are hung up on.
func TestOverTheLimitAnswersEnd(t *testing.T) {
	s, _ := theSite(t)
	now := time.Unix(1_000_000, 0)
	server, addr := s.serve(t, Options{Rate: 3, RateTCP: 4, Now: func() time.Time { return now }})
	q := question("b.example", dns.TypeNS).SetEdns0(1232, false)
	udp, err := dns.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for id := range uint16(10) {
		q.Id = id
		err = udp.WriteMsg(q)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case id < 3:
			m, err := udp.ReadMsg()
			if err != nil || m.Id != id || len(m.Answer) != 2 || m.Truncated {
				t.Errorf("within the limit: %v\n%s", err, m)
			}
		case id%2 == 1: // 3 is the first beyond
			m, err := udp.ReadMsg()
			if err != nil || m.Id != id || !m.Truncated || len(m.Answer)+len(m.Ns) > 0 || m.Len() > q.Len() {
				t.Errorf("over the limit: %v\n%s", err, m)
			}
		default: // the next answer is not to this one
			testnet.Until(t, func() bool { return server.Stats().Limited >= uint64(id-2) })
		}
	}
	tcp, err := dns.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for range 4 {
		if m := over(t, tcp, q); len(m.Answer) != 2 {
			t.Errorf("over TCP:\n%s", m)
		}
	}
	err = tcp.WriteMsg(q)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := tcp.ReadMsg(); err == nil {
		t.Errorf("over the limit of TCP:\n%s", m)
	}
	if st := server.Stats(); st.Limited != 8 || st.TCP != 4 || st.Answers["NOERROR"] != 11 {
		t.Errorf("counted %+v", st)
	}
}

// A few hosts that keep their connections busy keep nobody out.
func TestTheFullServerTakesNewClients(t *testing.T) {
	s, _ := theSite(t)
	_, addr := s.serve(t, Options{Connections: 6, ConnectionsPerIP: 3})
	open := func(last byte) *dns.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}}
		c, err := d.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return &dns.Conn{Conn: c}
	}
	q := question("b.example", dns.TypeSOA)
	for range 3 {
		over(t, open(2), q)
		over(t, open(3), q)
	}
	over(t, open(4), q)
	over(t, open(5), q)
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
	_, addr = s.serve(t, Options{}) // which waits as long as a busy machine needs
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
		defer theirs.Close()
		c := &conn{Conn: ours, wait: idleTime}
		defer c.Close()
		began := time.Now()
		_, err := c.Write([]byte("x"))
		if err == nil || time.Since(began) != idleTime {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// Nobody has to set a limit for TCP, where names could be tried one by one.
func TestTCPHasALimit(t *testing.T) {
	s, _ := theSite(t)
	now := time.Unix(1_000_000, 0)
	_, addr := s.serve(t, Options{Now: func() time.Time { return now }})
	q := question("nobody.b.example", dns.TypeCERT)
	answers := 0
	for range 3 {
		c, err := dns.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range connectionQueries {
			if c.WriteMsg(q) != nil {
				break
			}
			if _, err := c.ReadMsg(); err != nil {
				break
			}
			answers++
		}
	}
	if answers != 200 {
		t.Errorf("%d answers in no time", answers)
	}
}
