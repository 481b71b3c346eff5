package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/testnet"
)

// shutDown ends a server in the background and tells how long it took.
func shutDown(t *testing.T, s *Server) <-chan time.Duration {
	took := make(chan time.Duration, 1)
	began := time.Now()
	go func() {
		err := s.Shutdown(context.Background())
		if err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		took <- time.Since(began)
	}()
	synctest.Wait()
	return took
}

// A transfer under way ends, as long as something comes of it.
func TestShutdownLetsATransferEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
		idle, busy := visit(p), visit(p)
		defer idle.conn.Close()
		defer busy.conn.Close()
		for _, line := range []string{"EHLO far.test", "MAIL FROM:<x@far.test>", "RCPT TO:<bob@near.test>", "DATA"} {
			busy.say(line)
		}
		took := shutDown(t, s)
		if got := idle.read(); !strings.HasPrefix(got, "421 4.3.2") {
			t.Errorf("idle: %q", got)
		}
		const lines = 8
		for range lines {
			time.Sleep(haste - time.Millisecond)
			_, err := io.WriteString(busy.conn, "one\r\n")
			if err != nil {
				t.Fatal(err)
			}
		}
		if code, _ := busy.say("."); code != "250" {
			t.Errorf("the message: %s", code)
		}
		if got := busy.read(); !strings.HasPrefix(got, "421 4.3.2") {
			t.Errorf("behind it: %q", got)
		}
		if d := <-took; d != lines*(haste-time.Millisecond) {
			t.Errorf("it took %v", d)
		}
	})
}

// A client that stops within its message is told so soon, and does not hold up the end of the
// server.
func TestShutdownDoesNotWaitForASilentTransfer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
		c := visit(p)
		defer c.conn.Close()
		for _, line := range []string{"EHLO far.test", "MAIL FROM:<x@far.test>", "RCPT TO:<bob@near.test>", "DATA"} {
			c.say(line)
		}
		_, err := io.WriteString(c.conn, "Subject: half\r\n")
		if err != nil {
			t.Fatal(err)
		}
		took := shutDown(t, s)
		if got := c.read(); !strings.HasPrefix(got, "421 4.4.2") {
			t.Errorf("answer: %q", got)
		}
		if d := <-took; d != haste {
			t.Errorf("it took %v", d)
		}
	})
}

// Nor does one that reads nothing of the replies, be they before the end or its own.
func TestShutdownDoesNotWaitForWhoReadsNothing(t *testing.T) {
	for name, lines := range map[string]string{"a reply": "EHLO far.test\r\n", "many": strings.Repeat("NOOP\r\n", 500), "the end": ""} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
				c := visit(p)
				defer c.conn.Close()
				go func() { _, _ = io.WriteString(c.conn, lines) }()
				synctest.Wait()
				if d := <-shutDown(t, s); d != haste {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// When sessions are cut, what the backend does for them has ended before Shutdown returns, or
// the store would be closed under it.
func TestShutdownWaitsForTheBackendsOfTheCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		h := &house{accept: func(ctx context.Context, _ Envelope, _ io.Reader) (string, error) {
			<-ctx.Done()
			time.Sleep(severance - time.Second)
			ended = true
			return "", ctx.Err()
		}}
		s := NewBackbone(backboneHouse{h}, ServerOptions{})
		testnet.Serve(t, s, func(p *testnet.Pipes) {
			c := visit(p)
			defer c.conn.Close()
			for _, line := range []string{"EHLO far.test", "MAIL FROM:<x@far.test>", "RCPT TO:<bob@near.test>", "DATA"} {
				c.say(line)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := s.Shutdown(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || !ended {
				t.Errorf("%v, ended %v", err, ended)
			}
		})
	})
}

// A client that is still sending when it is told the last has its time to read that, also
// where the server ends meanwhile.
func TestDrainLeavesADepartingClientItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		w := &wire{Conn: near, drained: make(chan struct{})}
		err := w.depart()
		if err != nil {
			t.Fatal(err)
		}
		w.Drain()
		began := time.Now()
		_, err = io.Copy(io.Discard, near)
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != haste {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
