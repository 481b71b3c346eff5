package pop3_test

import (
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/pickup"
	"postern/pickup/pop3"
)

// A bubble is a server on a test's clock, with the default delays.
type bubble struct {
	t      *testing.T
	mail   *memory
	server *pop3.Server
	*testnet.Pipes
}

func inBubble(t *testing.T, o pop3.Options, m *memory, test func(b *bubble)) {
	o.TLS = testnet.ServerTLS()
	synctest.Test(t, func(t *testing.T) {
		s := pop3.New(m, o)
		testnet.Serve(t, s, func(p *testnet.Pipes) { test(&bubble{t, m, s, p}) })
	})
}

// visit connects, and reads the greeting under TLS.
func (b *bubble) visit() *talk {
	k := newTalk(b.t, tls.Client(b.Dial(), &tls.Config{InsecureSkipVerify: true}))
	k.line()
	return k
}

func (b *bubble) login() *talk {
	k := b.visit()
	k.say("USER " + testUser)
	k.say("PASS " + testPassword)
	return k
}

// say returns the answer to a command and how long it took.
func (k *talk) say(command string) (string, time.Duration) {
	before := time.Now()
	go func() { _, _ = io.WriteString(k.conn, command+"\r\n") }()
	answer, err := k.r.ReadString('\n')
	if err != nil {
		return err.Error(), time.Since(before)
	}
	return strings.TrimSpace(answer), time.Since(before)
}

// rest reads until the connection ends, and says when that was.
func (k *talk) rest() (string, time.Duration) {
	before := time.Now()
	return k.ended(), time.Since(before)
}

func TestWrongPasswordsAreAnsweredLate(t *testing.T) {
	for name, command := range map[string]string{"PASS": "PASS wrong", "AUTH": "AUTH PLAIN " + plain("x", "wrong")} {
		inBubble(t, pop3.Options{Implicit: true}, newMemory(), func(b *bubble) {
			k := b.visit()
			defer k.conn.Close()
			for n := 1; n <= 3; n++ {
				k.say("USER x")
				answer, took := k.say(command)
				if !strings.HasPrefix(answer, "-ERR [AUTH]") || took != time.Duration(n)*time.Second {
					t.Errorf("%s, %d: %q after %v", name, n, answer, took)
				}
			}
			if got, took := k.rest(); got != "" || took != 0 {
				t.Errorf("%s: then %q after %v", name, got, took)
			}
		})
	}
}

func TestErrorsAreAnsweredLate(t *testing.T) {
	inBubble(t, pop3.Options{Implicit: true}, newMemory(), func(b *bubble) {
		k := b.login()
		defer k.conn.Close()
		for n := 1; n <= 51; n++ {
			_, took := k.say("NONSENSE")
			if due := time.Duration(min(max(0, n-1-5), 10)) * time.Second; took != due {
				t.Fatalf("%d: after %v, not %v", n, took, due)
			}
		}
		if answer, _ := k.say("NOOP"); answer != "-ERR Too many errors" {
			t.Errorf("then %q", answer)
		}
	})
}

