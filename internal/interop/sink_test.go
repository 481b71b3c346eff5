package interop

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"postern/mime"
	"postern/smtp"
)

// A sink is the backbone of every far domain: it takes what comes and keeps it.
type sink struct {
	addr string

	mu  sync.Mutex
	got map[string][]string // messages by their recipients
}

// newSink starts a sink on loopback. It ends with the test.
func newSink(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{addr: l.Addr().String(), got: make(map[string][]string)}
	server := smtp.NewBackbone(s, smtp.ServerOptions{Hostname: "sink.example"})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		err := server.Shutdown(context.Background())
		if err != nil {
			t.Errorf("the sink does not end: %v", err)
		}
		err = <-ended
		if err != nil {
			t.Errorf("the sink: %v", err)
		}
	})
	return s
}

// CheckRecipient implements smtp.BackboneBackend.
func (s *sink) CheckRecipient(context.Context, mime.Address) error { return nil }

// Refused implements smtp.BackboneBackend.
func (s *sink) Refused(context.Context, smtp.Envelope, []smtp.Refusal) {}

// Ready implements smtp.BackboneBackend.
func (s *sink) Ready(context.Context, smtp.Envelope) error { return nil }

// Accept implements smtp.BackboneBackend.
func (s *sink) Accept(_ context.Context, e smtp.Envelope, r io.Reader) (string, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, to := range e.To {
		s.got[to.String()] = append(s.got[to.String()], string(text))
	}
	return "kept", nil
}

// messages are those that came for a recipient.
func (s *sink) messages(to string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got[to]...)
}
