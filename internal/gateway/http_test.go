package gateway

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
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