// RFC 1939 §3: who is logged in may be silent for ten minutes, and no longer; what he
// marked stays. Who is not logged in has less, whatever he says meanwhile.
func TestEP18_Idle(t *testing.T) {
	inBubble(t, pop3.Options{Implicit: true}, newMemory("one\r\n"), func(b *bubble) {
		k := b.login()
		defer k.conn.Close()
		k.say("DELE 1")
		for range 5 {
			time.Sleep(9 * time.Minute)
			if answer, _ := k.say("NOOP"); answer != "+OK" {
				t.Fatalf("after nine minutes: %q", answer)
			}
		}
		got, took := k.rest()
		if got != "-ERR You were silent for too long\r\n" || took != 10*time.Minute {
			t.Errorf("%q after %v", got, took)
		}
		if len(b.mail.uids()) != 1 {
			t.Error("the message is gone")
		}
	})
	for name, clear := range map[string]bool{"in clear": true, "under TLS": false} {
		inBubble(t, pop3.Options{Implicit: !clear}, newMemory(), func(b *bubble) {
			k := newTalk(t, b.Dial())
			if !clear {
				k.startTLS()
			}
			defer k.conn.Close()
			k.line()
			before := time.Now()
			for err := error(nil); err == nil; {
				go func() { _, _ = io.WriteString(k.conn, "CAPA\r\n") }()
				for line := ""; err == nil && line != ".\r\n"; {
					line, err = k.r.ReadString('\n')
				}
				time.Sleep(10 * time.Second)
			}
			if took := time.Since(before); took < 50*time.Second || took > 80*time.Second {
				t.Errorf("%s: ended after %v", name, took)
			}
		})
	}
}

// Who does not begin TLS, or reads nothing, is ended too.
func TestSlowClientsAreEnded(t *testing.T) {
	inBubble(t, pop3.Options{Implicit: true}, newMemory(), func(b *bubble) {
		k := newTalk(t, b.Dial())
		defer k.conn.Close()
		if _, took := k.rest(); took != 10*time.Second {
			t.Errorf("no TLS: after %v", took)
		}
	})
	inBubble(t, pop3.Options{Implicit: true}, newMemory(strings.Repeat("x\r\n", 100_000)), func(b *bubble) {
		k := b.login()
		defer k.conn.Close()
		k.say("RETR 1")
		before := time.Now()
		for b.server.Stats().Connections > 0 {
			time.Sleep(time.Second)
		}
		if took := time.Since(before); took > 70*time.Second {
			t.Errorf("who reads nothing: after %v", took)
		}
		if len(b.mail.tookAll()) > 0 {
			t.Error("it counts as taken")
		}
	})
}

// That a message was taken is noted soon, also when the session goes on in silence.
func TestTakenIsNotedSoon(t *testing.T) {
	inBubble(t, pop3.Options{Implicit: true}, newMemory("one\r\n", "two\r\n", "A: b\r\n\r\n1\r\n2\r\n"), func(b *bubble) {
		k := b.login()
		defer k.conn.Close()
		for _, command := range []string{"RETR 2", "TOP 1 0", "TOP 3 0", "TOP 3 1", "RETR 1"} {
			k.say(command)
			k.lines()
		}
		if diff := cmp.Diff([][]uint32{{2}, {3}, {1}}, b.mail.read); diff != "" {
			t.Errorf("read (-want +got)\n%s", diff)
		}
		time.Sleep(3 * time.Second)
		if diff := cmp.Diff([]uint32{2, 1}, b.mail.tookAll()); diff != "" {
			t.Errorf("taken (-want +got)\n%s", diff)
		}
		k.say("TOP 3 2")
		k.lines()
		k.say("QUIT")
		if diff := cmp.Diff([]uint32{2, 1, 3}, b.mail.tookAll()); diff != "" {
			t.Errorf("after QUIT (-want +got)\n%s", diff)
		}
	})
}

// What cannot be noted is not sent, and what breaks off does not seem whole.
func TestTrouble(t *testing.T) {
	m := newMemory("one\r\n", strings.Repeat("two\r\n", 100))
	inBubble(t, pop3.Options{Implicit: true}, m, func(b *bubble) {
		k := b.login()
		defer k.conn.Close()
		m.readErr = pickup.ErrUnavailable
		for _, command := range []string{"RETR 1", "TOP 1 1"} {
			if got, _ := k.say(command); got != "-ERR [SYS/TEMP] Try again later" {
				t.Errorf("%s: %q", command, got)
			}
		}
		m.readErr = errors.New("the disk is on fire")
		if got, _ := k.say("RETR 1"); got != "-ERR [SYS/TEMP] Trouble of the server" {
			t.Errorf("RETR: %q", got)
		}
		m.readErr = nil
		k.say("LIST 2")
		for _, broken := range []error{pickup.ErrNoMessage, errors.New("corrupt")} {
			m.bodyErr = broken
			k := b.login2(k)
			k.say("RETR 2")
			if got, _ := k.rest(); strings.Contains(got, "\r\n.\r\n") {
				t.Errorf("%v: a broken message ends as if it were whole", broken)
			}
		}
		if len(m.took) > 0 {
			t.Errorf("%v count as taken", m.took)
		}
	})
}

