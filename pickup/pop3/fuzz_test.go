package pop3_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/pickup/pop3"
)

// FuzzSession sends a client's octets after a login, or before it in clear: the
// server neither panics nor hangs, answers in lines, and removes only what a QUIT
// says that it did.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n",
		"CAPA\r\nNOOP\nLIST 1\r\nUIDL 2\r\nDELE 1\r\nQUIT",
		"QUIT \r\n", "DELE 1\r\nDELE 2\r\nQUIT x\r\nQUIT\r\n", "STLS\r\nCAPA\r\n", "AUTH PLAIN\r\n*\r\nUSER a\r\nPASS b\r\n",
		"AUTH LOGIN\r\nAAAA\r\nAAAA\r\n", "AUTH PLAIN =\r\n", "TOP 1 99999999999\r\nRETR 00001\r\n", strings.Repeat("x", 9000) + "\r\nNOOP\r\n", "\x00\r\n\xff\n\r\r\n",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	removed := regexp.MustCompile(`(?m)^\+OK [12] messages removed\r$`)
	f.Fuzz(func(t *testing.T, input []byte, in bool) {
		m, log := newMemory("A: 1\r\n\r\n.one\r\n", "A: 2\n\ntwo"), &testnet.Log{}
		o := pop3.Options{
			TLS: testnet.ServerTLS(), Implicit: in, AuthDelay: time.Nanosecond, ErrorDelay: time.Nanosecond,
			LoginTime: 10 * time.Second, Idle: 10 * time.Second, Log: slog.New(slog.NewTextHandler(log, nil)),
		}
		testnet.Serve(t, pop3.New(m, o), func(p *testnet.Pipes) {
			conn := p.Dial()
			before := ""
			if in {
				conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
				before = "USER " + testUser + "\r\nPASS " + testPassword + "\r\n"
			}
			done := make(chan string, 1)
			go func() {
				got, _ := io.ReadAll(conn)
				done <- string(got)
			}()
			_, _ = io.WriteString(conn, before+string(input))
			if secured, ok := conn.(*tls.Conn); ok {
				_ = secured.CloseWrite()
			} else {
				_ = conn.Close()
			}
			got := <-done
			conn.Close()
			if len(m.uids()) < 2 && !removed.MatchString(got) {
				t.Errorf("%q removed messages without a word: %q", input, got)
			}
			if in && !strings.HasSuffix(got, "\r\n") {
				t.Errorf("the last line is broken: %q", got)
			}
		})
		if strings.Contains(log.String(), "panic") {
			t.Error(log.String())
		}
	})
}
