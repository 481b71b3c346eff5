package pickup_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/login"
	"postern/internal/testnet"
	"postern/pickup"
)

// A patient backend knows one password, and reads what is appended to its end.
type patient struct{ pickup.Backend }

func (patient) Offers(context.Context) login.Offer { return login.Offer{} }

func (patient) Login(_ context.Context, a login.Attempt) (pickup.User, error) {
	if a.Secret != testPassword {
		return nil, pickup.ErrAuthFailed
	}
	return patientUser{}, nil
}

type patientUser struct{ pickup.User }

func (patientUser) Check(context.Context) error { return nil }

func (patientUser) Append(_ context.Context, _ string, _ pickup.NewMessage, body io.Reader) (pickup.AppendResult, error) {
	_, err := io.Copy(io.Discard, body)
	return pickup.AppendResult{UIDValidity: 1, UID: 1}, err
}

// A bubble is a server on a test's clock, with the default delays.
type bubble struct {
	t      *testing.T
	server *pickup.Server
	*testnet.Pipes
}

func inBubble(t *testing.T, o pickup.Options, test func(b *bubble)) {
	o.TLS, o.Implicit = testnet.ServerTLS(), true
	synctest.Test(t, func(t *testing.T) {
		s := pickup.NewIMAP(patient{}, o)
		testnet.Serve(t, s, func(p *testnet.Pipes) { test(&bubble{t, s, p}) })
	})
}

// A slow client says how long answers took.
type slow struct {
	conn net.Conn
	r    *bufio.Reader
}

func (b *bubble) visit() *slow {
	// The certificate's time is not that of the bubble.
	conn := tls.Client(b.Dial(), &tls.Config{InsecureSkipVerify: true})
	s := &slow{conn, bufio.NewReader(conn)}
	_ = s.answer()
	return s
}

// answer reads up to a line with a tag, a BYE or a question for more.
func (s *slow) answer() string {
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		if !strings.HasPrefix(line, "* ") || strings.HasPrefix(line, "* BYE") || strings.HasPrefix(line, "* OK") {
			return strings.TrimSpace(line)
		}
	}
}

// say returns the answer to a command and how long it took.
func (s *slow) say(command string) (string, time.Duration) {
	before := time.Now()
	go func() { _, _ = io.WriteString(s.conn, command+"\r\n") }()
	answer := s.answer()
	return answer, time.Since(before)
}

func (s *slow) login() { s.say(fmt.Sprintf("l LOGIN %s %q", testUser, testPassword)) }

// drip writes octets that end nothing, one a second, until the connection ends.
func (s *slow) drip() time.Duration {
	before, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, err := io.WriteString(s.conn, "x")
			if err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
	_, _ = io.Copy(io.Discard, s.r)
	took := time.Since(before)
	<-done
	return took
}

func TestWrongPasswordsAreAnsweredLate(t *testing.T) {
	for name, command := range map[string]string{"LOGIN": "a LOGIN x y", "AUTHENTICATE": "a AUTHENTICATE PLAIN " + plain("wrong")} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, pickup.Options{}, func(b *bubble) {
				c := b.visit()
				defer c.conn.Close()
				for n := 1; n <= 2; n++ {
					answer, took := c.say(command)
					if !strings.HasPrefix(answer, "a NO") || took != time.Duration(n)*time.Second {
						t.Errorf("%d: %q after %v", n, answer, took)
					}
				}
				before := time.Now()
				go func() { _, _ = io.WriteString(c.conn, command+"\r\n") }()
				_, _ = io.Copy(io.Discard, c.r)
				if took := time.Since(before); took != 3*time.Second {
					t.Errorf("the end came after %v", took)
				}
				if got := b.server.Stats().Errors; got != 3 {
					t.Errorf("counted %d", got)
				}
			})
		})
	}
}

