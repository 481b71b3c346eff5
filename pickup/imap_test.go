package pickup_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/pickup"
)

const plainMail = "From: Bob <bob@b.example>\r\n" +
	"To: alice@a.example, \"Doe, J.\" <jd@a.example>\r\n" +
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Date: Mon, 02 Jan 2006 15:04:05 -0700\r\n" +
	"Message-ID: <1@b.example>\r\n" +
	"\r\n" +
	"Hello\r\n"

const mixedMail = "From: bob@b.example\r\n" +
	"Subject: two parts\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=\"b1\"\r\n" +
	"\r\n" +
	"preamble\r\n" +
	"--b1\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Content-Transfer-Encoding: quoted-printable\r\n" +
	"\r\n" +
	"na=\r\nme caf=C3=A9\r\n" +
	"--b1\r\n" +
	"Content-Type: message/rfc822\r\n" +
	"\r\n" +
	"Subject: inner\r\n" +
	"\r\n" +
	"inner text\r\n" +
	"--b1\r\n" +
	"Content-Type: application/pdf; name=\"a.pdf\"\r\n" +
	"Content-Disposition: attachment; filename=\"a.pdf\"\r\n" +
	"Content-Transfer-Encoding: base64\r\n" +
	"\r\n" +
	"QUJDREVG\r\n" +
	"--b1--\r\n" +
	"epilogue\r\n"

// EP-17: STARTTLS first, then a password; no password in clear.
func TestEP17_PasswordsOnlyUnderTLS(t *testing.T) {
	h := startHouse(t, pickup.Options{})
	k := h.dial(false)
	greeting := k.line()
	for _, want := range []string{"STARTTLS", "LOGINDISABLED", "IMAP4rev1", "IMAP4rev2"} {
		if !strings.Contains(greeting, want) {
			t.Errorf("greeting %q lacks %s", greeting, want)
		}
	}
	if strings.Contains(greeting, "AUTH=") {
		t.Errorf("greeting offers AUTH in clear: %q", greeting)
	}
	k.expect("NO [PRIVACYREQUIRED]", "LOGIN %s %q", testUser, testPassword)
	k.expect("NO [PRIVACYREQUIRED]", "AUTHENTICATE PLAIN %s", plain(testPassword))
	k.startTLS()
	caps := k.ok("CAPABILITY")
	if !strings.Contains(caps[0], "AUTH=PLAIN") || strings.Contains(caps[0], "LOGINDISABLED") {
		t.Errorf("capabilities under TLS: %q", caps[0])
	}
	k.ok("AUTHENTICATE PLAIN %s", plain(testPassword))
	k.ok("SELECT INBOX")
	k.ok("LOGOUT")
}

func plain(password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + testUser + "\x00" + password))
}

// A command smuggled behind STARTTLS in clear must not be carried out.
func TestStartTLSDropsWhatCameBeforeIt(t *testing.T) {
	h := startHouse(t, pickup.Options{})
	k := h.dial(false)
	k.line()
	k.write("a STARTTLS\r\nb NOOP\r\n")
	k.until("a")
	secure := tls.Client(k.conn, testnet.ClientTLS())
	err := secure.Handshake()
	if err == nil {
		k.conn = secure
		k.r.Reset(secure)
		k.write("c NOOP\r\n")
		for _, l := range k.until("c") {
			if strings.HasPrefix(l, "b ") {
				t.Errorf("smuggled command answered: %q", l)
			}
		}
	}
}