// login2 logs in again in place of a session.
func (b *bubble) login2(k *talk) *talk {
	k.say("QUIT")
	return b.login()
}

// A QUIT that cannot remove everything says so.
func TestQuitThatFails(t *testing.T) {
	m := newMemory("one\r\n", "two\r\n", "three\r\n")
	m.removeAtMost, m.removeErr = 1, pickup.ErrUnavailable
	inBubble(t, pop3.Options{Implicit: true}, m, func(b *bubble) {
		k := b.login()
		for _, command := range []string{"DELE 1", "DELE 2", "DELE 3"} {
			k.say(command)
		}
		got, _ := k.say("QUIT")
		if got != "-ERR [SYS/TEMP] 2 of 3 marked messages were not removed" {
			t.Errorf("QUIT: %q", got)
		}
		if diff := cmp.Diff([]uint32{2, 3}, m.uids()); diff != "" {
			t.Error(diff)
		}
	})
}

// Messages that are asked for at once are noted at once, and no others.
func TestReadingAheadIsNoted(t *testing.T) {
	m := newMemory("1\r\n", "2\r\n", "3\r\n", "4\r\n", strings.Repeat("x", 2<<20), "6\r\n")
	inBubble(t, pop3.Options{Implicit: true}, m, func(b *bubble) {
		k := b.login()
		go io.WriteString(k.conn, "DELE 3\r\nRETR 2\r\nretr 3\r\nRETR 1 \r\nRETR 2\r\nRETR 9\r\nNOOP\r\nRETR 4\r\nRETR 5\r\nRETR 6\r\nTOP 6 1\r\nQUIT\r\nRETR 1\r\n")
		got := k.ended()
		if n := strings.Count(got, "\r\n.\r\n"); n != 7 {
			t.Errorf("%d messages came", n)
		}
		if diff := cmp.Diff([][]uint32{{2, 1}, {4}, {5}, {6}}, m.read); diff != "" {
			t.Errorf("noted (-want +got)\n%s", diff)
		}
	})
}

// What came in one piece before the time to log in was over is not carried out behind it.
func TestNothingIsCarriedOutBehindTheTimeToLogIn(t *testing.T) {
	for _, command := range []string{"FOO\r\n", "AUTH PLAIN\r\n*\r\n"} {
		inBubble(t, pop3.Options{Implicit: true}, newMemory(), func(b *bubble) {
			k := b.visit()
			go func() {
				_, _ = io.WriteString(k.conn, strings.Repeat(command, 30)+"USER "+testUser+"\r\nPASS "+testPassword+"\r\n")
			}()
			got, took := k.rest()
			if took != time.Minute || strings.Contains(got, "+OK") || !strings.Contains(got, "-ERR You were silent") {
				t.Errorf("%q: %s: %q", command, took, got)
			}
		})
	}
}

// Who owes a wait for what was wrong, and leaves, keeps nobody out of the mailbox.
func TestWhoLeavesSetsTheMailboxFree(t *testing.T) {
	inBubble(t, pop3.Options{Implicit: true}, newMemory(), func(b *bubble) {
		k := b.login()
		for range 15 {
			k.say("NONSENSE")
		}
		before := time.Now()
		_ = k.conn.Close()
		for b.server.Stats().Connections > 0 {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(before); took > 10*time.Millisecond {
			t.Errorf("the mailbox was free after %v", took)
		}
	})
}