func TestNonsenseSlowsDownAndEnds(t *testing.T) {
	for name, command := range map[string]string{
		"unknown": "a NONSENSE", "syntax": "a SELECT", "state": "a LOGIN x y", "unreadable": "a NOOP x",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, pickup.Options{}, func(b *bubble) {
				c := b.visit()
				defer c.conn.Close()
				c.login()
				for n := 1; n <= 50; n++ {
					answer, took := c.say(command)
					due := time.Duration(min(max(0, n-1-5), 10)) * time.Second
					if !strings.HasPrefix(answer, "a BAD") || took != due {
						t.Fatalf("%d: %q after %v, not %v", n, answer, took, due)
					}
				}
				c.say(command)
				if answer, _ := c.say("b NOOP"); !strings.HasPrefix(answer, "* BYE") {
					t.Errorf("then %q", answer)
				}
			})
		})
	}
}

// Whoever does not log in leaves soon, whatever he says meanwhile.
func TestThereIsLittleTimeToLogIn(t *testing.T) {
	inBubble(t, pickup.Options{}, func(b *bubble) {
		c := b.visit()
		defer c.conn.Close()
		before := time.Now()
		for {
			answer, _ := c.say("a NOOP")
			if answer != "a OK NOOP completed" {
				break
			}
			time.Sleep(10 * time.Second)
		}
		if took := time.Since(before); took < 50*time.Second || took > 70*time.Second {
			t.Errorf("ended after %v", took)
		}
		in := b.visit()
		defer in.conn.Close()
		in.login()
		time.Sleep(20 * time.Minute)
		if answer, _ := in.say("a NOOP"); answer != "a OK NOOP completed" {
			t.Errorf("after a login: %q", answer)
		}
	})
}

// Whoever sends an octet now and then is ended in bounded time, wherever in a
// session he does it.
func TestSlowClientsAreEnded(t *testing.T) {
	for name, row := range map[string]struct {
		begin []string
		most  time.Duration
	}{
		"before login": {nil, time.Minute},
		"password":     {[]string{"a AUTHENTICATE PLAIN"}, time.Minute},
		"command":      {[]string{"l"}, 36 * time.Minute}, // whoever is in may be silent as long
		"idle":         {[]string{"l", "a IDLE"}, 71 * time.Minute},
		"literal":      {[]string{"l", "a APPEND INBOX {30000000}"}, 330 * time.Second},
		"name":         {[]string{"l", "a CREATE {4000}"}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, pickup.Options{}, func(b *bubble) {
				c := b.visit()
				defer c.conn.Close()
				for _, command := range row.begin {
					if command == "l" {
						c.login()
						continue
					}
					c.say(command)
				}
				if took := c.drip(); took > row.most+time.Second {
					t.Errorf("ended after %v", took)
				}
			})
		})
	}
}

// A client that shakes hands for ever has ten seconds.
func TestSlowHandshakesAreEnded(t *testing.T) {
	inBubble(t, pickup.Options{}, func(b *bubble) {
		ours := b.Dial()
		defer ours.Close()
		c := &slow{ours, bufio.NewReader(ours)}
		_, _ = ours.Write([]byte{22, 3, 1, 0x10, 0}) // a record of 4 KiB is to come
		if took := c.drip(); took > 11*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

// A client that does not read has its place for a while only, whoever answers it.
func TestAnswersThatAreNotRead(t *testing.T) {
	for name, command := range map[string]string{
		"the library":        "a NOOP\r\n",
		"the front":          "a ID NIL\r\n",
		"bad syntax":         "a FETCH (\r\n",
		"no tag":             "a+b NOOP\r\n",
		"a literal":          "a ID {3}\r\n",
		"too large":          "a ID {5000}\r\n",
		"what was lost":      "a LOGIN {9000}\r\n",
		"a command too long": "a ID " + strings.Repeat("x", 50<<10) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, pickup.Options{}, func(b *bubble) {
				c := b.visit()
				defer c.conn.Close()
				go func() { _, _ = io.WriteString(c.conn, command) }()
				time.Sleep(50 * time.Second) // before LoginTime is over
				if n := b.server.Stats().Connections; n != 0 {
					t.Error("the connection is still there")
				}
			})
		})
	}
}

