package httpedge

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/mime"
	"postern/trust/reason"
)

// A house is a backend in memory.
type house struct {
	mu       sync.Mutex
	inbox    []held
	sent     []taken
	rejected []string
	answered map[string]Digest
	hooks    []Hook
	opened   []string
	took     []string
	changed  chan struct{}
	revoked  bool
	full     error // of Ready
	blank    int   // pages that are empty, before others
	block    chan struct{}
	stall    chan struct{} // Ready waits for it
}

type held struct {
	Received
	body string
}

type taken struct {
	Sent
	Outgoing
	body string
}

const goodToken = "good-token"

// tokens are what the accounts of the house show.
func tokens() map[string]Login {
	alice, bob := testAddress("alice@a.example"), testAddress("bob@a.example")
	all := []Scope{ScopeSend, ScopeRead, ScopeLookup, ScopeHooks}
	return map[string]Login{
		goodToken: {Account: alice, Scopes: all}, "other-token": {Account: bob, Scopes: all},
		"only-read": {Account: alice, Scopes: []Scope{ScopeRead}},
	}
}

func testAddress(s string) mime.Address {
	a, err := mime.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

func (h *house) Authenticate(ctx context.Context, token string, _ netip.AddrPort) (Login, error) {
	l, ok := tokens()[token]
	if ctx.Err() != nil {
		return l, reason.New(reason.Internal, "reading the directory: %w", ctx.Err())
	}
	if token == "trouble" {
		return l, reason.New(reason.Internal, "the disk is gone")
	}
	if token == "busy" {
		return l, reason.New(reason.Busy, "too many")
	}
	if !ok || h.isRevoked() {
		return l, reason.New(reason.AuthFailed, "no such token")
	}
	l.Session = new(int)
	return l, nil
}

func (h *house) isRevoked() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.revoked
}

func (h *house) Check(context.Context, Login) error {
	if h.isRevoked() {
		return reason.New(reason.AuthFailed, "revoked")
	}
	return nil
}

func (h *house) Ready(context.Context, Login) error {
	if h.stall != nil {
		<-h.stall
	}
	return h.full
}

func (h *house) Refused(_ context.Context, l Login, m Outgoing) ([]Refusal, error) {
	if !m.From.Same(l.Account) {
		return nil, reason.New(reason.SenderNotAllowed, "%s", m.From)
	}
	var all []Refusal
	for _, a := range m.To {
		if a.Local() == "nobody" {
			all = append(all, Refusal{a, reason.New(reason.UnknownRecipient, "secret detail")})
		}
	}
	return all, nil
}

func (h *house) Rejected(_ context.Context, _ Login, m Outgoing, why error) {
	if reason.Of(why) != reason.Internal {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.rejected = append(h.rejected, fmt.Sprint(m.From, m.To, m.MessageID, " ", why))
	}
}

