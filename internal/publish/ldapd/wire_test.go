package ldapd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"postern/internal/publish"
	"postern/internal/testnet"
)

// A far is the client's end of a connection. It collects what comes.
type far struct {
	net.Conn
	done chan struct{}
	got  bytes.Buffer // after done
}

func reach(p *testnet.Pipes) *far {
	ours := p.Dial()
	f := &far{Conn: ours, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		io.Copy(&f.got, ours)
	}()
	return f
}

// end waits until the server hangs up, and returns what it sent.
func (f *far) end() []byte {
	<-f.done
	return f.got.Bytes()
}

// bubble runs a test against a server in a bubble of time.
func bubble(t *testing.T, o Options, test func(*testing.T, *Server, *testnet.Pipes)) {
	s := newSite(t)
	synctest.Test(t, func(t *testing.T) {
		server := New(s.source, o)
		testnet.Serve(t, server, func(p *testnet.Pipes) { test(t, server, p) })
	})
}

var bindOctets = packet(1, opBind, integer(3), octetString(""), simple(""))

// TestConnectionsEndInTime: idle ones, slow ones, and those that do not take
// their answers.
func TestConnectionsEndInTime(t *testing.T) {
	drip := func(every time.Duration, octets []byte) func(*far) {
		return func(f *far) {
			for i := range octets {
				time.Sleep(every)
				_, err := f.Write(octets[i : i+1])
				if err != nil {
					return
				}
			}
		}
	}
	for _, c := range []struct {
		name string
		do   func(*far)
		want time.Duration
	}{
		{"silent", func(*far) {}, DefaultIdle},
		{"silent after a request", func(f *far) { f.Write(bindOctets) }, DefaultIdle},
		{"half a message", func(f *far) { f.Write(bindOctets[:5]) }, DefaultMessageTime},
		{"a promise of 64 KiB", func(f *far) { f.Write([]byte{0x30, 0x83, 0, 0xff, 0xff}) }, DefaultMessageTime},
		// The first octet comes after 3 s.
		{"a slow drip", drip(3*time.Second, bindOctets), 3*time.Second + DefaultMessageTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, _ *Server, l *testnet.Pipes) {
				began := time.Now()
				f := reach(l)
				done := make(chan struct{})
				go func() { defer close(done); c.do(f) }()
				f.end()
				if took := time.Since(began); took != c.want {
					t.Errorf("it took %v, want %v", took, c.want)
				}
				<-done
			})
		})
	}
	t.Run("answers not taken", func(t *testing.T) {
		bubble(t, Options{}, func(t *testing.T, s *Server, l *testnet.Pipes) {
			ours := l.Dial()
			ours.Write(bindOctets) // and nothing is read
			time.Sleep(DefaultMessageTime)
			synctest.Wait()
			if n := s.Stats().Open; n != 0 {
				t.Errorf("%d connections are open", n)
			}
			ours.Close()
		})
	})
}

// TestBindStorm: over the rate a client is told busy, and hung up on when it
// does not stop.
func TestBindStorm(t *testing.T) {
	bubble(t, Options{Rate: 50}, func(t *testing.T, s *Server, l *testnet.Pipes) {
		f, again := reach(l), reach(l)
		for range 1000 {
			_, err := f.Write(bindOctets)
			if err != nil {
				break
			}
		}
		got := map[int64]int{}
		for _, r := range replies(t, f.end()) {
			got[r[1]]++
		}
		if got[int64(success)] != 100 || got[int64(busy)] != maxBusy+1 || len(got) != 2 {
			t.Errorf("answers by code: %v", got)
		}
		if n := s.Stats().Limited; n != maxBusy+1 {
			t.Errorf("%d requests counted as limited", n)
		}
		// The other connection of the same client shares the limit until there
		// was a pause.
		again.Write(bindOctets)
		time.Sleep(time.Second)
		again.Write(bindOctets)
		synctest.Wait()
		again.Close()
		if got := replies(t, again.end()); len(got) != 2 || got[0][1] != int64(busy) || got[1][1] != int64(success) {
			t.Errorf("answers before and after a pause: %v", got)
		}
	})
}

func TestSearchForManyCostsAsMuch(t *testing.T) {
	or := ber.Encode(ber.ClassContext, ber.TypeConstructed, 1, nil, "")
	for i := range maxMails {
		equal := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
		equal.AppendChild(octetString("mail"))
		equal.AppendChild(octetString(strings.Repeat("x", i) + "@b.example"))
		or.AppendChild(equal)
	}
	s := alone(t, Options{Rate: 1})
	for _, want := range []code{success, busy} {
		got := replies(t, s.answer(t.Context(), searchOctets(or)).octets)
		if got[0][1] != int64(want) {
			t.Errorf("%v, want %d", got, want)
		}
	}
}