// A client that waits for a late answer does not hold up the end of the server.
func TestShutdownEndsTheTarpit(t *testing.T) {
	for name, row := range map[string]struct {
		times   int
		command string
	}{"wrong password": {1, "a LOGIN x y"}, "nonsense": {30, "a NONSENSE"}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, pickup.Options{}, func(b *bubble) {
				c := b.visit()
				defer c.conn.Close()
				if row.times > 1 {
					c.login()
				}
				for range row.times {
					go func() { _, _ = io.WriteString(c.conn, row.command+"\r\n") }()
					if row.times > 1 {
						_ = c.answer()
					}
				}
				synctest.Wait()
				go func() { _, _ = io.Copy(io.Discard, c.r) }()
				before := time.Now()
				err := b.server.Shutdown(context.Background())
				if took := time.Since(before); err != nil || took > 0 {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

// Who has not logged in does not hold up the end of the server for long: not within
// AUTHENTICATE, where the library says nothing, and not when it reads nothing. The time is
// real, for locks stop that of a bubble.
func TestShutdownDoesNotWaitForStrangers(t *testing.T) {
	for name, row := range map[string]struct {
		command string
		reads   bool
	}{
		"says nothing": {"", true}, "AUTHENTICATE": {"a AUTHENTICATE PLAIN\r\n", true}, "a literal": {"a ID (\"a\" {5}\r\n", true},
		"reads nothing": {"a NOOP\r\n", false}, "reads nothing of the front": {"a ID NIL\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pickup.NewIMAP(patient{}, pickup.Options{TLS: testnet.ServerTLS(), Implicit: true})
			testnet.Serve(t, s, func(p *testnet.Pipes) {
				c := (&bubble{t, s, p}).visit()
				defer c.conn.Close()
				_, err := io.WriteString(c.conn, row.command)
				if err != nil {
					t.Fatal(err)
				}
				if row.reads && row.command != "" {
					if got := c.answer(); !strings.HasPrefix(got, "+") {
						t.Fatalf("answer: %q", got)
					}
				}
				if row.reads {
					go func() { _, _ = io.Copy(io.Discard, c.r) }()
				}
				before := time.Now()
				err = s.Shutdown(context.Background())
				if took := time.Since(before); err != nil || took > 10*time.Second {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

func TestConnectionRate(t *testing.T) {
	inBubble(t, pickup.Options{ConnectionRate: 2}, func(b *bubble) {
		for i, want := range []bool{true, true, false} {
			ours := b.Dial()
			conn := tls.Client(ours, &tls.Config{InsecureSkipVerify: true})
			if got := conn.Handshake() == nil; got != want {
				t.Errorf("connection %d: %v", i, got)
			}
			ours.Close()
		}
		if got := b.server.Stats().TurnedAway; got != 1 {
			t.Errorf("turned away: %d", got)
		}
	})
}

// What came in one piece before the time to log in was over is not carried out behind it.
func TestNothingIsCarriedOutBehindTheTimeToLogIn(t *testing.T) {
	for _, command := range []string{"a NOOP x\r\n", "a FETCH 1 FLAGS\r\n", "a AUTHENTICATE PLAIN\r\n*\r\n"} {
		inBubble(t, pickup.Options{}, func(b *bubble) {
			c := b.visit()
			defer c.conn.Close()
			before := time.Now()
			go func() {
				_, _ = io.WriteString(c.conn, strings.Repeat(command, 30)+fmt.Sprintf("l LOGIN %s %q\r\n", testUser, testPassword))
			}()
			got, _ := io.ReadAll(c.r)
			if took := time.Since(before); took != time.Minute || strings.Contains(string(got), "l OK") || !strings.Contains(string(got), "* BYE") {
				t.Errorf("%q: %s: %q", command, took, got)
			}
		})
	}
}