// EP-17: bad credentials, wrong states and bad syntax are refused.
func TestEP17_Refusals(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	k := h.dial(true)
	k.line()
	k.expect("BAD", "SELECT INBOX")
	k.expect("BAD", "FETCH 1 FLAGS")
	k.expect("BAD", "LOGIN onlyone")
	k.expect("NO [AUTHENTICATIONFAILED]", "LOGIN %s s3cretguess", testUser)
	k.expect("NO [AUTHENTICATIONFAILED]", "AUTHENTICATE PLAIN %s", plain("s3cretguess"))
	k.expect("BAD", "LOGIN %s \"s3cretguess\" extra", testUser)
	k.ok("LOGIN %s %q", testUser, testPassword)
	k.expect("BAD", "LOGIN %s %q", testUser, testPassword)
	k.expect("BAD", "FETCH 1 FLAGS")
	k.expect("BAD", "NONSENSE")
	k.expect("NO [NONEXISTENT]", "SELECT nowhere")
	k.ok("EXAMINE inbox")
	k.expect("NO [NOPERM]", `STORE 1 +FLAGS (\Seen)`)
	k.expect("NO [NOPERM]", "EXPUNGE")
	k.expect("NO [TRYCREATE]", "COPY 1:* nowhere")
	k.ok("CLOSE")
	if log := h.log.String(); strings.Contains(log, "s3cret") || strings.Contains(log, testPassword) {
		t.Error("a password is in the log")
	}
}

