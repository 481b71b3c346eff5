package smtp

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust/reason"
)

// A counter of connections in front of a peer.
func counted(t *testing.T, to string) (addr string, n *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n = new(atomic.Int32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			go pipe(in, out)
			go pipe(out, in)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), n
}

func pipe(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		if n > 0 {
			to.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}

func TestRelayUsesAConnectionAgain(t *testing.T) {
	h, backbone := startBackbone(t)
	addr, n := counted(t, backbone)
	r := one(addr).relay()
	r.Idle = time.Minute
	defer r.Close()
	for range maxDelivered + 1 {
		got := r.Send(t.Context(), delivery("bob@near.test"))
		if got[0].Code != reason.OK || !got[0].TLS {
			t.Fatalf("%+v", got[0])
		}
	}
	if n.Load() != 2 || len(h.taken()) != maxDelivered+1 {
		t.Errorf("%d connections for %d messages", n.Load(), len(h.taken()))
	}
}

// What ends a connection's use, and what is sent again over a new one.
func TestRelayLeavesAConnection(t *testing.T) {
	for name, row := range map[string]struct {
		replies map[string]string
		to      [2]string // of the messages
		codes   [2]reason.Code
		mails   int // how often MAIL was said
		quits   int // before the relay is closed
	}{
		"taken":          {nil, [2]string{"a@far.test", "b@far.test"}, [2]reason.Code{reason.OK, reason.OK}, 2, 0},
		"nobody there":   {map[string]string{"RCPT TO:<a@": "550 5.1.1 who"}, [2]string{"a@far.test", "b@far.test"}, [2]reason.Code{reason.PeerRefused, reason.OK}, 2, 1},
		"not taken":      {map[string]string{".": "451 4.3.0 later"}, [2]string{"a@far.test", "b@far.test"}, [2]reason.Code{reason.PeerDeferred, reason.PeerDeferred}, 2, 2},
		"lost at RCPT":   {map[string]string{"RCPT TO:<b@": "hang up"}, [2]string{"a@far.test", "b@far.test"}, [2]reason.Code{reason.OK, reason.PeerUnreachable}, 2, 0},
		"lost at DATA":   {map[string]string{"DATA": "hang up"}, [2]string{"a@far.test", "b@far.test"}, [2]reason.Code{reason.PeerUnreachable, reason.PeerUnreachable}, 2, 0},
		"refused sender": {map[string]string{"MAIL": "550 5.7.1 no"}, [2]string{"a@far.test", "b@far.test"}, [2]reason.Code{reason.PeerRefused, reason.PeerRefused}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p, addr := startPeer(t, row.replies)
			r := one(addr).relay()
			r.Idle = time.Minute
			defer r.Close()
			for i, to := range row.to {
				got := r.Send(t.Context(), delivery(to))
				if got[0].Code != row.codes[i] {
					t.Errorf("message %d: %+v", i, got[0])
				}
			}
			heard := p.transcript()
			if n := strings.Count(heard, "MAIL FROM"); n != row.mails {
				t.Errorf("%d MAIL, want %d:\n%s", n, row.mails, heard)
			}
			if n := strings.Count(heard, "QUIT"); n != row.quits {
				t.Errorf("%d QUIT, want %d:\n%s", n, row.quits, heard)
			}
		})
	}
}

// A peer that lets go of a connection after a message, or takes no more over it,
// gets the next one over another; after MAIL was taken nothing is sent again.
func TestRelaySendsOverANewConnectionWhatAnOldOneDidNotBegin(t *testing.T) {
	for name, second := range map[string]string{"lost": "hang up", "closing": "421 4.4.2 bye", "enough": "452 4.5.3 too many messages", "refused": "550 5.5.1 again?"} {
		t.Run(name, func(t *testing.T) {
			p, addr := startPeer(t, nil)
			r := one(addr).relay()
			r.Idle = time.Minute
			defer r.Close()
			first := r.Send(t.Context(), delivery("a@far.test"))
			p.mu.Lock()
			p.once = map[string]string{"MAIL": second}
			p.mu.Unlock()
			got := r.Send(t.Context(), delivery("b@far.test"))
			if first[0].Code != reason.OK || got[0].Code != reason.OK {
				t.Errorf("%+v, then %+v", first[0], got[0])
			}
			heard := p.transcript()
			// Two EHLO for each connection: before STARTTLS is known, and the library's.
			if strings.Count(heard, "EHLO") != 4 || strings.Count(heard, "DATA") != 2 {
				t.Errorf("heard:\n%s", heard)
			}
		})
	}
}

