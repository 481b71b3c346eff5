package smtp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/login"
	"postern/internal/testnet"
	"postern/mime"
	"postern/trust/reason"
)

// A message is what a backend accepted.
type message struct {
	Envelope Envelope
	Text     string
}

// A house is a backend of both kinds: account alice@near.test with password
// "secret"; addresses near.test are ours, and only bob and alice are known.
type house struct {
	closed    atomic.Bool      // the account was closed
	verifiers *login.Verifiers // nil: no SCRAM
	mu        sync.Mutex
	messages  []message
	refused   []string                                                           // an envelope each
	ready     func(Envelope) error                                               // nil: always
	accept    func(ctx context.Context, e Envelope, r io.Reader) (string, error) // instead of keeping it
}

var alice = mustAddress("alice@near.test")

func mustAddress(s string) mime.Address {
	a, err := mime.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

func (h *house) Offers(context.Context) login.Offer {
	return login.Offer{Scram: h.verifiers != nil, Plus: h.verifiers != nil}
}

func (h *house) Verifiers(context.Context, login.Attempt) (login.Verifiers, error) {
	return *h.verifiers, nil
}

func (h *house) Login(_ context.Context, a login.Attempt) (Login, error) {
	user, password := a.User, a.Secret
	switch {
	case a.Method == login.Scram && a.User == "alice@near.test" && a.Proved == "secret":
	case user == "busy":
		return Login{}, reason.New(reason.Busy, "too many at once")
	case user == "panic":
		panic("the password is " + password)
	case user != "alice@near.test" || password != "secret":
		return Login{}, reason.New(reason.AuthFailed, "wrong password")
	}
	return Login{Account: alice, Proof: "secret"}, nil
}

func (h *house) CheckSender(_ context.Context, login Login, from mime.Address) error {
	account := login.Account
	if h.closed.Load() {
		return reason.New(reason.AuthRequired, "closed")
	}
	if !account.Same(from) {
		return reason.New(reason.SenderNotAllowed, "%s as %s", account, from)
	}
	return nil
}

func (h *house) known(to mime.Address) error {
	switch {
	case to.Domain() == "many.test": // which has everybody
		return nil
	case to.Domain() != "near.test":
		return reason.New(reason.NotOurDomain, "%s", to.Domain())
	case to.Local() == "panic":
		panic("boom")
	case to.Local() == "plain":
		return fmt.Errorf("the table %q is gone", "secret-table")
	case !to.Same(alice) && to.Key() != "bob@near.test":
		return reason.New(reason.UnknownRecipient, "%s", to)
	}
	return nil
}

func (h *house) Ready(_ context.Context, e Envelope) error {
	if h.ready == nil {
		return nil
	}
	return h.ready(e)
}

func (h *house) Refused(_ context.Context, e Envelope, refused []Refusal) {
	line := fmt.Sprintf("from %s, accepted %v, refused", e.From, e.To)
	for _, r := range refused {
		line += fmt.Sprintf(" %s %s", r.Recipient, reason.Of(r.Err))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = append(h.refused, line)
}

func (h *house) Accept(ctx context.Context, e Envelope, r io.Reader) (string, error) {
	if h.accept != nil {
		return h.accept(ctx, e, r)
	}
	var b bytes.Buffer
	_, err := io.Copy(&b, r)
	if err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, message{e, b.String()})
	return fmt.Sprintf("m%d", len(h.messages)), nil
}

func (h *house) taken() []message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]message(nil), h.messages...)
}

// submissionHouse and backboneHouse give the house the methods of each kind.
type submissionHouse struct{ *house }

func (submissionHouse) CheckRecipient(_ context.Context, _, to mime.Address) error {
	if to.Local() == "refused" {
		return reason.New(reason.NotOurDomain, "refused")
	}
	return nil
}

type backboneHouse struct{ *house }

func (b backboneHouse) CheckRecipient(_ context.Context, to mime.Address) error { return b.known(to) }

func testOptions() ServerOptions {
	return ServerOptions{
		Hostname: "mx.near.test", TLS: testnet.ServerTLS(), AuthDelay: time.Millisecond, ErrorDelay: 50 * time.Microsecond,
		MessageBytes: 100_000, CommandIdle: 10 * time.Second,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// start serves until the test ends and returns the address.
func start(t testing.TB, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := s.Shutdown(ctx)
		if err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		err = <-done
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

func startBackbone(t *testing.T, change ...func(*ServerOptions)) (*house, string) {
	t.Helper()
	h, o := &house{}, testOptions()
	for _, f := range change {
		f(&o)
	}
	return h, start(t, NewBackbone(backboneHouse{h}, o))
}

func startSubmission(t *testing.T, change ...func(*ServerOptions)) (*house, string) {
	t.Helper()
	h, o := &house{}, testOptions()
	for _, f := range change {
		f(&o)
	}
	return h, start(t, NewSubmission(submissionHouse{h}, o))
}