func TestTooManyFailedLoginsEndTheConnection(t *testing.T) {
	for _, command := range []string{"LOGIN " + testUser + " wrong", "AUTHENTICATE PLAIN " + plain("wrong")} {
		h := startHouse(t, pickup.Options{Implicit: true, LoginAttempts: 2})
		k := h.dial(true)
		k.line()
		k.expect("NO", "%s", command)
		k.write("x " + command + "\r\n")
		rest, err := io.ReadAll(k.r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(rest, []byte("* BYE")) {
			t.Errorf("after the last attempt: %q", rest)
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	for name, o := range map[string]pickup.Options{
		"total":       {Implicit: true, Connections: 1},
		"per address": {Implicit: true, ConnectionsPerIP: 1},
		"starttls":    {ConnectionsPerIP: 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHouse(t, o)
			first := h.dial(o.Implicit)
			first.line()
			if l := h.dial(o.Implicit).line(); !strings.HasPrefix(l, "* BYE") {
				t.Errorf("second connection: %q", l)
			}
			first.ok("LOGOUT")
			_, err := io.Copy(io.Discard, first.r) // until the server closed
			if err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(5 * time.Second)
			for {
				if l := h.dial(o.Implicit).line(); strings.HasPrefix(l, "* OK") {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("the place of the closed connection stays taken")
				}
			}
		})
	}
}

// EP-19: bodies come back byte for byte, whatever is attached.
func TestEP19_BodiesAreByteExact(t *testing.T) {
	h := implicit(t)
	bodies := map[string][]byte{
		"plain":            []byte(plainMail),
		"no final newline": []byte(plainMail + "end"),
		"bare LF":          []byte("Subject: x\n\nline\nline"),
		"8 bit":            []byte("Subject: x\r\n\r\n\xff\xfe\x80 caf\xc3\xa9\r\n"),
		"long line":        []byte("Subject: x\r\n\r\n" + strings.Repeat("0123456789", 20_000)),
		"no header":        []byte("\r\njust text\r\n"),
		"empty":            {},
		"only a header":    []byte("Subject: x"),
		"NUL":              []byte("Subject: x\r\n\r\na\x00b\r\n"),
		"attachments": []byte("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
			"--b\r\nContent-Type: text/xml; name=ccda.xml\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<?xml-stylesheet href='CDA.xsl'?>\r\n<ClinicalDocument>caf\xc3\xa9\r\n" +
			"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\nAAH/\r\n" +
			"--b\r\nContent-Type: application/octet-stream; name=xdm.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("UEsDBBQAAAA\r\n", 3000) +
			"--b\r\nContent-Type: text/plain\r\n\r\n.\r\n..\r\n--b--\r\n"),
	}
	uids := map[string]imap.UID{}
	c := h.client(nil)
	_, err := c.Select("INBOX", nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range bodies {
		cmd := c.Append("INBOX", int64(len(raw)), nil)
		_, err := cmd.Write(raw)
		if err != nil {
			t.Fatal(err)
		}
		err = cmd.Close()
		if err != nil {
			t.Fatal(err)
		}
		data, err := cmd.Wait()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		uids[name] = data.UID
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	head := &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierHeader}
	text := &imap.FetchItemBodySection{Peek: true, Specifier: imap.PartSpecifierText}
	for name, raw := range bodies {
		t.Run("IMAP 32: "+name, func(t *testing.T) {
			msgs, err := c.Fetch(imap.UIDSetNum(uids[name]), &imap.FetchOptions{
				RFC822Size: true, Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
				BodySection: []*imap.FetchItemBodySection{whole, head, text},
			}).Collect()
			if err != nil || len(msgs) != 1 {
				t.Fatalf("%d messages, %v", len(msgs), err)
			}
			got := msgs[0].FindBodySection(whole)
			if sha256.Sum256(got) != sha256.Sum256(raw) {
				t.Error("other bytes came back")
			}
			both := append(bytes.Clone(msgs[0].FindBodySection(head)), msgs[0].FindBodySection(text)...)
			if !bytes.Equal(both, raw) {
				t.Error("HEADER and TEXT are not the message")
			}
			if msgs[0].RFC822Size != int64(len(raw)) {
				t.Errorf("RFC822.SIZE %d, want %d", msgs[0].RFC822Size, len(raw))
			}
		})
	}
}

func TestFetchItems(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	h.deliver([]byte(mixedMail))
	k := h.talk()
	for _, tc := range []struct{ command, want string }{
		{"FETCH 1 ENVELOPE", `* 1 FETCH (UID 1 ENVELOPE ("Mon, 02 Jan 2006 15:04:05 -0700" "=?utf-8?q?Gr=C3=BC=C3=9Fe?=" (("Bob" NIL "bob" "b.example")) (("Bob" NIL "bob" "b.example")) (("Bob" NIL "bob" "b.example")) ((NIL NIL "alice" "a.example") ("Doe, J." NIL "jd" "a.example")) NIL NIL NIL "<1@b.example>"))`},
		{"FETCH 1 (RFC822.SIZE FLAGS)", fmt.Sprintf(`* 1 FETCH (UID 1 FLAGS () RFC822.SIZE %d)`, len(plainMail))},
		{"FETCH 1 BODY", `* 1 FETCH (UID 1 BODY ("text" "plain" NIL NIL NIL "7bit" 7 1))`},
		{"FETCH 2 BODY", `* 2 FETCH (UID 2 BODY (("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 17 1)("message" "rfc822" NIL NIL NIL "7bit" 28 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ("text" "plain" NIL NIL NIL "7bit" 10 0) 2)("application" "pdf" ("name" "a.pdf") NIL NIL "base64" 8) "mixed"))`},
		{"FETCH 1 BODY.PEEK[TEXT]", "* 1 FETCH (UID 1 BODY[TEXT] {7}\nHello\r\n)"},
		{"FETCH 1 BODY.PEEK[]<0.6>", "* 1 FETCH (UID 1 BODY[]<0> {6}\nFrom: )"},
		{"FETCH 1 BODY.PEEK[]<100000.6>", "* 1 FETCH (UID 1 BODY[]<100000> {0}\n)"},
		{"FETCH 1 BODY.PEEK[]<9223372036854775807.9223372036854775807>", "* 1 FETCH (UID 1 BODY[]<4294967295> {0}\n)"},
		{"FETCH 1 BODY.PEEK[1]", "* 1 FETCH (UID 1 BODY[1] {7}\nHello\r\n)"},
		{"FETCH 1 BODY.PEEK[2]", "* 1 FETCH (UID 1 BODY[2] {0}\n)"},
		{"FETCH 1 BODY.PEEK[HEADER.FIELDS (subject x-none)]", "* 1 FETCH (UID 1 BODY[HEADER.FIELDS (\"subject\" \"x-none\")] {40}\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n)"},
		{"FETCH 2 BODY.PEEK[1]", "* 2 FETCH (UID 2 BODY[1] {17}\nna=\r\nme caf=C3=A9)"},
		{"FETCH 2 BODY.PEEK[1]<4.3>", "* 2 FETCH (UID 2 BODY[1]<4> {3}\n\nme)"},
		{"FETCH 2 BODY.PEEK[2]", "* 2 FETCH (UID 2 BODY[2] {28}\nSubject: inner\r\n\r\ninner text)"},
		{"FETCH 2 BODY.PEEK[2.HEADER]", "* 2 FETCH (UID 2 BODY[2.HEADER] {18}\nSubject: inner\r\n\r\n)"},
		{"FETCH 2 BODY.PEEK[2.TEXT]", "* 2 FETCH (UID 2 BODY[2.TEXT] {10}\ninner text)"},
		{"FETCH 2 BODY.PEEK[2.1]", "* 2 FETCH (UID 2 BODY[2.1] {10}\ninner text)"},
		{"FETCH 2 BODY.PEEK[2.MIME]", "* 2 FETCH (UID 2 BODY[2.MIME] {32}\nContent-Type: message/rfc822\r\n\r\n)"},
		{"FETCH 2 BODY.PEEK[3]", "* 2 FETCH (UID 2 BODY[3] {8}\nQUJDREVG)"},
		{"FETCH 2 BINARY.PEEK[3]", "* 2 FETCH (UID 2 BINARY[3] ~{6}\nABCDEF)"},
		{"FETCH 2 BINARY.PEEK[3]<2.2>", "* 2 FETCH (UID 2 BINARY[3] ~{2}\nCD)"},
		{"FETCH 2 BINARY.SIZE[1]", "* 2 FETCH (UID 2 BINARY.SIZE[1] 10)"},
		{"UID FETCH 2:* (FLAGS)", "* 2 FETCH (UID 2 FLAGS ())"},
		{"FETCH 1 RFC822.HEADER", fmt.Sprintf("* 1 FETCH (UID 1 RFC822.HEADER {%d}\n%s)", len(plainMail)-7, plainMail[:len(plainMail)-7])},
		{"FETCH 1 BODY[1]", "* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[1] {7}\nHello\r\n)"},
	} {
		got := k.ok("%s", tc.command)
		if diff := cmp.Diff([]string{tc.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.command, diff)
		}
	}
	k.expect("BAD", "FETCH 1 NONSENSE")
}

func TestExamineAndPeekLeaveMessagesUnseen(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	k := h.talk()
	k.ok("FETCH 1 BODY.PEEK[]")
	k.ok("EXAMINE INBOX")
	k.ok("FETCH 1 BODY[]")
	got := k.ok("STATUS INBOX (UNSEEN MESSAGES DELETED SIZE RECENT APPENDLIMIT DELETED-STORAGE UIDNEXT)")
	want := fmt.Sprintf("* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UNSEEN 1 DELETED 0 SIZE %d APPENDLIMIT 52428800 DELETED-STORAGE 0 RECENT 0)", len(plainMail))
	if diff := cmp.Diff([]string{want}, got); diff != "" {
		t.Error(diff)
	}
}

func TestStoreFlags(t *testing.T) {
	h := implicit(t)
	for range 3 {
		h.deliver([]byte(plainMail))
	}
	k := h.talk()
	for _, tc := range []struct {
		command string
		want    []string
	}{
		{`STORE 1:2 FLAGS (\seen $Urgent)`, []string{
			`* 1 FETCH (UID 1 FLAGS ($Urgent \Seen))`, `* 2 FETCH (UID 2 FLAGS ($Urgent \Seen))`,
			`* FLAGS (\Answered \Deleted \Draft \Flagged \Seen $Urgent)`}},
		{`STORE 1 +FLAGS \Flagged`, []string{`* 1 FETCH (UID 1 FLAGS ($Urgent \Flagged \Seen))`}},
		{`STORE 1 -FLAGS ($urgent)`, []string{`* 1 FETCH (UID 1 FLAGS (\Flagged \Seen))`}},
		{`UID STORE 3 +FLAGS.SILENT (\Deleted)`, []string{}},
		{`UID STORE 99 +FLAGS (\Deleted)`, []string{}},
		{`UID EXPUNGE 1:2`, []string{}},
		{`UID EXPUNGE 99`, []string{}},
		{`EXPUNGE`, []string{"* 3 EXPUNGE"}},
		{`SEARCH ALL`, []string{"* SEARCH 1 2"}},
	} {
		if diff := cmp.Diff(tc.want, k.ok("%s", tc.command)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.command, diff)
		}
	}
	k.expect("BAD", `STORE 1 +FLAGS (\Recent)`)
	k.expect("NO [LIMIT]", `STORE 1 +FLAGS (%s)`, strings.Repeat("k", 200))
	var many []string
	for i := range 70 {
		many = append(many, fmt.Sprintf("k%d", i))
	}
	k.expect("NO [LIMIT]", `STORE 1 +FLAGS (%s)`, strings.Join(many[:65], " "))
	k.ok(`STORE 1 FLAGS (%s)`, strings.Join(many[:64], " "))
	k.expect("NO [LIMIT]", `STORE 1 +FLAGS (%s)`, strings.Join(many[64:], " "))
}

func TestCopyMoveAndMailboxes(t *testing.T) {
	h := implicit(t)
	for i := range 3 {
		h.deliver(fmt.Appendf(nil, "Subject: %d\r\n\r\n", i), `\Flagged`)
	}
	k := h.talk()
	k.ok(`CREATE "Archiv/2026/"`)
	k.ok("SUBSCRIBE Archiv/2026")
	k.expect("NO [ALREADYEXISTS]", "CREATE Archiv")
	k.expect("NO [ALREADYEXISTS]", "CREATE inbox")
	k.expect("NO [CANNOT]", "CREATE a//b")
	k.expect("NO [LIMIT]", "CREATE %s", strings.Repeat("x", 300))
	if diff := cmp.Diff([]string{
		`* LIST (\HasNoChildren) "/" INBOX`,
		`* LIST (\HasChildren) "/" "Archiv"`,
	}, k.ok(`LIST "" %%`)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`* LIST (\Subscribed \HasNoChildren) "/" "Archiv/2026"`,
		`* STATUS "Archiv/2026" (MESSAGES 0)`},
		k.ok(`LIST (SUBSCRIBED) "" * RETURN (STATUS (MESSAGES))`)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`* LSUB (\Subscribed \HasNoChildren) "/" "Archiv/2026"`}, k.ok(`LSUB "" *`)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`* LIST (\Noselect) "/" ""`}, k.ok(`LIST "" ""`)); diff != "" {
		t.Error(diff)
	}
	k.expect("OK [COPYUID", "COPY 1:2 Archiv/2026")
	moved := k.ok("MOVE 2:3 Archiv/2026")
	if len(moved) != 3 || !strings.Contains(moved[0], "COPYUID") || moved[1] != "* 3 EXPUNGE" || moved[2] != "* 2 EXPUNGE" {
		t.Errorf("MOVE: %q", moved)
	}
	k.ok("COPY 9 Archiv/2026")
	k.expect("NO [CANNOT]", "MOVE 1 INBOX")
	k.expect("NO [HASCHILDREN]", "DELETE Archiv")
	k.expect("NO [CANNOT]", "DELETE inbox")
	k.ok("RENAME Archiv Akten")
	k.ok("SELECT Akten/2026")
	if diff := cmp.Diff([]string{"* 1 FETCH (UID 1 FLAGS (\\Flagged) BODY[] {14}\nSubject: 0\r\n\r\n)"},
		k.ok("FETCH 1 (FLAGS BODY.PEEK[])")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"* SEARCH 1 2 3 4"}, k.ok("SEARCH FLAGGED")); diff != "" {
		t.Error(diff)
	}
	k.ok("DELETE Akten/2026")
	k.expect("NO [NONEXISTENT]", "FETCH 1 FLAGS")
	k.ok("UNSELECT")
	k.ok("NAMESPACE")
	k.ok("ENABLE IMAP4rev2")
	k.ok("SELECT INBOX")
}