// A peer that says a line too many, with its reply or while the connection waits,
// would have it taken for the reply to the next MAIL, and that reply for one of the
// next recipient. So the next message goes over a connection on which all was heard.
func TestRelayUsesNoConnectionOnWhichThePeerSpoke(t *testing.T) {
	inClear, overTLS := "250 peer", "250-peer\r\n250 STARTTLS"
	// As long as what is taken from TLS at once, so that what follows stays there.
	long := "250 2.0.0 " + strings.Repeat("x", len(lines{}.buffer)-len("250 2.0.0 \r\n"))
	for name, row := range map[string]struct{ hello, done, later string }{
		"at once":             {inClear, "250 2.0.0 queued\r\n250 2.0.0 really", ""},
		"at once, long":       {inClear, long + "\r\n250 2.0.0 really", ""},
		"later":               {inClear, "250 2.0.0 queued", "250 2.0.0 really"},
		"closing":             {inClear, "250 2.0.0 queued", "421 4.4.2 bye"},
		"under TLS":           {overTLS, "250 2.0.0 queued\r\n250 2.0.0 really", ""},
		"under TLS, long":     {overTLS, long + "\r\n250 2.0.0 really", ""},
		"later, under TLS":    {overTLS, "250 2.0.0 queued", "250 2.0.0 really"},
		"closing, under TLS":  {overTLS, "250 2.0.0 queued", "421 4.4.2 bye"},
		"only half, in clear": {inClear, "250 2.0.0 queued\r\n250", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, addr := startPeer(t, map[string]string{
				"EHLO": row.hello, "STARTTLS": "shake hands", ".": row.done, "RCPT TO:<gone@": "550 5.1.1 no such user",
			})
			r := one(addr).relay()
			r.Idle = time.Minute
			defer r.Close()
			first := r.Send(t.Context(), delivery("a@far.test"))
			if first[0].Code != reason.OK || first[0].TLS != (row.hello == overTLS) {
				t.Fatalf("%+v", first[0])
			}
			if waits := r.idle.n == 1; waits != (row.later != "") {
				t.Errorf("after the first message the connection waits: %t", waits)
			}
			if row.later != "" {
				p.say(nil, row.later)
				for _, all := range r.idle.at {
					testnet.Until(t, func() bool { return speaks(all[0].paced.Conn) })
				}
			}
			got := r.Send(t.Context(), delivery("gone@far.test", "good@far.test"))
			if got[0].Code != reason.PeerRefused || got[1].Code != reason.OK {
				t.Errorf("%+v", got)
			}
			heard := p.transcript()
			if strings.Count(heard, "MAIL") != 2 || strings.Count(heard, "DATA") != 2 {
				t.Errorf("heard:\n%s", heard)
			}
		})
	}
}

// cutAtTLS is a connection that is lost in the middle of the TLS handshake.
type cutAtTLS struct{ net.Conn }

func (c cutAtTLS) Write(b []byte) (int, error) {
	const handshake = 22 // RFC 8446 §5.1
	if b[0] == handshake {
		c.Close()
		return 0, errors.New("lost")
	}
	return c.Conn.Write(b)
}

// A connection that is in clear for want of better carries one message: the next
// one has another try at TLS.
func TestRelayDoesNotKeepWhatIsInClearForWantOfBetter(t *testing.T) {
	for name, row := range map[string]struct {
		once        map[string]string
		cut         int // the connection that is
		connections int
	}{
		"handshake lost":   {nil, 1, 3},
		"STARTTLS refused": {map[string]string{"STARTTLS": "454 4.7.0 not now"}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p, addr := startPeer(t, map[string]string{"EHLO": "250-peer\r\n250 STARTTLS", "STARTTLS": "shake hands"})
			p.mu.Lock()
			p.once = row.once
			p.mu.Unlock()
			z := one(addr)
			r := z.relay()
			r.Idle = time.Minute
			defer r.Close()
			dialed := 0
			r.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialed++
				c, err := z.dial(ctx, network, addr)
				if dialed == row.cut && err == nil {
					c = cutAtTLS{c}
				}
				return c, err
			}
			for i, underTLS := range []bool{false, true, true} {
				got := r.Send(t.Context(), delivery("a@far.test"))
				if got[0].Code != reason.OK || got[0].TLS != underTLS {
					t.Errorf("message %d: %+v", i, got[0])
				}
			}
			if dialed != row.connections {
				t.Errorf("%d connections, want %d", dialed, row.connections)
			}
		})
	}
}

// A connection that nobody needs ends by itself, and all do with the relay.
func TestRelayEndsConnectionsThatWait(t *testing.T) {
	_, addr := startPeer(t, nil)
	r := one(addr).relay()
	r.Idle = time.Millisecond
	r.Send(t.Context(), delivery("a@far.test"))
	testnet.Until(t, func() bool {
		r.idle.mu.Lock()
		defer r.idle.mu.Unlock()
		return r.idle.n == 0
	})
	r.Close()
	p, addr := startPeer(t, nil)
	r = one(addr).relay()
	r.Idle = time.Hour
	r.Send(t.Context(), delivery("a@far.test"))
	r.Close()
	if !strings.HasSuffix(p.transcript(), "QUIT") {
		t.Errorf("heard:\n%s", p.transcript())
	}
	got := r.Send(t.Context(), delivery("a@far.test"))
	if got[0].Code != reason.OK || r.idle.n != 0 {
		t.Errorf("after the end: %+v, %d wait", got[0], r.idle.n)
	}
}
