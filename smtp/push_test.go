package smtp

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/mime"
	"postern/trust/reason"
)

// edgeAt is the edge of a test, whose certificate is believed.
func edgeAt(t *testing.T, address string) Edge {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return Edge{Host: host, Port: uint16(n), TLS: testnet.ClientTLS()}
}

// overTLS are the replies of an edge that takes mail.
func overTLS(more map[string]string) map[string]string {
	replies := map[string]string{
		"EHLO":     "250-edge\r\n250-STARTTLS\r\n250-8BITMIME\r\n250-AUTH LOGIN PLAIN\r\n250 SIZE 1000000",
		"STARTTLS": "shake hands", "AUTH": "235 2.7.0 welcome",
	}
	for k, v := range more {
		replies[k] = v
	}
	return replies
}

func pushTo(t *testing.T, e Edge) Result {
	t.Helper()
	r := &Relay{Hostname: "hisp.example", Timeouts: Timeouts{Connect: 2 * time.Second, Command: 2 * time.Second, DataDone: 2 * time.Second}}
	results := r.Push(t.Context(), e, Delivery{
		From: mustAddress("a@a.example"), To: []mime.Address{mustAddress("b@b.example")},
		Message: func() (io.Reader, error) { return strings.NewReader("Subject: x\r\n\r\nsecret\r\n"), nil },
	})
	if len(results) != 1 || results[0].Recipient != mustAddress("b@b.example") {
		t.Fatalf("results %+v", results)
	}
	return results[0]
}

// What an edge may answer, and what becomes of it. In none of the cases that fail before
// TLS is anything of the message said.
func TestEP14_Push(t *testing.T) {
	for _, c := range []struct {
		name    string
		replies map[string]string
		change  func(*Edge)
		code    reason.Code
		down    bool
		says    string // part of the result's text
	}{
		{name: "taken", code: reason.OK},
		{name: "taken from a user", change: func(e *Edge) { e.User, e.Password = "hisp", "hunter2" }, code: reason.OK},
		{name: "recipient refused", replies: map[string]string{"RCPT": "550 5.1.1 nobody"}, code: reason.PeerRefused, says: "nobody"},
		{name: "recipient put off", replies: map[string]string{"RCPT": "451 4.2.0 later"}, code: reason.PeerDeferred, says: "later"},
		{name: "message refused", replies: map[string]string{".": "554 5.6.0 no"}, code: reason.PeerRefused},
		{name: "sender refused", replies: map[string]string{"MAIL": "550 5.7.1 no"}, code: reason.PeerRefused},
		{name: "no STARTTLS", replies: map[string]string{"EHLO": "250 edge"}, code: reason.PeerUnreachable, down: true, says: "TLS that is required"},
		{name: "STARTTLS refused", replies: map[string]string{"STARTTLS": "454 4.7.0 not now"}, code: reason.PeerUnreachable, down: true, says: "TLS that is required"},
		{name: "words behind STARTTLS", replies: map[string]string{"STARTTLS": "220 go\r\n250 and more"}, code: reason.PeerUnreachable, down: true},
		{name: "STARTTLS without TLS", replies: map[string]string{"STARTTLS": "220 go"}, code: reason.PeerUnreachable, down: true, says: "TLS handshake"},
		{name: "certificate of nobody we know", change: func(e *Edge) { e.TLS.RootCAs = nil }, code: reason.PeerUnreachable, down: true, says: "certificate"},
		{name: "no configuration of TLS", change: func(e *Edge) { e.TLS = nil }, code: reason.PeerUnreachable, down: true, says: "certificate"},
		{name: "certificate of another name", change: func(e *Edge) { e.TLS.ServerName = "other.example" }, code: reason.PeerUnreachable, down: true, says: "other.example"},
		{name: "wrong password", replies: map[string]string{"AUTH": "535 5.7.8 no"}, change: func(e *Edge) { e.User, e.Password = "hisp", "hunter2" }, code: reason.PeerDeferred, down: true, says: "the login is refused"},
		{name: "no AUTH", replies: map[string]string{"EHLO": "250-edge\r\n250 STARTTLS"}, change: func(e *Edge) { e.User, e.Password = "hisp", "hunter2" }, code: reason.PeerUnreachable, down: true, says: "AUTH PLAIN"},
		{name: "silent", replies: map[string]string{"": "silence"}, code: reason.PeerUnreachable, down: true},
		{name: "hangs up", replies: map[string]string{"": "hang up"}, code: reason.PeerUnreachable, down: true},
		{name: "service over", replies: map[string]string{"": "554 no"}, code: reason.PeerDeferred, down: true},
		{name: "no port", change: func(e *Edge) { e.Port = 0 }, code: reason.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, address := startPeer(t, overTLS(c.replies))
			e := edgeAt(t, address)
			if c.change != nil {
				c.change(&e)
			}
			r := pushTo(t, e)
			if r.Code != c.code || r.Down != c.down || !strings.Contains(r.Text, c.says) {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.Text, "hunter2") {
				t.Error("the result has the password")
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			for i, line := range p.heard {
				secret := strings.Contains(line, "secret") || strings.HasPrefix(line, "AUTH") || strings.HasPrefix(line, "MAIL")
				if secret && !slices.Contains(p.heard[:i], "STARTTLS") {
					t.Errorf("said in clear: %q", line)
				}
			}
			if c.down && slices.ContainsFunc(p.heard, func(l string) bool { return strings.HasPrefix(l, "MAIL") }) {
				t.Errorf("went on: %q", p.heard)
			}
			if c.code.IsOK() && !slices.ContainsFunc(p.heard, func(l string) bool { return strings.HasSuffix(l, "BODY=8BITMIME") }) {
				t.Errorf("no 8BITMIME: %q", p.heard)
			}
		})
	}
}

