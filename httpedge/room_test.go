package httpedge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/trust/reason"
)

var errFull = reason.New(reason.StorageFull, "full")

// What one account holds, or waits for, leaves the others their room.
func TestMemoryHasSharesOfAccounts(t *testing.T) {
	m := newMemory(100, 20)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	begin := func(name string, size int64) *turn {
		t.Helper()
		turn, err := m.begin(t.Context(), name, size, 0)
		if err != nil {
			t.Fatal(err)
		}
		return turn
	}
	first := begin("eve", 1000) // no more than its share
	_, err := m.begin(ended, "eve", 1, 0)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("beyond its share: %v", err)
	}
	waiting := make(chan *turn)
	go func() { waiting <- begin("eve", 20) }()
	turns := []*turn{begin("alice", 25), begin("bob", 25), begin("carol", 25)}
	for i, turn := range append(turns, first) {
		if err := turn.hold(t.Context(), 25); err != nil || turn.whole != (i == 0 || i == 3) {
			t.Errorf("%d: %v, has room for the whole: %v", i, err, turn.whole)
		}
	}
	dave := begin("dave", 1)
	if err := dave.hold(ended, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("beyond all: %v", err)
	}
	first.end()
	last := <-waiting
	if !last.whole {
		t.Error("what ended is not free")
	}
	for _, turn := range append(turns, dave, last) {
		turn.end()
	}
	if len(m.shares) != 0 || !m.announced.TryAcquire(50) || !m.come.TryAcquire(50) {
		t.Errorf("%d accounts are known, or something is held", len(m.shares))
	}
	if m := newMemory(100, 80); m.share != 80 || !m.come.TryAcquire(80) || !m.announced.TryAcquire(20) {
		t.Errorf("the share is %d, or a largest request does not fit", m.share)
	}
}

// What is announced and does not come keeps nobody out.
func TestAnnouncedMemoryIsNotHeld(t *testing.T) {
	m := newMemory(400<<20, 72<<20)
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, name := range []string{"eve", "ann", "bob", "cid", "dan"} {
		turn, err := m.begin(t.Context(), name, 100<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := turn.hold(soon, 1000); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer turn.end()
	}
	turn, err := m.begin(t.Context(), "fay", 3<<20, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer turn.end()
	for octets := int64(0); octets <= 3<<20; octets += 100_000 {
		if err := turn.hold(soon, octets); err != nil {
			t.Fatalf("of %d octets: %v", octets, err)
		}
	}
}

// Where there is no room for what comes the client is asked to come again, and what it
// had is free.
func TestFullMemoryIsBusy(t *testing.T) {
	r := newRig(t, &house{}, func(o *Options) { o.JSONMemory, o.MessageBytes, o.Silence = 8<<20, 2<<20, time.Second })
	eve, err := r.server.taken.begin(t.Context(), "eve", 2<<20, 0)
	if err != nil || !eve.whole {
		t.Fatal(err)
	}
	body := `{"to":["bob@b.example"],"attachments":[{"content":"` + strings.Repeat("AAAA", 300_000) + `"}]}`
	for range 3 {
		r.ok(r.do("POST", "/v1/messages", body, asJSON), 202) // by what comes
	}
	if !r.server.taken.come.TryAcquire(3 << 20) {
		t.Fatal("something is held")
	}
	if a := r.do("POST", "/v1/messages", body, asJSON); a.Header.Get("Retry-After") == "" {
		t.Errorf("without Retry-After: %v", a.Header)
	} else {
		r.code(a, 503, "busy")
	}
	r.server.taken.come.Release(3 << 20)
	eve.end()
	if !r.server.taken.come.TryAcquire(4<<20) || !r.server.taken.announced.TryAcquire(2<<20) {
		t.Error("something is held")
	}
}

// A small message whose size was not announced waits for no memory.
func TestSmallJSONWithoutASizeTakesNoTurn(t *testing.T) {
	r := newRig(t, &house{})
	all, err := r.server.taken.begin(t.Context(), testAddress("alice@a.example").Key(), 1<<40, 0) // of its share
	if err != nil {
		t.Fatal(err)
	}
	defer all.end()
	a, err := r.try("POST", "/v1/messages", struct{ io.Reader }{strings.NewReader(plainJSON)}, asJSON)
	if err != nil {
		t.Fatal(err)
	}
	r.ok(a, 202)
}

// A client that sends a large body sees why it is refused, before it is through and
// though it reads nothing meanwhile.
func TestRefusalsOfLargeBodiesAreSeen(t *testing.T) {
	r := newRig(t, &house{full: errFull}, func(o *Options) { o.AuthFailures = 100 })
	body := strings.Repeat("x", 8<<20)
	for _, version := range []string{"h2", "http/1.1"} {
		transport := r.client.Transport.(*http.Transport)
		transport.CloseIdleConnections()
		transport.ForceAttemptHTTP2 = version == "h2"
		transport.TLSClientConfig.NextProtos = []string{version}
		for token, want := range map[string]int{"wrong": 401, goodToken: 503} {
			sent := &counted{r: strings.NewReader(body)}
			a, err := r.try("POST", "/v1/messages", sent, asMail, "Authorization: Bearer "+token)
			if err != nil {
				t.Errorf("%s, %s: %v", version, token, err)
				continue
			}
			a.problem(t)
			if a.StatusCode != want || sent.n != len(body) {
				t.Errorf("%s, %s: %d after %d octets", version, token, a.StatusCode, sent.n)
			}
		}
	}
	if strings.Contains(r.log.String(), "level=ERROR") {
		t.Errorf("what is busy, or a stranger, is an error of ours:\n%s", r.log.String())
	}
}

// A refusal does not wait for a body that nobody sends.
func TestRefusalsWaitForNoBody(t *testing.T) {
	r := newRig(t, &house{})
	body, unsent := io.Pipe()
	defer unsent.Close()
	begun := time.Now()
	a, err := r.try("POST", "/v1/messages", body, asMail, "Authorization: Bearer wrong")
	if err != nil {
		t.Fatal(err)
	}
	r.code(a, 401, "auth-failed")
	if took := time.Since(begun); took > pause+10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// What a client of HTTP/2 sends ahead of who reads it is little.
func TestUnreadContentIsLittle(t *testing.T) {
	h := &house{stall: make(chan struct{}), full: errFull}
	r := newRig(t, h)
	body := &ahead{r: strings.NewReader(strings.Repeat("x", 8<<20)), most: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a, err := r.try("POST", "/v1/messages", body, asMail)
		if err != nil || a.ProtoMajor != 2 || a.StatusCode != 503 {
			t.Errorf("%+v, %v", a.Response, err)
		}
	}()
	select {
	case <-body.most:
		t.Errorf("%d octets were sent that nobody reads", 4*maxUnread)
	case <-time.After(300 * time.Millisecond): // which what is not to happen has
	}
	close(h.stall)
	<-done
}

// An ahead body tells when very much of it was read.
type ahead struct {
	r    io.Reader
	n    int
	most chan struct{}
}

func (a *ahead) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if a.n < 4*maxUnread && a.n+n >= 4*maxUnread {
		close(a.most)
	}
	a.n += n
	return n, err
}

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