func (h *house) Send(ctx context.Context, _ Login, m Outgoing, message io.Reader) (Sent, error) {
	if h.block != nil {
		<-h.block
	}
	raw, err := io.ReadAll(message)
	if err != nil {
		return Sent{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Sent{ID: "01ARZ3NDEKTSV4RRFFQ69G5FA" + string(rune('A'+len(h.sent))), MessageID: "<m@a.example>"}
	h.sent = append(h.sent, taken{s, m, string(raw)})
	if m.Key != "" {
		if h.answered == nil {
			h.answered = make(map[string]Digest)
		}
		h.answered[m.Key] = m.Digest()
	}
	return s, ctx.Err()
}

func (h *house) Answered(_ context.Context, _ Login, key string) (Sent, Digest, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, ok := h.answered[key]
	if !ok {
		return Sent{}, d, ErrNotFound
	}
	i := slices.IndexFunc(h.sent, func(t taken) bool { return t.Key == key })
	return h.sent[i].Sent, d, nil
}

func (h *house) status(t taken) SentMessage {
	m := SentMessage{Sent: t.Sent, From: t.From, Received: time.Unix(1_000_000, 0), Size: int64(len(t.body))}
	for _, a := range t.To {
		m.Recipients = append(m.Recipients, Recipient{Address: a, State: "failed", Code: "peer-refused", Said: "550 no", Updated: time.Unix(1_000_001, 0)})
	}
	return m
}

func (h *house) SentMessage(_ context.Context, l Login, id string) (SentMessage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.sent {
		if (t.ID == id || t.Sent.MessageID == id) && t.From.Same(l.Account) {
			return h.status(t), nil
		}
	}
	return SentMessage{}, ErrNotFound
}

func (h *house) SentMessages(_ context.Context, _ Login, q SentQuery) (SentPage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var p SentPage
	for _, t := range h.sent {
		if len(p.Messages) < q.Limit {
			p.Messages = append(p.Messages, h.status(t))
		}
	}
	return p, nil
}

func (h *house) Lookup(_ context.Context, _ Login, a mime.Address) (Verdict, error) {
	return map[string]Verdict{"b.example": {Code: "ok"}, "slow.example": {Code: "discovery-timeout"}, "x.example": {Code: "no-certificate"}}[string(a.Domain())], nil
}

func (h *house) Messages(_ context.Context, l Login, q InboxQuery) (InboxPage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := InboxPage{Mark: uint64(len(h.inbox)), Next: q.After}
	switch q.After {
	case "9-1":
		return p, ErrStale
	case "bogus":
		return p, WrongParameter("after", "it is no cursor of a list")
	}
	if l.Account.Local() != "alice" {
		return p, nil
	}
	if h.blank > 0 {
		h.blank--
		p.More, p.Next = true, "1-1"
		return p, nil
	}
	for _, m := range h.inbox {
		if m.ID <= q.After || m.Acknowledged && !q.All {
			continue
		}
		if len(p.Messages) == q.Limit {
			p.More = true
			break
		}
		p.Messages, p.Next = append(p.Messages, m.Received), m.ID
	}
	return p, nil
}

func (h *house) Wait(ctx context.Context, _ Login, _ InboxPage) error {
	select {
	case <-h.changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *house) find(l Login, id string) (*held, error) {
	for i := range h.inbox {
		if h.inbox[i].ID == id && l.Account.Local() == "alice" {
			return &h.inbox[i], nil
		}
	}
	return nil, ErrNotFound
}

func (h *house) Open(ctx context.Context, l Login, id string) (Received, Body, error) {
	h.mu.Lock()
	h.opened = append(h.opened, id)
	h.mu.Unlock()
	return h.Look(ctx, l, id)
}

func (h *house) Look(_ context.Context, l Login, id string) (Received, Body, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.find(l, id)
	if err != nil {
		return Received{}, nil, err
	}
	return m.Received, text{strings.NewReader(m.body)}, nil
}

type text struct{ *strings.Reader }

func (h *house) Took(ctx context.Context, _ Login, id string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.took = append(h.took, id)
	return nil
}

func (h *house) Acknowledge(_ context.Context, l Login, id string, on bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := h.find(l, id)
	if err == nil {
		m.Acknowledged = on
	}
	return err
}

func (h *house) Remove(_ context.Context, l Login, id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.find(l, id)
	h.inbox = slices.DeleteFunc(h.inbox, func(m held) bool { return err == nil && m.ID == id })
	return err
}

func (h *house) Hooks(context.Context, Login) ([]Hook, error) { return h.hooks, nil }

func (h *house) AddHook(_ context.Context, _ Login, url string, events []string) (Hook, error) {
	if !strings.HasPrefix(url, "https://") {
		return Hook{}, WrongMember("url", "https alone")
	}
	if len(h.hooks) == 1 {
		return Hook{}, ErrLimit
	}
	k := Hook{ID: "h1", URL: url, Events: events, Created: time.Unix(1, 0), Enabled: true, Secret: "whsec_x", LastAt: time.Unix(2, 0), LastStatus: 204}
	h.hooks = append(h.hooks, k)
	return k, nil
}

func (h *house) Hook(_ context.Context, _ Login, id string) (Hook, error) {
	for _, k := range h.hooks {
		if k.ID == id {
			return k, nil
		}
	}
	return Hook{}, ErrNotFound
}

func (h *house) RemoveHook(ctx context.Context, l Login, id string) error {
	_, err := h.Hook(ctx, l, id)
	if err == nil {
		h.hooks = nil
	}
	return err
}

func (h *house) EnableHook(ctx context.Context, l Login, id string) error {
	_, err := h.Hook(ctx, l, id)
	return err
}

func (h *house) RotateHook(ctx context.Context, l Login, id string) (Hook, error) {
	return h.Hook(ctx, l, id)
}

// A rig is a server on loopback with its client.
type rig struct {
	*testing.T
	house  *house
	server *Server
	url    string
	client *http.Client
	log    lockedBuffer
	stop   func()
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func newRig(t *testing.T, h *house, change ...func(*Options)) *rig {
	t.Helper()
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("root")
	leaf := root.Leaf("a.example", testnet.ForTLS(), testnet.Template(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }))
	roots := x509.NewCertPool()
	roots.AddCert(root.Cert)
	r := &rig{T: t, house: h}
	o := Options{
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Cert.Raw}, PrivateKey: leaf.Key}}},
		Log: slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), AuthDelay: time.Millisecond,
	}
	for _, c := range change {
		c(&o)
	}
	r.server = New(h, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(context.Background(), l) }()
	r.url = "https://" + l.Addr().String()
	r.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	r.stop = sync.OnceFunc(func() {
		r.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := r.server.Shutdown(ctx)
		if err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// An answer is one that was read whole.
type answer struct {
	*http.Response
	body string
}

// problem is what an answer says that is no success.
func (a answer) problem(t testing.TB) problem {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s %s: %s: %s", a.Request.Method, a.Request.URL.Path, got, a.body)
	}
	var p problem
	err := json.Unmarshal([]byte(a.body), &p)
	if err != nil {
		t.Errorf("%v: %s", err, a.body)
	}
	if p.Status != a.StatusCode || p.Title != http.StatusText(a.StatusCode) {
		t.Errorf("%d: %s", a.StatusCode, a.body)
	}
	return p
}

// do sends a request with the good token, and header fields as "Name: value".
func (r *rig) do(method, path, body string, fields ...string) answer {
	r.Helper()
	return r.must(method, path, strings.NewReader(body), fields...)
}

func (r *rig) must(method, path string, body io.Reader, fields ...string) answer {
	r.Helper()
	a, err := r.try(method, path, body, fields...)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

func (r *rig) try(method, path string, body io.Reader, fields ...string) (answer, error) {
	q, err := http.NewRequest(method, r.url+path, body)
	if err != nil {
		return answer{}, err
	}
	q.Header.Set("Authorization", "Bearer "+goodToken)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if value == "" {
			q.Header.Del(name)
			continue
		}
		q.Header.Set(name, value)
	}
	a, err := r.client.Do(q)
	if err != nil {
		return answer{}, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if s, ok := body.(*strings.Reader); ok && err == nil {
		record(q, s, a, text)
	}
	return answer{a, string(text)}, err
}

const asJSON, asMail = "Content-Type: application/json", "Content-Type: message/rfc822"

func (r *rig) code(a answer, status int, code string) problem {
	r.Helper()
	p := a.problem(r)
	if a.StatusCode != status || p.Code != code {
		r.Errorf("%s %s: %d %s (%s), want %d %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, p.Code, p.Detail, status, code)
	}
	return p
}

func (r *rig) ok(a answer, status int) answer {
	r.Helper()
	if a.StatusCode != status {
		r.Errorf("%s %s: %d, want %d: %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	return a
}