// Whatever an edge says after it heard the password, in whichever reply, nobody is told it.
func TestAnEdgeThatRepeatsThePassword(t *testing.T) {
	const plain, password = "AGhpc3AAaHVudGVyMi1zZWNyZXQ=", "hunter2-secret"
	for name, c := range map[string]struct {
		replies map[string]string
		code    reason.Code
		reply   int
	}{
		"in its refusal":         {map[string]string{"AUTH": "535 5.7.8 bad credentials " + plain}, reason.PeerDeferred, 535},
		"cut":                    {map[string]string{"AUTH": "535-5.7.8 bad " + plain[:11] + "\r\n535 5.7.8 " + plain[11:]}, reason.PeerDeferred, 535},
		"for a while":            {map[string]string{"AUTH": "454 4.7.0 " + password}, reason.PeerDeferred, 454},
		"in front of its answer": {map[string]string{"AUTH": "AUTH PLAIN " + plain + "\r\n235 2.7.0 welcome"}, reason.PeerUnreachable, 0},
		"as a challenge":         {map[string]string{"AUTH": "334 " + plain}, reason.PeerUnreachable, 0},
		"at MAIL":                {map[string]string{"MAIL": "451 4.7.0 AUTH PLAIN " + plain + " was odd"}, reason.PeerDeferred, 451},
		"at RCPT":                {map[string]string{"RCPT": "550 5.7.1 not with " + password}, reason.PeerRefused, 550},
		"after the message":      {map[string]string{".": "250 2.0.0 taken from aHVudGVyMi1zZWNyZXQ="}, reason.OK, 250},
	} {
		t.Run(name, func(t *testing.T) {
			_, address := startPeer(t, overTLS(c.replies))
			e := edgeAt(t, address)
			e.User, e.Password = "hisp", password
			r := pushTo(t, e)
			if r.Code != c.code || r.Reply != c.reply || r.Text == "" {
				t.Errorf("%+v", r)
			}
			_, err := new(Relay).Meet(t.Context(), e)
			for _, said := range []string{r.Text, fmt.Sprint(err)} {
				for _, secret := range []string{"AGhpc3A", plain[11:], password, "aHVudGVy"} {
					if strings.Contains(said, secret) {
						t.Errorf("told: %q", said)
					}
				}
			}
		})
	}
}

// RFC 5321 §2.3.8: whatever is pushed, nobody who reads a bare CR, a bare LF or a NUL in
// his own way finds the end of a message in it, and commands behind.
func TestPushIsNoSmuggler(t *testing.T) {
	const head, evil = "Subject: x\r\n\r\n", "MAIL FROM:<evil@x.example>"
	long := strings.Repeat("x", 5000)
	for text, want := range map[string]string{
		"a\r.\r\n" + evil + "\r\n":           "a|..|" + evil + "|",
		"a\r.\r" + evil:                      "a|..|" + evil + "|",
		"a\n.\n" + evil + "\n":               "a|..|" + evil + "|",
		"a\r\n.\r\r\n" + evil + "\r\n":       "a|..||" + evil + "|",
		"a\r\n\x00.\r\n" + evil + "\x00\r\n": "a| .|" + evil + " |",
		long + "\r.\r\n" + evil + "\r\n":     long + "|..|" + evil + "|",
		"a\r\n" + long + "\r.\r":             "a|" + long + "|..|",
	} {
		p, address := startPeer(t, overTLS(nil))
		r := &Relay{Hostname: "hisp.example"}
		e := edgeAt(t, address)
		results := r.Push(t.Context(), e, Delivery{To: []mime.Address{mustAddress("b@b.example")},
			Message: func() (io.Reader, error) { return strings.NewReader(head + text), nil }})
		if !results[0].Code.IsOK() {
			t.Fatalf("%+v", results)
		}
		said := strings.ReplaceAll(p.transcript(), "\n", "|")
		_, said, _ = strings.Cut(said, "DATA|Subject: x||")
		said, _, _ = strings.Cut(said, ".|QUIT")
		if said != want {
			t.Errorf("%.40q goes as %q, want %q", text, said, want)
		}
	}
}

