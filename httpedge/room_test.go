package httpedge

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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
	first, err := m.take(t.Context(), "eve", 1000) // no more than its share
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.take(ended, "eve", 1)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("beyond its share: %v", err)
	}
	waiting := make(chan func())
	go func() {
		release, err := m.take(t.Context(), "eve", 20)
		if err != nil {
			t.Error(err)
		}
		waiting <- release
	}()
	for _, name := range []string{"alice", "bob", "carol"} {
		release, err := m.take(t.Context(), name, 25)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	_, err = m.take(ended, "dave", 1)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("beyond all: %v", err)
	}
	first()
	(<-waiting)()
	if len(m.shares) != 3 {
		t.Errorf("%d accounts are known", len(m.shares))
	}
	if m := newMemory(100, 80); m.share != 80 {
		t.Errorf("the share is %d, and a largest request does not fit", m.share)
	}
}

// A message that takes memory has to come in its time, though it never falls silent.
func TestABodyThatTakesMemoryIsHurried(t *testing.T) {
	r := newRig(t, &house{})
	q := &request{Request: httptest.NewRequest("POST", "/v1/messages", strings.NewReader(strings.Repeat("x", 3000)))}
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b, err := r.server.newBody(w, q, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b.hurry(100)
	for i := range 3 {
		_, err := io.ReadFull(b, make([]byte, 1000))
		if err != nil {
			t.Fatal(err)
		}
		late := b.began.Add(r.server.options.Silence + time.Duration(i)*10*time.Second) // of what was there before
		if w.read.After(late) {
			t.Errorf("after %d octets it may take until %v, want %v", i*1000, w.read, late)
		}
		b.began = b.began.Add(-20 * time.Second)
	}
}

// Deadlines remember the latest for reading.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.read = t
	return nil
}

// A small message whose size was not announced waits for no memory.
func TestSmallJSONWithoutASizeTakesNoTurn(t *testing.T) {
	r := newRig(t, &house{})
	release, err := r.server.memory.take(t.Context(), testAddress("alice@a.example").Key(), 1<<40) // all of its share
	if err != nil {
		t.Fatal(err)
	}
	defer release()
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

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