// CLOSE removes what is marked, without saying so, and UNSELECT does not.
func TestClose(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail), `\Deleted`)
	k := h.talk()
	k.ok("UNSELECT")
	k.ok("EXAMINE INBOX")
	k.ok("CLOSE")
	if got := k.ok("STATUS INBOX (MESSAGES DELETED)"); got[0] != "* STATUS INBOX (MESSAGES 1 DELETED 1)" {
		t.Errorf("after UNSELECT and a read-only CLOSE: %q", got)
	}
	k.ok("SELECT INBOX")
	if got := k.ok("CLOSE"); len(got) != 0 {
		t.Errorf("CLOSE: %q", got)
	}
	if got := k.ok("STATUS INBOX (MESSAGES)"); got[0] != "* STATUS INBOX (MESSAGES 0)" {
		t.Errorf("after CLOSE: %q", got)
	}
}

func TestSearch(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail), `\Seen`)
	h.deliver([]byte(mixedMail), `\Flagged`, "todo")
	h.deliver([]byte("Subject: x\r\nX-Long: " + strings.Repeat("a", 3000) + "needle\r\n\r\n" + strings.Repeat("hay ", 20_000) + "Needle"))
	k := h.talk()
	for _, tc := range []struct{ criteria, want string }{
		{"ALL", " 1 2 3"},
		{"SEEN", " 1"},
		{"UNSEEN", " 2 3"},
		{"KEYWORD TODO", " 2"},
		{"UNKEYWORD todo", " 1 3"},
		{"NEW", ""},
		{"OLD", " 1 2 3"},
		{"1,3", " 1 3"},
		{"UID 2:*", " 2 3"},
		{"UID 99:*", " 3"},
		{"NOT 2", " 1 3"},
		{"OR 1 FLAGGED", " 1 2"},
		{"(OR 1 2) UNSEEN", " 2"},
		{"LARGER 50000", " 3"},
		{"SMALLER 300", " 1"},
		{"SINCE 1-Jan-2020", " 1 2 3"},
		{"BEFORE 1-Jan-2020", ""},
		{"SENTON 2-Jan-2006", " 1"},
		{"SENTSINCE 3-Jan-2006", ""},
		{"FROM BOB", " 1 2"},
		{"SUBJECT two", " 2"},
		{"HEADER message-id \"\"", " 1"},
		{"BODY hello", " 1"},
		{"BODY caf\xc3\xa9", " 2"},
		{"BODY \"name caf\"", " 2"},
		{"BODY needle", " 3"},
		{"TEXT aneedle", " 3"},
		{"BODY aneedle", ""},
		{"TEXT inner BODY inner", " 2"},
		{"TEXT epilogue", ""},
		{"CHARSET UTF-8 TEXT nowhere", ""},
	} {
		want := []string{"* SEARCH" + tc.want}
		if diff := cmp.Diff(want, k.ok("SEARCH %s", tc.criteria)); diff != "" {
			t.Errorf("SEARCH %s (-want +got):\n%s", tc.criteria, diff)
		}
	}
	if got := k.ok("UID SEARCH RETURN (MIN MAX COUNT SAVE) UNSEEN"); !strings.HasSuffix(got[0], "UID MIN 2 MAX 3 COUNT 2") {
		t.Errorf("ESEARCH: %q", got)
	}
	if diff := cmp.Diff([]string{"* 2 FETCH (UID 2 FLAGS (\\Flagged todo))", "* 3 FETCH (UID 3 FLAGS ())"}, k.ok("FETCH $ FLAGS")); diff != "" {
		t.Error(diff)
	}
	k.expect("NO [LIMIT]", "SEARCH %s ALL", strings.TrimSpace(strings.Repeat("NOT ", 5000)))
	k.expect("NO [LIMIT]", "SEARCH %s", strings.TrimSpace(strings.Repeat("SEEN ", 1000)))
	k.expect("NO", "SEARCH CHARSET KOI8-R ALL")
}
