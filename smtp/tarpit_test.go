package smtp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/testnet"
	"postern/trust/reason"
)

// A client speaks over a pipe and says how long each answer took.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

func visit(p *testnet.Pipes) *client {
	conn := p.Dial()
	c := &client{conn, bufio.NewReader(conn)}
	c.read()
	return c
}

func (c *client) read() string {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		if len(line) < 4 || line[3] != '-' {
			return line
		}
	}
}

// say returns the code of the answer and how long it took. The server may answer
// before it reads.
func (c *client) say(line string) (string, time.Duration) {
	before := time.Now()
	go func() { _, _ = io.WriteString(c.conn, line+"\r\n") }()
	answer := c.read()
	return answer[:3], time.Since(before)
}

// inBubble serves over pipes on a test's clock, with the default delays.
func inBubble(t *testing.T, test func(t *testing.T, s *Server, p *testnet.Pipes)) {
	synctest.Test(t, func(t *testing.T) {
		s := NewBackbone(backboneHouse{&house{}}, ServerOptions{})
		testnet.Serve(t, s, func(p *testnet.Pipes) { test(t, s, p) })
	})
}

func TestErrorsMakeAnswersLate(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
		c := visit(p)
		defer c.conn.Close()
		c.say("EHLO far.test")
		c.say("MAIL FROM:<x@far.test>")
		for n := 1; n <= maxErrors+1; n++ {
			code, took := c.say("RCPT TO:<nobody@near.test>")
			// The answer is that of error n, and pays for those before it.
			due := time.Duration(min(max(0, n-1-freeErrors), longestDelay)) * DefaultErrorDelay
			want := "550"
			if n > maxErrors {
				want = "421"
			}
			if code != want || took != due {
				t.Errorf("error %d: %s after %v, not %s after %v", n, code, took, want, due)
			}
		}
		if got := c.read(); got != "EOF" {
			t.Errorf("then %q", got)
		}
		if got := s.Stats(); got.Errors != maxErrors+1 || got.HungUp != 1 {
			t.Errorf("counted %+v", got)
		}
	})
}

// What does nothing for a message is borne for a while, slows down and ends.
func TestCommandsForNothingEndTheConnection(t *testing.T) {
	for _, command := range []string{"NOOP", "RSET", "VRFY x", "EHLO far.test", "DATA", "EXPN x"} {
		t.Run(command, func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *Server, p *testnet.Pipes) {
				c := visit(p)
				defer c.conn.Close()
				began, answers := time.Now(), 0
				for {
					code, _ := c.say(command)
					if code == "421" {
						break
					}
					answers++
					if answers == freeJunk && time.Since(began) != 0 {
						t.Errorf("the first %d took %v", freeJunk, time.Since(began))
					}
					if answers > 1000 {
						t.Fatal("no end")
					}
				}
				if answers < freeJunk || answers > freeJunk+maxErrors || time.Since(began) < time.Minute {
					t.Errorf("%d answers in %v", answers, time.Since(began))
				}
			})
		})
	}
}

// What came together with one command too many is not carried out.
func TestCommandsTogetherEndTheConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *Server, p *testnet.Pipes) {
		c := visit(p)
		defer c.conn.Close()
		go func() { _, _ = io.WriteString(c.conn, strings.Repeat("NOOP\r\n", 600)) }() // what the session reads at once
		answers := 0
		for !strings.HasPrefix(c.read(), "421") {
			answers++
			if answers > freeJunk+maxErrors {
				t.Fatal("no end")
			}
		}
	})
}

// A session that brings messages may last for ever.
func TestUsefulSessionsAreNotSlowed(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *Server, p *testnet.Pipes) {
		c := visit(p)
		defer c.conn.Close()
		began := time.Now()
		c.say("EHLO far.test")
		for range 3 * freeJunk {
			c.say("RSET")
			c.say("MAIL FROM:<x@far.test>")
			c.say("RCPT TO:<bob@near.test>")
			c.say("DATA")
			code, _ := c.say("Subject: x\r\n\r\nx\r\n.")
			if code != "250" {
				t.Fatal(code)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

// A client that waits for a late answer does not hold up the end of the server.
func TestShutdownEndsTheTarpit(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
		c := visit(p)
		defer c.conn.Close()
		c.say("EHLO far.test")
		c.say("MAIL FROM:<x@far.test>")
		for range maxErrors {
			c.say("RCPT TO:<nobody@near.test>")
		}
		synctest.Wait() // it waits before the next command
		go func() { _ = c.read() }()
		began := time.Now()
		err := s.Shutdown(context.Background())
		if took := time.Since(began); err != nil || took != 0 {
			t.Errorf("Shutdown took %v: %v", took, err)
		}
	})
}

// A connection that waits for its answer has its place all the same.
func TestSlowedConnectionsKeepTheirPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
		s.gate.Each = 1
		c := visit(p)
		defer c.conn.Close()
		c.say("EHLO far.test")
		c.say("MAIL FROM:<x@far.test>")
		for range 2 * freeErrors {
			c.say("RCPT TO:<nobody@near.test>")
		}
		ours := p.Dial()
		defer ours.Close()
		answer, _ := bufio.NewReader(ours).ReadString('\n')
		if !strings.HasPrefix(answer, "421 4.3.2") {
			t.Errorf("a second: %q", answer)
		}
	})
}

