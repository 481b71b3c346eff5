package pop3_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/pickup/pop3"
	"postern/store"
)

// RFC 2595 §4, CVE-2011-0411 and its kin: what comes in clear behind STLS is no
// command of the session under TLS.
func TestSTLSInjection(t *testing.T) {
	h := startHouse(t, pop3.Options{})
	h.deliver("one\r\n")
	k := h.dial()
	k.ok("CAPA")
	k.lines()
	k.write("STLS\r\nUSER mallory@a.example\r\nPASS x\r\nQUIT\r\n")
	if got := k.line(); got != "+OK Begin TLS" {
		t.Fatalf("STLS: %q", got)
	}
	k.startTLS()
	k.expect("-ERR USER comes first", "PASS "+testPassword)
	k.ok("USER " + testUser)
	k.ok("PASS " + testPassword)
	k.expect("+OK 1 5", "STAT")
	k.expect("-ERR You are logged in", "STLS")
}

// In clear there is little to say, and less to those who speak something else.
func TestClearText(t *testing.T) {
	h := startHouse(t, pop3.Options{})
	for _, bad := range []string{"GET / HTTP/1.1\r\n", "\r\n", "\x16\x03\x01\x02\x00\x01\n", strings.Repeat("x", 100_000), strings.Repeat("CAPA\r\n", 30)} {
		k := h.dial()
		go io.WriteString(k.conn, bad)
		got := k.ended()
		if last := got[strings.LastIndex(strings.TrimRight(got, "\r\n"), "\n")+1:]; !strings.HasPrefix(last, "-ERR") {
			t.Errorf("%.20q: %q", bad, got)
		}
	}
	none := pop3.New(h.backend, pop3.Options{})
	k := (&house{t: t, addr: h.serve(none), clear: true}).dial()
	k.expect("-ERR [SYS/PERM] There is no TLS", "STLS")
	if diff := cmp.Diff([]string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"}, k.many("CAPA")); diff != "" {
		t.Error(diff)
	}
}

// Lines that are too long are read past, up to a bound.
func TestLongLines(t *testing.T) {
	h := implicit(t)
	h.deliver("one\r\n")
	k := h.login()
	for _, n := range []int{8 << 10, 8<<10 + 1, 20_000, 60_000} {
		k.expect("-ERR The line is too long", strings.Repeat("x", n))
		k.expect("+OK", "NOOP")
	}
	k.expect("-ERR", "RETR "+strings.Repeat("1", 8000))
	k.ok("DELE 1")
	go io.WriteString(k.conn, strings.Repeat("x", 1<<20)) // more than any client means
	if got := k.ended(); !strings.HasPrefix(got, "-ERR The line is too long") {
		t.Errorf("then %q", got)
	}
	k = h.dial()
	k.expect("+ ", "AUTH PLAIN")
	k.expect("-ERR The line is too long", strings.Repeat("A", 9000))
	k.expect("-ERR", "AUTH PLAIN "+strings.Repeat("A", 8000))
	k.expect("+ ", "AUTH PLAIN")
	k.expect("-ERR", strings.Repeat("A", 8000))
	k.expect("+OK 1", "AUTH PLAIN "+plain(testUser, testPassword))
	if n := len(h.uids()); n != 1 {
		t.Errorf("%d messages are left", n)
	}
}

// A client that gets everything wrong is ended, after it got fifty wrong.
func TestErrorsEndTheSession(t *testing.T) {
	h := implicit(t)
	k := h.dial()
	go io.WriteString(k.conn, strings.Repeat("NONSENSE\r\n", 100))
	if n := strings.Count(k.ended(), "-ERR Unknown"); n != 51 {
		t.Errorf("%d answers", n)
	}
	if n := h.server.Stats().Errors; n != 51 {
		t.Errorf("%d errors are counted", n)
	}
}

