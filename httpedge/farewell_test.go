package httpedge

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/testnet"
)

// shutDown ends the server in the background and tells how long that took.
func (r *rig) shutDown() <-chan time.Duration {
	took := make(chan time.Duration, 1)
	began := time.Now()
	go func() {
		err := r.server.Shutdown(context.Background())
		if err != nil {
			r.Errorf("Shutdown: %v", err)
		}
		took <- time.Since(began)
	}()
	synctest.Wait()
	return took
}

// soon fails if the end of the server took longer than farewell; net/http looks twice a
// second whether all have gone.
func (r *rig) soon(took <-chan time.Duration) {
	r.Helper()
	if d := <-took; d > farewell+time.Second {
		r.Errorf("it took %v", d)
	}
}

// A client that has asked for nothing does not hold up the end of the server, however far it
// has come.
func TestShutdownDoesNotWaitForSilence(t *testing.T) {
	for name, say := range map[string]string{
		"no handshake": "", "no request": " ", "half a header": "GET /v1/messages HTTP/1.1\r\nHost: a\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(&house{}, Options{TLS: testnet.ServerTLS()})
				testnet.Serve(t, s, func(p *testnet.Pipes) {
					c := p.Dial()
					defer c.Close()
					if say != "" {
						secured := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
						_, err := io.WriteString(secured, strings.TrimSpace(say))
						if err != nil {
							t.Fatal(err)
						}
						go func() { _, _ = io.Copy(io.Discard, secured) }()
					}
					synctest.Wait()
					r := &rig{T: t, server: s}
					r.soon(r.shutDown())
				})
			})
		})
	}
}

// Nor does one that stops within its body, or reads nothing of an answer.
func TestShutdownDoesNotWaitForStalledBodies(t *testing.T) {
	h := func() *house {
		return &house{inbox: []held{{Received{ID: "1-1"}, "Subject: x\r\n\r\n" + strings.Repeat("x", 20<<20)}}}
	}
	inBubble(t, h, func(r *rig) {
		body, feed := io.Pipe()
		gone := make(chan error, 1)
		go func() {
			_, err := r.try("POST", "/v1/messages", body, "Content-Type: message/rfc822")
			gone <- err
		}()
		_, err := io.WriteString(feed, "Subject: half\r\n")
		if err != nil {
			r.Fatal(err)
		}
		q, err := http.NewRequest("GET", r.url+"/v1/messages/1-1/raw", nil)
		if err != nil {
			r.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+goodToken)
		answer, err := r.client.Do(q)
		if err != nil {
			r.Fatal(err)
		}
		defer answer.Body.Close()
		synctest.Wait()
		r.soon(r.shutDown())
		feed.CloseWithError(errors.New("never"))
		if <-gone == nil {
			r.Error("half a message was answered")
		}
	})
}

// A message that goes on coming is taken, and what we do for it is waited for.
func TestShutdownWaitsForWork(t *testing.T) {
	inBubble(t, func() *house { return &house{stall: make(chan struct{})} }, func(r *rig) {
		const pause = farewell - time.Millisecond
		time.AfterFunc(2*farewell, func() { close(r.house.stall) })
		text := []string{"From: alice@a.example\r\n", "To: bob@b.example\r\n", "Subject: x\r\n\r\n", "x\r\n", "x\r\n", "x\r\n"}
		answered := make(chan answer, 1)
		go func() {
			answered <- r.must("POST", "/v1/messages?to=bob@b.example", &slow{pieces: text, pause: pause}, "Content-Type: message/rfc822", "Idempotency-Key: a")
		}()
		time.Sleep(time.Millisecond)
		took := r.shutDown()
		r.ok(<-answered, 202)
		if d := <-took; d < 4*pause {
			r.Errorf("it took %v", d)
		}
	})
}

// When requests are cut, what the backend does for them has ended before Shutdown returns, or
// the store would be closed under it.
func TestShutdownWaitsForTheBackendOfTheCut(t *testing.T) {
	inBubble(t, func() *house { return &house{block: make(chan struct{})} }, func(r *rig) {
		gone := make(chan error, 1)
		go func() {
			_, err := r.try("POST", "/v1/messages?to=bob@b.example", strings.NewReader("From: alice@a.example\r\nTo: bob@b.example\r\nSubject: x\r\n\r\nx\r\n"),
				"Content-Type: message/rfc822", "Idempotency-Key: a")
			gone <- err
		}()
		synctest.Wait()
		const most, longer = 10 * time.Second, severance - time.Second
		time.AfterFunc(most+longer, func() { close(r.house.block) })
		ctx, cancel := context.WithTimeout(context.Background(), most)
		defer cancel()
		began := time.Now()
		err := r.server.Shutdown(ctx)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != most+longer {
			r.Errorf("after %v: %v", took, err)
		}
		if <-gone == nil {
			r.Error("it was answered")
		}
	})
}