func TestConnectionRate(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
		s.arrivals.Burst = 2
		arrive := func() string {
			ours := p.Dial()
			defer ours.Close()
			answer, _ := bufio.NewReader(ours).ReadString('\n')
			return answer[:3]
		}
		for i, want := range []string{"220", "220", "421"} {
			if got := arrive(); got != want {
				t.Errorf("connection %d: %s", i, got)
			}
		}
		time.Sleep(time.Minute / 2)
		if got := arrive(); got != "220" {
			t.Errorf("later: %s", got)
		}
		if got := s.Stats().TurnedAway; got != 1 {
			t.Errorf("turned away: %d", got)
		}
	})
}

// Whether a message may come is asked before any of it is sent.
func TestMailIsPutOff(t *testing.T) {
	for code, want := range map[reason.Code]string{
		reason.StorageFull: "452 4.3.1", reason.Busy: "451 4.3.2", reason.RateLimited: "450 4.7.1",
	} {
		t.Run(code.String(), func(t *testing.T) {
			h, addr := startBackbone(t)
			h.ready = func(e Envelope) error {
				if e.Size == 1000 && e.From.String() == "x@far.test" && e.Remote.IsValid() {
					return reason.New(code, "private words")
				}
				return nil
			}
			dial(t, addr).play(fmt.Sprintf(`
				< 220
				> EHLO far.test
				< 250
				> MAIL FROM:<x@far.test> SIZE=1000
				< %s
				> RCPT TO:<bob@near.test>
				< 503
				> MAIL FROM:<x@far.test>
				< 250
			`, want))
		})
	}
}

// Whoever sends an octet now and then is ended in the time of a command, wherever
// in a session he does it.
func TestSlowClientsAreEnded(t *testing.T) {
	for name, script := range map[string]string{
		"command":   "< 220",
		"handshake": "< 220\n> EHLO x\n< 250\n> STARTTLS\n< 220",
		"password":  "< 220\n> EHLO x\n< 250\n> STARTTLS\n< 220\ntls\n> EHLO x\n< 250\n> AUTH LOGIN\n< 334",
		"chunk":     "< 220\n> EHLO x\n< 250\n> STARTTLS\n< 220\ntls\n> EHLO x\n< 250\n> AUTH PLAIN AGFsaWNlQG5lYXIudGVzdABzZWNyZXQ=\n< 235\n> MAIL FROM:<alice@near.test>\n< 250\n> RCPT TO:<bob@near.test>\n< 250\n> BDAT 1000000 LAST",
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := startSubmission(t, func(o *ServerOptions) { o.CommandIdle, o.MinRate = 500*time.Millisecond, 1<<20 })
			d := dial(t, addr).play(script)
			stop := make(chan struct{})
			defer close(stop)
			go trickle(d.conn, "A", stop)
			_, err := io.Copy(io.Discard, d.conn)
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("the connection lasts")
			}
		})
	}
}

// Whoever is told to come back later with his password is not told so for ever.
func TestBusyPasswordsEndTheConnection(t *testing.T) {
	_, addr := startSubmission(t)
	d := dial(t, addr).play("< 220\n> EHLO x\n< 250\n> STARTTLS\n< 220\ntls\n> EHLO x\n< 250")
	busy := "> AUTH PLAIN AGJ1c3kAeA==\n"
	for range maxErrors {
		d.play(busy + "< 454")
	}
	d.play(busy + "< 421\neof")
}

// RFC 5321 §4.5.3.1.10: a client that names more recipients than a message may have is
// told so for each, at once, and sends to those that were accepted. It is no guesser.
func TestRecipientsBeyondTheLimitAreNoErrors(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
		c := visit(p)
		defer c.conn.Close()
		c.say("EHLO far.test")
		for range 2 {
			c.say("MAIL FROM:<carol@far.test>")
			for i := range DefaultRecipients + freeSurplus {
				want := "250"
				if i >= DefaultRecipients {
					want = "452"
				}
				code, took := c.say(fmt.Sprintf("RCPT TO:<p%d@many.test>", i))
				if code != want || took > 0 {
					t.Fatalf("recipient %d: %s after %s", i, code, took)
				}
			}
			if code, _ := c.say("DATA"); code != "354" {
				t.Fatal(code)
			}
			if code, took := c.say("x: y\r\n."); code != "250" || took > 0 {
				t.Fatal(code, took)
			}
		}
		if n := s.Stats().Errors; n != 0 {
			t.Errorf("%d errors", n)
		}
		c.say("MAIL FROM:<carol@far.test>")
		code := ""
		for i := 0; i < 2*freeSurplus && code != "421"; i++ {
			code, _ = c.say(fmt.Sprintf("RCPT TO:<p%d@many.test>", i))
		}
		if code != "421" {
			t.Errorf("recipients without end: %s", code)
		}
	})
}

// Commands between chunks that bring nothing are counted as they are elsewhere.
func TestNothingBetweenChunksIsCounted(t *testing.T) {
	for _, line := range []string{"NOOP", "HELP", "BDAT 0"} {
		inBubble(t, func(t *testing.T, s *Server, p *testnet.Pipes) {
			c := visit(p)
			defer c.conn.Close()
			c.say("EHLO far.test")
			c.say("MAIL FROM:<carol@far.test>")
			c.say("RCPT TO:<bob@near.test>")
			n := 0
			for code := "250"; code == "250" || code == "214"; n++ {
				code, _ = c.say(line)
			}
			if n > freeJunk+maxErrors+5 {
				t.Errorf("%s: %d", line, n)
			}
		})
	}
}
