package named

import (
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/publish"
	"postern/mime"
)

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// A wire is a UDP socket that one packet comes from.
type wire struct {
	packet []byte
	taken  chan struct{} // closed when the packet was read and more is wanted
	ended  chan struct{}

	mu      sync.Mutex
	reads   int
	stop    sync.Once
	answers [][]byte
}

func (w *wire) ReadFrom(p []byte) (int, net.Addr, error) {
	w.mu.Lock()
	w.reads++
	n := w.reads
	w.mu.Unlock()
	if n == 1 {
		return copy(p, w.packet), client("192.0.2.1"), nil
	}
	if n == 2 {
		close(w.taken)
	}
	<-w.ended
	return 0, nil, net.ErrClosed
}

func (w *wire) WriteTo(p []byte, _ net.Addr) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = append(w.answers, append([]byte(nil), p...))
	return len(p), nil
}

func (w *wire) Close() error {
	w.stop.Do(func() { close(w.ended) })
	return nil
}

func (w *wire) LocalAddr() net.Addr { return client("192.0.2.53") }

// SetReadDeadline is how a read is ended when stopping.
func (w *wire) SetReadDeadline(at time.Time) error {
	if at.Before(time.Unix(10, 0)) {
		return w.Close()
	}
	return nil
}
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// A deaf listener accepts nothing.
type deaf struct {
	ended chan struct{}
	stop  sync.Once
}

func (d *deaf) Accept() (net.Conn, error) { <-d.ended; return nil, net.ErrClosed }
func (d *deaf) Addr() net.Addr            { return client("192.0.2.53") }
func (d *deaf) Close() error {
	d.stop.Do(func() { close(d.ended) })
	return nil
}

// exchange gives one packet to a server like the given one and returns all its
// answers, once it has none under way.
func exchange(t *testing.T, like *Server, packet []byte) [][]byte {
	t.Helper()
	s := newServer(like.current, like.opts)
	w := &wire{packet: packet, taken: make(chan struct{}), ended: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context(), &deaf{ended: make(chan struct{})}, w) }()
	<-w.taken
	err := s.Shutdown(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	err = <-done
	if err != nil {
		t.Fatal(err)
	}
	return w.answers
}

// FuzzServe gives the server a packet over UDP. It gets one answer at most, of the
// size that its sender may have, which says nothing but what is published.
func FuzzServe(f *testing.F) {
	set := &publish.Set{
		Options: publish.Options{
			NameServers: []mime.Domain{"ns.b.example"}, Mail: []publish.MailServer{{Preference: 1, Host: "ns.b.example"}},
			Hosts: map[mime.Domain][]netip.Addr{"ns.b.example": {netip.MustParseAddr("192.0.2.53")}}, TTL: time.Hour,
		},
		Domains: []mime.Domain{"b.example"},
	}
	server := New(func(context.Context) (*publish.Set, error) { return set, nil }, Options{})
	for _, qtype := range []uint16{dns.TypeSOA, dns.TypeCERT, dns.TypeANY, dns.TypeAXFR} {
		for _, name := range []string{"b.example.", "nobody.b.example.", "c.example."} {
			q := question(name, qtype)
			q.Id = 1
			data, err := q.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			data, err = q.SetEdns0(4096, true).Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		packet = packet[:min(len(packet), maxUDP)]
		answers := exchange(t, server, packet)
		if len(answers) == 0 {
			return
		}
		if len(answers) > 1 {
			t.Fatalf("%d answers", len(answers))
		}
		answer := answers[0]
		var q, m dns.Msg
		err := m.Unpack(answer)
		if err != nil || !m.Response {
			t.Fatalf("the answer cannot be read: %v", err)
		}
		room := dns.MinMsgSize
		err = q.Unpack(packet)
		if err == nil && q.IsEdns0() != nil {
			room = min(max(room, int(q.IsEdns0().UDPSize())), maxUDP)
		}
		if len(answer) > room {
			t.Fatalf("an answer of %d octets, where there is room for %d", len(answer), room)
		}
		if q.Response {
			t.Fatal("an answer was answered")
		}
		if err != nil && (m.Rcode == dns.RcodeSuccess || len(m.Answer)+len(m.Ns) > 0) {
			t.Fatalf("what cannot be read was answered:\n%s", &m)
		}
		if m.Authoritative && len(m.Answer)+len(m.Ns) == 0 && !m.Truncated {
			t.Fatalf("an empty answer:\n%s", &m)
		}
	})
}
