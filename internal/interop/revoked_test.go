package interop

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A dialog is a connection of a client that is driven line by line.
type dialog struct {
	t    *testing.T
	conn *tls.Conn
	r    *bufio.Reader
}

func (s *site) dialog(t *testing.T, listener string) *dialog {
	t.Helper()
	conn, err := tls.Dial("tcp", s.address(listener), s.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return &dialog{t, conn, bufio.NewReader(conn)}
}

// expect says a line, unless it is "", and passes over answers up to one that begins
// with want.
func (d *dialog) expect(line, want string) {
	d.t.Helper()
	if line != "" {
		_, err := d.conn.Write([]byte(line + "\r\n"))
		if err != nil {
			d.t.Fatalf("%s: %v", line, err)
		}
	}
	var all strings.Builder
	for {
		answer, err := d.r.ReadString('\n')
		all.WriteString(answer)
		if strings.HasPrefix(answer, want) {
			return
		}
		if err != nil {
			d.t.Fatalf("%q: no %q in %q: %v", line, want, all.String(), err)
		}
	}
}

// TestInteropEP6_RevokingEndsSessions revokes an app password in the midst of sessions
// that began with it. They end; those of another one and of the password go on. EP-6.
func TestInteropEP6_RevokingEndsSessions(t *testing.T) {
	s := newLoginSite(t)
	gone, stays := s.access("--password"), s.access("--password")
	type sessions struct{ smtp, imap, pop3 *dialog }
	begin := func(secret string, pop3 bool) (all sessions) {
		user := "nurse@b.example"
		all.smtp = s.dialog(t, "submissions")
		all.smtp.expect("", "220 ")
		all.smtp.expect("EHLO client", "250 ")
		all.smtp.expect("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+secret)), "235 ")
		all.imap = s.dialog(t, "imaps")
		all.imap.expect("", "* OK")
		all.imap.expect(fmt.Sprintf("a LOGIN %s %q", user, secret), "a OK")
		all.imap.expect("b SELECT INBOX", "b OK")
		if pop3 { // which one session has alone
			all.pop3 = s.dialog(t, "pop3s")
			all.pop3.expect("", "+OK")
			all.pop3.expect("USER "+user, "+OK")
			all.pop3.expect("PASS "+secret, "+OK")
		}
		return all
	}
	revoked, others := begin(gone.Secret, true), []sessions{begin(stays.Secret, false), begin(password, false)}
	s.must("", "access", "revoke", "nurse@b.example", gone.ID)
	revoked.smtp.expect("MAIL FROM:<nurse@b.example>", "530 ")
	revoked.imap.expect("c NOOP", "* BYE")
	revoked.pop3.expect("STAT", "-ERR")
	for _, o := range others {
		o.smtp.expect("MAIL FROM:<nurse@b.example>", "250 ")
		o.imap.expect("c NOOP", "c OK")
	}
	s.stop()
}
