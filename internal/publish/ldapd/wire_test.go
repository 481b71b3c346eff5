package ldapd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"postern/internal/publish"
)

// pipes is a listener without sockets, so that time can be the bubble's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A far is the client's end of a connection. It collects what comes.
type far struct {
	net.Conn
	done chan struct{}
	got  bytes.Buffer // after done
}

func (p *pipes) dial() *far {
	ours, theirs := net.Pipe()
	p.conns <- theirs
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
func bubble(t *testing.T, o Options, test func(*testing.T, *Server, *pipes)) {
	s := newSite(t)
	synctest.Test(t, func(t *testing.T) {
		server, l := New(s.source, o), newPipes()
		served := make(chan error, 1)
		go func() { served <- server.Serve(context.Background(), l) }()
		test(t, server, l)
		err := errors.Join(server.Shutdown(context.Background()), <-served)
		if err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
}

var bindOctets = packet(1, opBind, integer(3), octetString(""), simple(""))

// nested is a message of n elements within one another, each of which claims to
// be of indefinite length.
func nested(n int) []byte { return bytes.Repeat([]byte{0x30, 0x80}, n) }

// deep is a sound message of n elements within one another.
func deep(n int) []byte {
	p := octetString("")
	for range n - 1 {
		outer := ber.NewSequence("")
		outer.AppendChild(p)
		p = outer
	}
	return p.Bytes()
}

// search makes a search of all contexts with a filter.
func searchOctets(filter *ber.Packet) []byte {
	no := ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, "")
	return packet(7, opSearch, octetString(""), enumerated(2), enumerated(0), integer(0), integer(0), no,
		filter, ber.NewSequence(""))
}

func orOf(n int) []byte {
	or := ber.Encode(ber.ClassContext, ber.TypeConstructed, 1, nil, "")
	for range n {
		or.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, "a", ""))
	}
	return searchOctets(or)
}

func notsOf(n int) []byte {
	p := ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, "mail", "")
	for range n {
		not := ber.Encode(ber.ClassContext, ber.TypeConstructed, 2, nil, "")
		not.AppendChild(p)
		p = not
	}
	return searchOctets(p)
}

// TestHostileMessages: each of them ends its connection with a Notice of
// Disconnection, and nobody else's.
func TestHostileMessages(t *testing.T) {
	valid := bytes.Clone(bindOctets)
	lying := bytes.Clone(bindOctets)
	lying[3]++ // the messageID is longer than it is
	for _, c := range []struct {
		name   string
		octets []byte
	}{
		{"nested a million times", nested(1e6)},
		{"nested within one message", deep(200)},
		{"not an LDAPMessage", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"a TLS client hello", []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}},
		{"indefinite length", append([]byte{0x30, 0x80}, valid[2:]...)},
		{"indefinite length inside", []byte{0x30, 0x07, 0x02, 0x01, 0x01, 0x60, 0x80, 0x00, 0x00}},
		{"longer than may be", []byte{0x30, 0x83, 0x01, 0x00, 0x01}},
		{"4 GiB", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}},
		{"length of nine octets", append([]byte{0x30, 0x89}, make([]byte, 9)...)},
		{"length of 127 octets", append([]byte{0x30, 0xff}, make([]byte, 127)...)},
		{"a length that lies inside", lying},
		{"a length beyond the message inside", []byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x60, 0x7f}},
		{"cut short inside", []byte{0x30, 0x04, 0x02, 0x01, 0x01, 0x60}},
		{"a length cut short inside", []byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x60, 0x82}},
		{"a high tag", []byte{0x30, 0x07, 0x02, 0x01, 0x01, 0x7f, 0x81, 0x01, 0x00}},
		{"a REAL", []byte{0x30, 0x07, 0x02, 0x01, 0x01, 0x09, 0x02, 0x03, 0x31}},
		{"an end-of-contents", []byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x00, 0x00}},
		{"an OCTET STRING in parts", []byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x24, 0x00}},
		{"a thousand ORs", orOf(maxElements)},
		{"ten thousand ORs", orOf(10_000)},
		{"forty NOTs", notsOf(40)},
		{"an empty message", []byte{0x30, 0x00}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, s *Server, l *pipes) {
				bystander := l.dial()
				f := l.dial()
				f.Write(c.octets) // which may break off
				got := replies(t, f.end())
				if len(got) != 1 || got[0] != [2]int64{0, int64(protocolError)} {
					t.Errorf("answers %v", got)
				}
				if n := s.Stats().Malformed; n != 1 {
					t.Errorf("%d connections counted", n)
				}
				bystander.Write(bindOctets)
				synctest.Wait()
				bystander.Close()
				if got := replies(t, bystander.end()); len(got) != 1 || got[0] != [2]int64{1, 0} {
					t.Errorf("answers to another client %v", got)
				}
			})
		})
	}
}

