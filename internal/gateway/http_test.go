package gateway

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/testnet"
)

// One client cannot have all connections for the numbers.
func TestHTTPConnectionsOfOneClient(t *testing.T) {
	s := newHTTP(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(t.Context(), l) }()
	answered := func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_, err = io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: a.example\r\n\r\n")
		if err != nil {
			return false
		}
		_, err = c.Read(make([]byte, 1))
		return err == nil
	}
	for range httpEach {
		if !answered() {
			t.Fatal("a connection was refused")
		}
	}
	if answered() {
		t.Error("there was one more")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A client that says nothing, or reads nothing, does not hold up the end of the server.
func TestHTTPShutdownDoesNotWaitForClients(t *testing.T) {
	for name, say := range map[string]string{"silent": "", "half a header": "GET /metrics HTTP/1.1\r\n", "reads nothing": "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
				}), slog.New(slog.DiscardHandler))
				testnet.Serve(t, s, func(p *testnet.Pipes) {
					c := p.Dial()
					defer c.Close()
					_, err := io.WriteString(c, say)
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					began := time.Now()
					err = s.Shutdown(context.Background())
					if took := time.Since(began); err != nil || took > httpFarewell {
						t.Errorf("after %v: %v", took, err)
					}
				})
			})
		})
	}
}