// TestStartTLSTakesNothingSentAhead: a request in clear behind StartTLS is not
// answered, neither before nor under TLS.
func TestStartTLSTakesNothingSentAhead(t *testing.T) {
	config, _ := serverTLS(t)
	request := packet(1, opExtended, ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oidStartTLS, ""))
	bubble(t, Options{TLS: config}, func(t *testing.T, _ *Server, l *testnet.Pipes) {
		f := reach(l)
		f.Write(append(bytes.Clone(request), bindOctets...))
		if got := replies(t, f.end()); len(got) != 1 || got[0] != [2]int64{1, 0} {
			t.Errorf("answers %v", got)
		}
	})
	bubble(t, Options{TLS: config}, func(t *testing.T, s *Server, l *testnet.Pipes) {
		f := reach(l)
		f.Write(request)
		began := time.Now()
		f.end() // nothing is said of TLS
		if took := time.Since(began); took != DefaultMessageTime {
			t.Errorf("a handshake may take %v", took)
		}
	})
}

// mailFilter is (mail=b.example).
func mailFilter() *ber.Packet {
	p := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
	p.AppendChild(octetString("mail"))
	p.AppendChild(octetString("b.example"))
	return p
}

// stopping serves a source that waits, in a bubble, with a search under way, and
// then ends the context of Serve.
func stopping(t *testing.T, test func(t *testing.T, s *Server, searching *far, release func())) {
	site := newSite(t)
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		server, l := New(func(ctx context.Context) (*publish.Set, error) {
			<-leave
			return site.source(ctx)
		}, Options{}), testnet.NewPipes()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- server.Serve(ctx, l) }()
		idle, half, searching := reach(l), reach(l), reach(l)
		half.Write(bindOctets[:3])
		searching.Write(searchOctets(mailFilter()))
		synctest.Wait()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
		for _, f := range []*far{idle, half} {
			if got := replies(t, f.end()); len(got) != 1 || got[0] != [2]int64{0, int64(unavailable)} {
				t.Errorf("answers %v", got)
			}
		}
		test(t, server, searching, func() { close(leave) })
		late := testnet.NewPipes()
		if err := server.Serve(t.Context(), late); err != nil {
			t.Errorf("serving after the end: %v", err)
		}
		<-late.Closed()
	})
}

// TestShutdown: a request under way is answered.
func TestShutdown(t *testing.T) {
	stopping(t, func(t *testing.T, s *Server, searching *far, release func()) {
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		got := replies(t, searching.end())
		want := [][2]int64{{7, -1}, {7, int64(success)}, {0, int64(unavailable)}} // an entry first
		if !slices.Equal(got, want) {
			t.Errorf("answers %v", got)
		}
	})
}

// TestShutdownInTime: a request that takes too long is cut off.
func TestShutdownInTime(t *testing.T) {
	stopping(t, func(t *testing.T, s *Server, searching *far, release func()) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutting down: %v", err)
		}
		if got := searching.end(); len(got) > 0 {
			t.Errorf("answered %x", got)
		}
		release()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("shutting down again: %v", err)
		}
	})
}

func TestTooManyConnections(t *testing.T) {
	for name, o := range map[string]Options{"in all": {Connections: 2}, "of one client": {ConnectionsPerIP: 2}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, s *Server, l *testnet.Pipes) {
				first, _, third := reach(l), reach(l), reach(l)
				if got := replies(t, third.end()); len(got) != 1 || got[0] != [2]int64{0, int64(busy)} {
					t.Errorf("answers %v", got)
				}
				first.Close()
				synctest.Wait()
				fourth := reach(l)
				fourth.Write(bindOctets)
				synctest.Wait()
				fourth.Close()
				if got := replies(t, fourth.end()); len(got) != 1 || got[0] != [2]int64{1, 0} {
					t.Errorf("answers %v", got)
				}
				want := Stats{Open: s.Stats().Open, Connections: 3, TurnedAway: 1, Requests: 1}
				if got := s.Stats(); got != want {
					t.Errorf("figures %+v, want %+v", got, want)
				}
			})
		})
	}
}

// TestSilentConnectionsKeepNobodyOut: the places of whoever has the most are
// given to others.
func TestSilentConnectionsKeepNobodyOut(t *testing.T) {
	s, addr := start(t, newSite(t).source, Options{Connections: 6, ConnectionsPerIP: 3})
	dial := func(last byte) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}}
		c, err := d.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	bound := func(c net.Conn) bool {
		_, err := c.Write(bindOctets)
		if err != nil {
			return false
		}
		answer := make([]byte, 14)
		_, err = io.ReadFull(c, answer)
		return err == nil && answer[5] == 0x61
	}
	for range 3 {
		for _, last := range []byte{2, 3} {
			if !bound(dial(last)) {
				t.Fatal("a connection within the limits was refused")
			}
		}
	}
	for range 2 {
		if !bound(dial(4)) {
			t.Error("a new client is kept out")
		}
	}
	if bound(dial(4)) {
		t.Error("a client has taken more than the others keep")
	}
	if got := s.Stats(); got.TurnedAway != 1 || got.Connections != 8 {
		t.Errorf("figures %+v", got)
	}
}
