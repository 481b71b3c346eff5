package httpedge

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/testnet"
)

// inBubble has a server on a test's clock, with the default delays, serve a client of
// each version of HTTP.
func inBubble(t *testing.T, h func() *house, test func(r *rig)) {
	throughPipes(t, func(c net.Conn) net.Conn { return c }, h, test)
}

// throughPipes is inBubble with connections as dialled makes them.
func throughPipes(t *testing.T, dialled func(net.Conn) net.Conn, h func() *house, test func(r *rig)) {
	for _, version := range []string{"http/1.1", "h2"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				house := h()
				s := New(house, Options{TLS: testnet.ServerTLS()})
				testnet.Serve(t, s, func(p *testnet.Pipes) {
					transport := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
						conn := tls.Client(dialled(p.Dial()), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{version}})
						return conn, conn.HandshakeContext(ctx)
					}}
					test(&rig{T: t, house: house, server: s, url: "https://localhost", client: &http.Client{Transport: transport}})
					transport.CloseIdleConnections()
				})
				time.Sleep(time.Minute) // connections that sleep find that they have ended
			})
		})
	}
}

// A slow reader has one more piece after each pause, and tells no size.
type slow struct {
	pieces []string
	pause  time.Duration
	begun  bool
	rest   io.Reader
}

func (s *slow) Read(p []byte) (int, error) {
	for s.rest == nil {
		if len(s.pieces) == 0 {
			return 0, io.EOF
		}
		if s.begun {
			time.Sleep(s.pause)
		}
		s.begun, s.rest, s.pieces = true, strings.NewReader(s.pieces[0]), s.pieces[1:]
	}
	n, err := s.rest.Read(p)
	if err == io.EOF {
		s.rest, err = nil, nil
	}
	return n, err
}

// largeJSON is a message of some octets, in pieces.
func largeJSON(octets, piece int) []string {
	const end = `"}]}`
	text := `{"to":["bob@b.example"],"attachments":[{"content":"`
	text += strings.Repeat("AAAA", (octets-len(text))/4) + end
	var all []string
	for len(text) > piece {
		all, text = append(all, text[:piece]), text[piece:]
	}
	return append(all, text)
}

// A message that takes memory has to come in its time, though it never falls silent.
func TestABodyThatTakesMemoryIsHurried(t *testing.T) {
	inBubble(t, func() *house { return &house{} }, func(r *rig) {
		begun := time.Now()
		text := largeJSON(1_000_000, 1_000_000)[0]
		drip := &slow{pieces: append([]string{text[:700_000]}, strings.Split(text[700_000:700_100], "")...), pause: 29 * time.Second}
		a, err := r.try("POST", "/v1/messages", drip, asJSON)
		if err != nil {
			r.Fatal(err)
		}
		r.code(a, 408, "too-slow")
		if took := time.Since(begun); took > time.Minute {
			r.Errorf("it may take %v", took)
		}
		r.ok(r.must("POST", "/v1/messages", &slow{pieces: largeJSON(4_000_000, leastPace), pause: time.Second}, asJSON), 202)
	})
}

// The time for which a piece waits until it may be held is not the client's.
func TestWaitingForMemoryIsNotTheClients(t *testing.T) {
	inBubble(t, func() *house { return &house{} }, func(r *rig) {
		const all = 96 << 20
		m := r.server.taken
		if !m.announced.TryAcquire(all) || !m.come.TryAcquire(all) {
			r.Fatal("the memory has another size")
		}
		const pause, wait = 26 * time.Second, 14 * time.Second
		time.AfterFunc(pause+wait, func() { m.come.Release(all) })
		begun := time.Now()
		r.ok(r.must("POST", "/v1/messages", &slow{pieces: largeJSON(smallRoom-100, smallRoom/2), pause: pause}, asJSON), 202)
		if took := time.Since(begun); took != pause+wait {
			r.Errorf("it waited for %v", took-pause)
		}
	})
}

// A thin connection has so many octets come in a second.
type thin struct {
	net.Conn
	pace int
}

func (c *thin) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), 16<<10)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(c.pace))
	return n, err
}

// Who takes an answer slowly gets all of it, as JSON and as it is; who takes hardly any of
// what is held in memory for him is cut off in time.
func TestAnswersGoAsFastAsTheyAreTaken(t *testing.T) {
	const size = 3 << 20
	for _, tt := range []struct {
		path   string
		pace   int
		whole  bool
		within time.Duration
	}{
		{"", 48 << 10, true, 5 * time.Minute},
		{"/raw", 48 << 10, true, 5 * time.Minute},
		{"/raw", 8 << 10, true, 20 * time.Minute},
		{"", 8 << 10, false, 5 * time.Minute},
	} {
		line := strings.Repeat("x", 76) + "\r\n"
		body := "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
		for _, part := range []string{"text/plain", "text/html", "application/x"} {
			body += "--b\r\nContent-Type: " + part + "\r\n\r\n" + strings.Repeat(line, size/3/len(line)) + "\r\n"
		}
		body += "--b--\r\n"
		throughPipes(t, func(c net.Conn) net.Conn { return &thin{c, tt.pace} }, func() *house {
			return &house{inbox: []held{{Received{ID: "1-1", Size: int64(len(body))}, body}}}
		}, func(r *rig) {
			begun := time.Now()
			a, err := r.try("GET", "/v1/messages/1-1"+tt.path, strings.NewReader(""))
			if whole := err == nil && a.StatusCode == 200; whole != tt.whole {
				r.Errorf("%q at %d octets a second: %v, %v", tt.path, tt.pace, err, a.Response)
			}
			if took := time.Since(begun); took > tt.within || took < 30*time.Second {
				r.Errorf("%q at %d octets a second took %v", tt.path, tt.pace, took)
			}
		})
	}
}