// startImplicit is a peer that speaks TLS from the first octet.
func startImplicit(t *testing.T, replies map[string]string) string {
	t.Helper()
	p, _ := startPeer(t, replies)
	l, err := tls.Listen("tcp", "127.0.0.1:0", testnet.ServerTLS())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.talk(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

func TestPushOverImplicitTLS(t *testing.T) {
	e := edgeAt(t, startImplicit(t, nil))
	e.Implicit = true
	if r := pushTo(t, e); !r.Code.IsOK() || !r.TLS {
		t.Errorf("%+v", r)
	}
	_, plain := startPeer(t, nil)
	e = edgeAt(t, plain)
	e.Implicit = true
	if r := pushTo(t, e); r.Code != reason.PeerUnreachable || !r.Down {
		t.Errorf("where no TLS is: %+v", r)
	}
	e = edgeAt(t, startImplicit(t, nil))
	if r := pushTo(t, e); r.Code != reason.PeerUnreachable {
		t.Errorf("STARTTLS where TLS is implicit: %+v", r)
	}
}

func TestMeetAnEdge(t *testing.T) {
	_, address := startPeer(t, overTLS(nil))
	e := edgeAt(t, address)
	e.User, e.Password = "hisp", "hunter2"
	r := &Relay{}
	met, err := r.Meet(t.Context(), e)
	if err != nil || !met.LoggedIn || !met.EightBit || met.LargestSize != 1000000 || met.Address.String() != address || len(met.TLS.PeerCertificates) == 0 {
		t.Errorf("%+v, %v", met, err)
	}
	e.TLS.ServerName = "other.example"
	_, err = r.Meet(t.Context(), e)
	if reason.Of(err) != reason.PeerUnreachable {
		t.Error(err)
	}

	_, address = startPeer(t, overTLS(map[string]string{"AUTH": "535 5.7.8 no"}))
	e = edgeAt(t, address)
	e.User, e.Password = "hisp", "hunter2"
	_, err = r.Meet(t.Context(), e)
	if err == nil || !strings.Contains(err.Error(), "the server answered 535: the login is refused") {
		t.Errorf("login refused: %v", err)
	}
}

// FuzzEdge has an edge say anything before TLS: nothing of the message is ever said, and
// nothing panics.
func FuzzEdge(f *testing.F) {
	f.Add([]byte("220 edge\r\n250-edge\r\n250 STARTTLS\r\n220 go\r\n"))
	f.Add([]byte("220 edge\r\n250 edge\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"))
	f.Add([]byte("220 edge\r\n502 no\r\n250 ok\r\n"))
	f.Fuzz(func(t *testing.T, says []byte) {
		near, far := net.Pipe()
		var heard []string
		var listening sync.WaitGroup
		listening.Go(func() {
			defer far.Close()
			r := bufio.NewReader(far)
			lines := strings.SplitAfter(string(says), "\n")
			for _, line := range lines {
				far.SetDeadline(time.Now().Add(50 * time.Millisecond))
				if _, err := io.WriteString(far, line); err != nil {
					return
				}
				if strings.HasSuffix(line, "\n") && (len(line) < 4 || line[3] != '-') {
					got, err := r.ReadString('\n')
					if err != nil {
						return
					}
					heard = append(heard, got)
				}
			}
		})
		_, err := newLink(t.Context(), near, reach{host: "edge.example", tls: &tls.Config{}, startTLS: true, must: true,
			timeouts: Timeouts{Command: 50 * time.Millisecond, DataBlock: 50 * time.Millisecond, Total: time.Second}})
		near.Close()
		listening.Wait()
		if err == nil {
			t.Error("a link without TLS")
		}
		for _, line := range heard {
			if strings.HasPrefix(line, "MAIL") || strings.HasPrefix(line, "AUTH") {
				t.Errorf("said in clear: %q", line)
			}
		}
	})
}