func TestUnusualMessagesThatAreTaken(t *testing.T) {
	long := append([]byte{0x30, 0x84, 0, 0, 0, byte(len(bindOctets) - 2)}, bindOctets[2:]...)
	for _, c := range []struct {
		name   string
		octets []byte
		want   int64 // the last result
	}{
		{"lengths of four octets", long, int64(success)},
		{"one octet at a time", nil, int64(success)},
		{"a hundred ORs", orOf(100), int64(adminLimitExceeded)},
		{"twenty NOTs", notsOf(20), int64(adminLimitExceeded)},
		{"64 KiB of name", packet(1, opBind, integer(3), octetString(strings.Repeat("x", maxMessage-20)), simple("")), int64(unwillingToPerform)},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, _ *Server, l *pipes) {
				f := l.dial()
				if c.octets == nil {
					for i := range bindOctets {
						f.Write(bindOctets[i : i+1])
					}
				}
				f.Write(c.octets)
				synctest.Wait()
				f.Close()
				got := replies(t, f.end())
				if len(got) != 1 || got[0][1] != c.want {
					t.Errorf("answers %v, want code %d", got, c.want)
				}
			})
		})
	}
}

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
			bubble(t, Options{}, func(t *testing.T, _ *Server, l *pipes) {
				began := time.Now()
				f := l.dial()
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
		bubble(t, Options{}, func(t *testing.T, s *Server, l *pipes) {
			ours, theirs := net.Pipe()
			l.conns <- theirs
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
	bubble(t, Options{Rate: 50}, func(t *testing.T, s *Server, l *pipes) {
		f, again := l.dial(), l.dial()
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
	bubble(t, Options{TLS: config}, func(t *testing.T, _ *Server, l *pipes) {
		f := l.dial()
		f.Write(append(bytes.Clone(request), bindOctets...))
		if got := replies(t, f.end()); len(got) != 1 || got[0] != [2]int64{1, 0} {
			t.Errorf("answers %v", got)
		}
	})
	bubble(t, Options{TLS: config}, func(t *testing.T, s *Server, l *pipes) {
		f := l.dial()
		f.Write(request)
		began := time.Now()
		f.end() // nothing is said of TLS
		if took := time.Since(began); took != DefaultMessageTime {
			t.Errorf("a handshake may take %v", took)
		}
	})
}

// TestShutdown: waiting connections get a notice, requests under way their
// answer.
func TestShutdown(t *testing.T) {
	s := newSite(t)
	synctest.Test(t, func(t *testing.T) {
		entered, leave := make(chan struct{}), make(chan struct{})
		server, l := New(func(ctx context.Context) (*publish.Set, error) {
			close(entered)
			<-leave
			return s.source(ctx)
		}, Options{}), newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- server.Serve(ctx, l) }()
		idle, half, busyOne := l.dial(), l.dial(), l.dial()
		half.Write(bindOctets[:3])
		equal := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
		equal.AppendChild(octetString("mail"))
		equal.AppendChild(octetString("b.example"))
		busyOne.Write(searchOctets(equal))
		<-entered
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
		gone := [][2]int64{{0, int64(unavailable)}}
		for _, f := range []*far{idle, half} {
			if got := replies(t, f.end()); len(got) != 1 || got[0] != gone[0] {
				t.Errorf("answers %v", got)
			}
		}
		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := server.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutting down with a request under way: %v", err)
		}
		close(leave)
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		busyOne.end()
		late := newPipes()
		if err := server.Serve(t.Context(), late); err != nil {
			t.Errorf("serving after the end: %v", err)
		}
		<-late.closed
	})
}

// TestShutdownLetsAnswersOut is the same with time enough.
func TestShutdownLetsAnswersOut(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *Server, l *pipes) {
		f := l.dial()
		f.Write(bindOctets)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		got := replies(t, f.end())
		if len(got) != 2 || got[0] != [2]int64{1, 0} || got[1] != [2]int64{0, int64(unavailable)} {
			t.Errorf("answers %v", got)
		}
	})
}

func TestTooManyConnections(t *testing.T) {
	for name, o := range map[string]Options{"in all": {Connections: 2}, "of one client": {ConnectionsPerIP: 2}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, s *Server, l *pipes) {
				first, _, third := l.dial(), l.dial(), l.dial()
				if got := replies(t, third.end()); len(got) != 1 || got[0] != [2]int64{0, int64(busy)} {
					t.Errorf("answers %v", got)
				}
				first.Close()
				synctest.Wait()
				fourth := l.dial()
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