// Three wrong passwords end a connection, whatever way they come.
func TestWrongPasswordsEndTheConnection(t *testing.T) {
	h := implicit(t)
	for name, lines := range map[string][]string{
		"PASS": {"USER " + testUser, "PASS wrong"}, "AUTH": {"AUTH PLAIN " + plain(testUser, "wrong")},
	} {
		k := h.dial()
		for range 3 {
			for _, l := range lines {
				k.write(l + "\r\n")
				k.line()
			}
		}
		if got := k.ended(); got != "" {
			t.Errorf("%s: then %q", name, got)
		}
	}
	log := h.log.String()
	for _, secret := range []string{testUser, "wrong\"", testPassword} {
		if strings.Contains(strings.ReplaceAll(log, "wrong=", ""), secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
}

// Connections above a limit are told so, under TLS where that comes first.
func TestTooManyConnections(t *testing.T) {
	for name, o := range map[string]pop3.Options{"pop3": {ConnectionsPerIP: 1}, "pop3s": {ConnectionsPerIP: 1, Implicit: true}} {
		h := startHouse(t, o)
		k := h.dial()
		conn, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		over := newTalk(t, conn)
		if o.Implicit {
			over.startTLS()
		}
		if got := over.ended(); got != "-ERR [SYS/TEMP] Too many connections, or too many from your address\r\n" {
			t.Errorf("%s: %q", name, got)
		}
		k.expect("+OK", "CAPA")
		if n := h.server.Stats().TurnedAway; n != 1 {
			t.Errorf("%d turned away", n)
		}
	}
}

// The end of the server ends sessions between commands, and none of them removes.
func TestDrain(t *testing.T) {
	h := implicit(t)
	h.deliver("one\r\n")
	s := pop3.New(h.backend, pop3.Options{TLS: testnet.ServerTLS(), Implicit: true})
	at := &house{t: t, addr: h.serve(s)}
	fresh, in := at.dial(), at.login()
	silent, err := net.Dial("tcp", at.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	in.ok("DELE 1")
	err = s.Shutdown(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*talk{"fresh": fresh, "in": in} {
		if got := k.ended(); got != "-ERR [SYS/TEMP] The server is going down\r\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if n := len(h.uids()); n != 1 {
		t.Errorf("%d messages are left", n)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.Serve(t.Context(), ln) == nil {
		t.Error("a server that is closed serves")
	}
}

// A client that reads nothing of a long message is cut when the server ends.
func TestShutdownCuts(t *testing.T) {
	h := implicit(t)
	h.deliver(strings.Repeat(strings.Repeat("x", 98)+"\r\n", 400_000))
	s := pop3.New(h.backend, pop3.Options{TLS: testnet.ServerTLS(), Implicit: true})
	at := &house{t: t, addr: h.serve(s)}
	k := at.login()
	k.ok("DELE 1")
	k.ok("RSET")
	k.ok("RETR 1")
	before := time.Now()
	err := s.Shutdown(context.Background())
	if took := time.Since(before); err != nil || took > 8*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	if strings.HasSuffix(k.ended(), "\r\n.\r\n") {
		t.Error("the message seems whole")
	}
	if m := h.inbox(); len(m) != 1 || !m[0].Fetched.IsZero() {
		t.Errorf("afterwards: %+v", m)
	}
}

// A mailbox of 100,000 messages costs a session a few megabytes.
func TestHugeMailbox(t *testing.T) {
	const messages = 100_000
	h := implicit(t)
	h.deliver("Subject: the same\r\n\r\nbody\r\n")
	one := h.inbox()[0]
	for from := 1; from < messages; from += 10_000 {
		err := h.store.Update(t.Context(), func(tx store.Tx) error {
			box, err := tx.MailboxByName(h.account, store.Inbox)
			if err != nil {
				return err
			}
			for range min(10_000, messages-from) {
				_, err = tx.Append(box.ID, one)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := heap()
	k := h.login()
	k.expect(fmt.Sprintf("+OK %d %d", messages, 27*messages), "STAT")
	if n := len(k.many("UIDL")); n != messages {
		t.Errorf("UIDL has %d lines", n)
	}
	if n := len(k.many("LIST")); n != messages {
		t.Errorf("LIST has %d lines", n)
	}
	if got := heap() - before; got > 16<<20 {
		t.Errorf("a session holds %d KiB", got>>10)
	}
	for n := 1; n <= messages; n += 1000 {
		k.ok(fmt.Sprintf("DELE %d", n))
	}
	k.expect("+OK 100 messages removed", "QUIT")
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The log names who logged in, and never the words of those who did not.
func TestLogOfLogins(t *testing.T) {
	h := implicit(t)
	k := h.dial()
	k.ok("USER a password in the wrong field")
	k.expect("-ERR [AUTH]", "PASS "+testPassword)
	k.ok("USER " + testUser)
	k.ok("PASS " + testPassword)
	k.ok("QUIT")
	log := h.log.String()
	if strings.Contains(log, "wrong field") || strings.Contains(log, testPassword) || strings.Count(log, testUser) != 1 {
		t.Error(log)
	}
}
