package pop3_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/pickup/pop3"
	"postern/store"
)

// A step is a command and how its answer begins.
type step struct{ say, want string }

// take does a step. The lines behind the first of what is wanted are all that follow.
func (k *talk) take(s step) {
	k.t.Helper()
	first, rest, more := strings.Cut(s.want, "\n")
	k.expect(first, s.say)
	if !more {
		return
	}
	if diff := cmp.Diff(strings.Split(rest, "\n"), k.lines()); diff != "" {
		k.t.Errorf("%s (-want +got)\n%s", s.say, diff)
	}
}

// EP-18, and the cases of the Edge Testing Tool for POP3 by their numbers, but for POP 32,
// which is TestEP19_Octets: what is there, what is refused in which state, and what cannot
// be read.
func TestEP18_Dialogs(t *testing.T) {
	const (
		ok, no  = "+OK", "-ERR"
		offered = "+OK Cap\nTOP\nUIDL\nRESP-CODES\nAUTH-RESP-CODE\nPIPELINING\n"
		inside  = "USER\nSASL PLAIN LOGIN\nEXPIRE NEVER\nIMPLEMENTATION Postern"
	)
	in := []step{{"USER " + testUser, ok}, {"PASS " + testPassword, "+OK 2 messages"}}
	for name, row := range map[string]struct {
		clear bool
		steps []step
	}{
		"POP 1: before TLS": {true, []step{
			{"CAPA", offered + "STLS"}, {"CAPA x", "-ERR Syntax"}, {"USER " + testUser, "-ERR [SYS/PERM] TLS"}, {"PASS x", "-ERR [SYS/PERM] TLS"}, {"AUTH PLAIN " + plain(testUser, testPassword), "-ERR [SYS/PERM] TLS"},
			{"STAT", "-ERR Log in first"}, {"NOOP", "-ERR Log in first"}, {"RETR 1", "-ERR Log in first"}, {"STLS x", "-ERR Syntax"}, {"QUIT", ok}}},
		"POP 5: STLS": {true, append([]step{{"STLS", ok}}, append(in, step{"STAT", "+OK 2 38"}, step{"QUIT", ok})...)},
		"POP 2: commands": {false, append(in[:2:2],
			step{"CAPA", offered + inside}, step{"NOOP", ok}, step{"STAT", "+OK 2 38"}, step{"LIST", "+OK\n1 19\n2 19"}, step{"LIST 1", "+OK 1 19"}, step{"LIST 2", "+OK 2 19"},
			step{"RETR 1", "+OK 19 octets\nSubject: a\n\none"}, step{"RETR 2", "+OK 19 octets\nSubject: b\n\ntwo"},
			step{"UIDL 2", "+OK 2 "}, step{"DELE 1", ok}, step{"STAT", "+OK 1 19"}, step{"RSET", "+OK 2"}, step{"STAT", "+OK 2 38"}, step{"QUIT", "+OK 0 messages"})},
		"lower case and spaces": {false, append(in[:2:2], step{"stat", ok}, step{"Stat  ", ok}, step{"list 1 ", ok}, step{"quit", ok})},
		"POP 11: USER and PASS": {false, append(in[:2:2], step{"STAT", ok})},
		"no such message": {false, append(in[:2:2],
			step{"RETR 3", "-ERR No such"}, step{"RETR 0", "-ERR No such"}, step{"LIST 99999999999999999999", "-ERR No such"}, step{"UIDL 3", no},
			step{"DELE 1", ok}, step{"DELE 1", "-ERR No such"}, step{"RETR 1", "-ERR No such"}, step{"LIST 1", "-ERR No such"}, step{"TOP 1 0", "-ERR No such"}, step{"RSET", ok}, step{"QUIT", ok})},
		"POP 9: syntax": {false, append(in[:2:2],
			step{"RETR", "-ERR Syntax"}, step{"RETR one", no}, step{"RETR -1", no}, step{"RETR +1", no}, step{"RETR 1 2", "-ERR Syntax"}, step{"RETR  1", "-ERR Syntax"},
			step{"TOP 1", "-ERR Syntax"}, step{"TOP 1 x", no}, step{"LIST 1 2", "-ERR Syntax"}, step{"STAT 1", "-ERR Syntax"}, step{"RETR 1\x00", "-ERR Syntax"}, step{"DELE \xff", "-ERR Syntax"},
			step{"", "-ERR Unknown"}, step{"NOOPNOOP", "-ERR Unknown"}, step{"XYZ", "-ERR Unknown"}, step{" STAT", "-ERR Unknown"}, step{"STAT", "+OK 2 38"})},
		"POP 10: commands out of their state": {false, append(append([]step{
			{"PASS x", "-ERR USER comes first"}, {"LIST", "-ERR Log in"}, {"RSET", "-ERR Log in"}, {"DELE 1", "-ERR Log in"}, {"UIDL", "-ERR Log in"}, {"TOP 1 1", "-ERR Log in"}, {"STLS", "-ERR TLS is on"}},
			in...), step{"USER x", "-ERR You are"}, step{"PASS x", "-ERR You are"}, step{"AUTH PLAIN", "-ERR You are"}, step{"STLS", "-ERR You are"}, step{"STAT", ok})},
		"POP 17: wrong passwords": {false, []step{
			{"USER " + testUser, ok}, {"PASS wrong", "-ERR [AUTH]"}, {"PASS " + testPassword, "-ERR USER comes first"},
			{"USER nobody@a.example", ok}, {"PASS " + testPassword, "-ERR [AUTH]"}, {"USER " + testUser, ok}, {"PASS " + testPassword, "+OK 2"}}},
		"a password with spaces": {false, []step{{"USER " + testUser, ok}, {"PASS " + testPassword + " ", "-ERR [AUTH]"}, {"USER " + testUser, ok}, {"PASS " + testPassword, ok}}},
		"POP 15: AUTH PLAIN":     {false, []step{{"AUTH PLAIN " + plain(testUser, testPassword), "+OK 2"}, {"STAT", ok}}},
		"AUTH PLAIN in two":      {false, []step{{"auth plain", "+ "}, {plain(testUser, testPassword), "+OK 2"}, {"STAT", ok}}},
		"AUTH PLAIN cancelled": {false, []step{{"AUTH PLAIN", "+ "}, {"*", no}, {"AUTH PLAIN", "+ "}, {"!!!", no}, {"AUTH PLAIN =", no},
			{"AUTH PLAIN !", no}, {"AUTH NONE", no}, {"AUTH", no}, {"AUTH PLAIN " + plain(testUser, testPassword), ok}}},
		"a command within AUTH": {false, []step{{"AUTH PLAIN", "+ "}, {"USER " + testUser, "-ERR That is no base64"}, {"USER " + testUser, ok}, {"PASS " + testPassword, "+OK 2"}}},
		"AUTH PLAIN, wrong":     {false, []step{{"AUTH PLAIN " + plain(testUser, "wrong"), "-ERR [AUTH]"}, {"AUTH PLAIN", "+ "}, {plain("x", testPassword), "-ERR [AUTH]"}}},
		"AUTH LOGIN":            {false, []step{{"AUTH LOGIN", "+ "}, {"YWxpY2VAYS5leGFtcGxl", "+ "}, {"Y29ycmVjdCBob3JzZQ==", "+OK 2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHouse(t, pop3.Options{Implicit: !row.clear})
			h.deliver("Subject: a\r\n\r\none\r\n", "Subject: b\r\n\r\ntwo\r\n")
			k := h.dial()
			for _, s := range row.steps {
				k.take(s)
				if s == (step{"STLS", ok}) {
					k.startTLS()
				}
			}
		})
	}
}

// RFC 2449 §5, RFC 2595 §4: what is told before TLS, before a login and after it.
func TestEP18_Capabilities(t *testing.T) {
	h := startHouse(t, pop3.Options{})
	always := []string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"}
	k := h.dial()
	if diff := cmp.Diff(append(always[:5:5], "STLS"), k.many("CAPA")); diff != "" {
		t.Errorf("in clear (-want +got)\n%s", diff)
	}
	k.ok("STLS")
	k.startTLS()
	in := append(always[:5:5], "USER", "SASL PLAIN LOGIN")
	if diff := cmp.Diff(in, k.many("CAPA")); diff != "" {
		t.Errorf("under TLS (-want +got)\n%s", diff)
	}
	k.ok("AUTH PLAIN " + plain(testUser, testPassword))
	if diff := cmp.Diff(append(in[:7:7], "EXPIRE NEVER", "IMPLEMENTATION Postern"), k.many("CAPA")); diff != "" {
		t.Errorf("logged in (-want +got)\n%s", diff)
	}
	domain := h.account.Domain()
	err := h.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutDomain(store.Domain{Name: domain, Retention: 91 * 24 * 3600e9})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.many("CAPA"); got[7] != "EXPIRE 91" {
		t.Errorf("with a retention: %q", got)
	}
}

// attached is a message with a document that is not all ASCII, and one in base64.
const attached = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/xml; name=ccda.xml\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<ClinicalDocument>caf\xc3\xa9\r\n.\r\n" +
	"--b\r\nContent-Type: application/zip; name=xdm.zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBBQAAAA\r\n--b--\r\n"

// EP-19: every octet arrives, and as many as were said.
func TestEP19_Octets(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	rows := map[string]struct{ stored, sent string }{
		"plain":               {"Subject: a\r\n\r\nbody\r\n", "Subject: a\r\n\r\nbody\r\n"},
		"dots":                {".\r\n..\r\n.a\r\na.\r\n\r\n.", ".\r\n..\r\n.a\r\na.\r\n\r\n.\r\n"},
		"no final line end":   {"a\r\n\r\nb", "a\r\n\r\nb\r\n"},
		"a final CR":          {"a\r", "a\r\r\n"},
		"LF alone":            {"a\n.\nb\n\n.c", "a\r\n.\r\nb\r\n\r\n.c\r\n"},
		"CR in a line":        {"a\rb\r\r\n\r\r\n", "a\rb\r\r\n\r\r\n"},
		"CR before a dot":     {"a\r.\r\n\r..\r", "a\r\n.\r\n\r\n..\r\r\n"},
		"nothing":             {"", ""},
		"8 bit, NUL":          {"\xff\x00\r\n", "\xff\x00\r\n"},
		"CR at a piece's end": {strings.Repeat("x", 256<<10-1) + "\r\n.\r\n", strings.Repeat("x", 256<<10-1) + "\r\n.\r\n"},
		"CR before a piece":   {strings.Repeat("x", 256<<10-1) + "\r.\r\n", strings.Repeat("x", 256<<10-1) + "\r\n.\r\n"},
		"LF at a piece's end": {strings.Repeat("x", 256<<10) + "\n.\n", strings.Repeat("x", 256<<10) + "\r\n.\r\n"},
		"a long line":         {long + "\r\n." + long, long + "\r\n." + long + "\r\n"},
		"attachments":         {attached, attached},
	}
	h := implicit(t)
	var order []string
	for name, row := range rows {
		order = append(order, name)
		h.deliver(row.stored)
	}
	k := h.login()
	sizes := k.many("LIST")
	total := 0
	for i, name := range order {
		row := rows[name]
		t.Run("POP 32: "+name, func(t *testing.T) {
			got, said := k.text(fmt.Sprintf("RETR %d", i+1))
			if got != row.sent {
				t.Errorf("%d octets, differing: %.60q", len(got), got)
			}
			if want := fmt.Sprintf("%d %d", i+1, len(row.sent)); said != len(row.sent) || sizes[i] != want {
				t.Errorf("LIST says %q, RETR %d, want %q", sizes[i], said, want)
			}
		})
		total += len(row.sent)
	}
	k.expect(fmt.Sprintf("+OK %d %d", len(rows), total), "STAT")
}

// RFC 1939 §7: TOP sends the header, the empty line and so many lines.
func TestEP18_Top(t *testing.T) {
	h := implicit(t)
	h.deliver("A: 1\r\nB: 2\r\n\r\n.one\r\ntwo\r\n\r\nfour", "A: no body\r\n", "\r\nbody\r\n", "A: 1\n\nLF\nalone\n")
	k := h.login()
	for command, want := range map[string]string{
		"TOP 1 0":              "A: 1\r\nB: 2\r\n\r\n",
		"TOP 1 1":              "A: 1\r\nB: 2\r\n\r\n.one\r\n",
		"TOP 1 3":              "A: 1\r\nB: 2\r\n\r\n.one\r\ntwo\r\n\r\n",
		"TOP 1 4":              "A: 1\r\nB: 2\r\n\r\n.one\r\ntwo\r\n\r\nfour\r\n",
		"TOP 1 99999999999999": "A: 1\r\nB: 2\r\n\r\n.one\r\ntwo\r\n\r\nfour\r\n",
		"TOP 2 0":              "A: no body\r\n",
		"TOP 2 5":              "A: no body\r\n",
		"TOP 3 0":              "\r\n",
		"TOP 3 1":              "\r\nbody\r\n",
		"TOP 4 1":              "A: 1\r\n\r\nLF\r\n",
	} {
		if got, _ := k.text(command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

// RFC 1939 §7: UIDL is the same in every session, and never another message's.
func TestEP18_UIDL(t *testing.T) {
	h := implicit(t)
	h.deliver("one\r\n", "two\r\n", "three\r\n")
	k := h.login()
	first := k.many("UIDL")
	k.ok("DELE 3")
	k.ok("QUIT")
	h.deliver("four\r\n")
	k = h.login()
	second := k.many("UIDL")
	if diff := cmp.Diff(first[:2], second[:2]); diff != "" {
		t.Error(diff)
	}
	if len(second) != 3 || second[2] == first[2] {
		t.Errorf("%q after %q", second, first)
	}
}

// RFC 1939 §3: one session at a time, and the next as soon as QUIT is answered.
func TestEP18_Lock(t *testing.T) {
	h := implicit(t)
	k := h.login()
	other := h.dial()
	other.ok("USER " + testUser)
	other.expect("-ERR [IN-USE]", "PASS "+testPassword)
	k.ok("QUIT")
	other.ok("USER " + testUser)
	other.ok("PASS " + testPassword)
	other.conn.Close()
	for range 1000 { // until the server has seen the end
		k = h.dial()
		k.ok("USER " + testUser)
		if !strings.HasPrefix(k.do("PASS "+testPassword), "-ERR [IN-USE]") {
			return
		}
		k.ok("QUIT")
	}
	t.Error("a lock outlives its connection")
}

// Commands that come together are answered in order (RFC 2449 §6.6).
func TestEP18_Pipelining(t *testing.T) {
	h := implicit(t)
	h.deliver("one\r\n", "two\r\n")
	k := h.dial()
	k.write("USER " + testUser + "\r\nPASS " + testPassword + "\r\nRETR 2\r\nRETR 1\r\nNONSENSE\r\nDELE 1\r\nSTAT\r\nQUIT\r\nRETR 2\r\n")
	want := "+OK\r\n+OK 2 messages\r\n+OK 5 octets\r\ntwo\r\n.\r\n+OK 5 octets\r\none\r\n.\r\n-ERR Unknown command\r\n+OK Message 1 is marked\r\n+OK 1 5\r\n+OK 1 messages removed\r\n"
	if diff := cmp.Diff(want, k.ended()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]uint32{2}, h.uids()); diff != "" {
		t.Error(diff)
	}
}

// What IMAP removes meanwhile is gone for that message alone.
func TestEP18_RemovedMeanwhile(t *testing.T) {
	h := implicit(t)
	h.deliver("one\r\n", "two\r\n", "three\r\n")
	k := h.login()
	h.expunge(2)
	h.deliver("four\r\n")
	k.expect("-ERR The message is gone", "RETR 2")
	k.expect("-ERR The message is gone", "TOP 2 0")
	if got, _ := k.text("RETR 3"); got != "three\r\n" {
		t.Errorf("message 3 is %q", got)
	}
	k.expect("-ERR No such", "RETR 4")
	for n := range 3 {
		k.ok(fmt.Sprintf("DELE %d", n+1))
	}
	k.expect("+OK 3 messages removed", "QUIT")
	if diff := cmp.Diff([]uint32{4}, h.uids()); diff != "" {
		t.Error(diff)
	}
}

// A message that was moved away is not given out, though its text is still there.
func TestMovedMeanwhile(t *testing.T) {
	h := implicit(t)
	h.deliver("one\r\n")
	k := h.login()
	err := h.store.Update(t.Context(), func(tx store.Tx) error {
		box, err := tx.MailboxByName(h.account, store.Inbox)
		if err != nil {
			return err
		}
		other, err := tx.CreateMailbox(h.account, "Other")
		if err != nil {
			return err
		}
		m, err := tx.Message(box.ID, 1)
		if err != nil {
			return err
		}
		_, err = tx.Append(other.ID, m)
		if err != nil {
			return err
		}
		return tx.Expunge(box.ID, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	k.expect("-ERR The message is gone", "RETR 1")
	k.expect("-ERR The message is gone", "TOP 1 5")
	k.expect("-ERR The message is gone", "TOP 1 0")
}

// An account that is closed ends its sessions, which remove nothing.
func TestRevoked(t *testing.T) {
	h := implicit(t)
	h.deliver("one\r\n")
	k := h.login()
	k.ok("DELE 1")
	err := h.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutAccount(store.Account{Address: h.account, Disabled: true})
	})
	if err != nil {
		t.Fatal(err)
	}
	k.expect("-ERR [AUTH]", "QUIT")
	if got := k.ended(); got != "" {
		t.Errorf("then %q", got)
	}
	if n := len(h.uids()); n != 1 {
		t.Errorf("%d messages are left", n)
	}
}
