package pickup_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/pickup"
	"postern/store"
)

// want compares the untagged answers of a command.
func (k *talk) want(command string, want ...string) {
	k.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), k.ok("%s", command)); diff != "" {
		k.t.Errorf("%s (-want +got):\n%s", command, diff)
	}
}

// Every extension is told of where it can be used, and LITERAL+ or LITERAL- alone (RFC
// 7888 §5).
func TestCapabilities(t *testing.T) {
	h := implicit(t)
	k := h.dial(true)
	greeting := k.line()
	for _, want := range []string{"* OK [CAPABILITY IMAP4rev2 IMAP4rev1 ", " SASL-IR", " LITERAL-", " ID ENABLE IDLE]"} {
		if !strings.Contains(greeting, want) {
			t.Errorf("the greeting lacks %q: %q", want, greeting)
		}
	}
	in := k.do("LOGIN %s %q", testUser, testPassword)
	for _, line := range append(in, k.ok("CAPABILITY")...) {
		for _, want := range []string{"ENABLE", "IDLE", "NAMESPACE", "UIDPLUS", "ESEARCH", "SEARCHRES", "LIST-EXTENDED", "LIST-STATUS",
			"MOVE", "STATUS=SIZE", "BINARY", "CHILDREN", "SPECIAL-USE", "CREATE-SPECIAL-USE", "LITERAL+", "ID", "QUOTA",
			"QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE", "CONDSTORE", "UNSELECT", "APPENDLIMIT=52428800"} {
			if !regexp.MustCompile(`[ \[]` + regexp.QuoteMeta(want) + `(\]| |$)`).MatchString(line) {
				t.Errorf("%s is missing in %q", want, line)
			}
		}
		if strings.Contains(line, "LITERAL-") || len(regexp.MustCompile(` ID( |\]|$)`).FindAllString(line, -1)) != 1 {
			t.Errorf("too much: %q", line)
		}
	}
}

// RFC 3516 §4.4, RFC 6855 §4: a message that is appended may come as a literal8.
func TestAppendBinary(t *testing.T) {
	const raw = "Content-Transfer-Encoding: binary\r\n\r\na\x00b\xff\n"
	k := implicit(t).talk()
	for i, form := range []string{"~{%d+}\r\n%s\r\n", "UTF8 (~{%d+}\r\n%s)\r\n"} {
		k.write("a APPEND INBOX (\\Seen) " + fmt.Sprintf(form, len(raw), raw))
		if got := k.until("a"); !strings.HasPrefix(got[len(got)-1], "OK [APPENDUID ") {
			t.Fatalf("%s: %q", form, got)
		}
		k.want(fmt.Sprintf("FETCH %d BINARY.PEEK[]", i+1), fmt.Sprintf("* %d FETCH (UID %d BINARY[] ~{%d}\n%s)", i+1, i+1, len(raw), raw))
	}
}

func TestID(t *testing.T) {
	k := implicit(t).dial(true)
	k.line()
	for _, c := range []string{"ID NIL", "id nil", `ID ("name" "x" "version" NIL)`, "ID ({4+}\r\nname \"x\")", "ID ()"} {
		k.want(c, `* ID ("name" "Postern")`)
	}
	for _, c := range []string{"ID", "ID x", `ID ("name")`, `ID ("a" "b"`, `ID ("a" "b") x`, "ID (" + strings.Repeat(`"a" "b" `, 31) + `"a" "b")`} {
		k.expect("BAD", "%s", c)
	}
	k.ok("LOGIN %s %q", testUser, testPassword)
	k.want("ID NIL", `* ID ("name" "Postern")`)
}

// RFC 9208: one root, "", has all mailboxes.
func TestQuota(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(strings.Repeat("x", 3000)))
	err := h.store.Update(t.Context(), func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: h.account, Quota: 10 << 10}) })
	if err != nil {
		t.Fatal(err)
	}
	k := h.dial(true)
	k.line()
	for _, c := range []string{`GETQUOTA ""`, "GETQUOTAROOT INBOX"} {
		k.expect("BAD", "%s", c)
	}
	k.ok("LOGIN %s %q", testUser, testPassword)
	const quota = `* QUOTA "" (STORAGE 3 10 MESSAGE 1 1000000)`
	k.want(`GETQUOTA ""`, quota)
	k.want("GETQUOTAROOT inbox", `* QUOTAROOT INBOX ""`, quota)
	k.ok("CREATE %q", "a (MESSAGES b")
	k.want(`GETQUOTAROOT "a (MESSAGES b"`, `* QUOTAROOT "a (MESSAGES b" ""`, quota)
	k.want("GETQUOTAROOT {13}\r\na (MESSAGES b", append([]string{"+ Ready for literal data"}, `* QUOTAROOT "a (MESSAGES b" ""`, quota)...)
	k.want("STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 1)") // nothing is left over
	k.expect("NO [NONEXISTENT]", "GETQUOTAROOT nowhere")
	k.want("STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 1)")
	k.expect("NO [NONEXISTENT]", "GETQUOTA other")
	k.expect("NO [CANNOT]", `SETQUOTA "" (STORAGE 512)`)
	for _, c := range []string{"GETQUOTA", "GETQUOTAROOT", "GETQUOTAROOT INBOX x", "GETQUOTA a b", "SETQUOTA"} {
		k.expect("BAD", "%s", c)
	}
	k.ok("SELECT INBOX")
	k.ok(`STORE 1 +FLAGS.SILENT (\Deleted)`)
	k.want("STATUS INBOX (DELETED DELETED-STORAGE)", "* STATUS INBOX (DELETED 1 DELETED-STORAGE 3000)")
}

// RFC 6154: by name, and by CREATE (USE).
func TestSpecialUse(t *testing.T) {
	h := implicit(t)
	k := h.talk()
	for _, c := range []string{"Drafts", "Sent Items", "sent", "trash", "Archive/2026"} {
		k.ok("CREATE %q", c)
	}
	k.ok(`CREATE Rubbish (USE (\Junk))`)
	k.expect("NO [USEATTR]", `CREATE Other (USE (\Junk))`)
	k.expect("NO [USEATTR]", `CREATE Other (USE (\All))`)
	k.expect("NO [USEATTR]", `CREATE Other (USE (\Sent \Trash))`)
	k.expect("BAD", `CREATE Other (FOR (\Sent))`)
	got := k.ok(`LIST (SPECIAL-USE) "" *`)
	want := []string{
		`* LIST (\HasChildren \Archive) "/" "Archive"`, `* LIST (\HasNoChildren \Drafts) "/" "Drafts"`,
		`* LIST (\HasNoChildren \Junk) "/" "Rubbish"`, `* LIST (\HasNoChildren \Sent) "/" "Sent Items"`,
		`* LIST (\HasNoChildren \Trash) "/" "trash"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	k.ok(`CREATE Out (USE (\Sent))`) // what is made for it counts more than a name
	k.ok("RENAME Out Gone")
	k.want(`LIST "" (Gone "Sent Items") RETURN (SPECIAL-USE)`, `* LIST (\HasNoChildren \Sent) "/" "Gone"`, `* LIST (\HasNoChildren) "/" "Sent Items"`)
	h.talk().want(`LIST "" Rubbish`, `* LIST (\HasNoChildren \Junk) "/" "Rubbish"`)
}

// LITERAL+ (RFC 7888): a message of any size that is allowed comes unasked.
func TestLiteralPlus(t *testing.T) {
	h := startHouse(t, pickup.Options{Implicit: true, AppendLimit: 20_000})
	k := h.talk()
	body := "Subject: x\r\n\r\n" + strings.Repeat("y", 15_000)
	k.write(fmt.Sprintf("a APPEND {5+}\r\nINBOX (\\Seen) {%d+}\r\n%s\r\nb NOOP\r\n", len(body), body))
	k.until("a")
	k.until("b")
	k.write(fmt.Sprintf("c APPEND INBOX {20001+}\r\n%s\r\nd NOOP\r\n", strings.Repeat("e CREATE evil\r\n", 1334)[:20001]))
	if got := k.until("c"); !strings.HasPrefix(got[0], "NO [TOOBIG]") {
		t.Errorf("what is too big: %q", got)
	}
	k.until("d")
	k.want(`LIST "" evil`)
	k.want("FETCH 1:* RFC822.SIZE", fmt.Sprintf("* 1 FETCH (UID 1 RFC822.SIZE %d)", len(body)))
}

// Whoever sends everything at once gets the answers in order, those of the library and
// those of the front.
func TestPipelinedCommandsAreAnsweredInOrder(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	k := h.talk()
	var all strings.Builder
	commands := []string{"NOOP", "ID NIL", `GETQUOTA ""`, "GETQUOTAROOT INBOX", "FETCH 1 (FLAGS MODSEQ)", "NONSENSE", "STATUS INBOX (HIGHESTMODSEQ)",
		"SEARCH MODSEQ 1", "SEARCH SUBJECT {3+}\r\nabc", "ID x", "STORE 1 (UNCHANGEDSINCE 1) FLAGS ()", "SELECT INBOX (CONDSTORE)", "ENABLE CONDSTORE", "CAPABILITY"}
	const rounds = 3
	for i := range rounds * len(commands) {
		fmt.Fprintf(&all, "p%d %s\r\n", i, commands[i%len(commands)])
	}
	go k.write(all.String())
	for i := range rounds * len(commands) {
		for line := ""; !strings.HasPrefix(line, fmt.Sprintf("p%d ", i)); {
			line = k.line()
			if strings.HasPrefix(line, "p") && !strings.HasPrefix(line, fmt.Sprintf("p%d ", i)) {
				t.Fatalf("%q before the end of %d, %s", line, i, commands[i%len(commands)])
			}
		}
	}
}

// Lines of IDLE and AUTHENTICATE are no commands.
func TestDialogsAreNoCommands(t *testing.T) {
	k := implicit(t).talk()
	k.write("i IDLE\r\n")
	k.line()
	k.write("x ID NIL\r\n")
	if got := k.line(); !strings.HasPrefix(got, "i BAD") {
		t.Errorf("a command within IDLE: %q", got)
	}
	k.ok("ID NIL")
}

// RFC 9051 §9, section-spec: parts count from 1, and MIME is of a part.
func TestSectionsThatCannotBe(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(mixedMail))
	k := h.talk()
	for _, item := range []string{"BODY[0]", "BODY.PEEK[1.0]", "BODY[0.MIME]", "BODY[MIME]", "BODY.PEEK[mime]<0.9>", "BINARY[0]", "BINARY.SIZE[2.0]"} {
		k.expect("BAD", "FETCH 1 %s", item)
		k.expect("BAD", "UID FETCH 1 (FLAGS %s)", item)
	}
	for _, item := range []string{"BODY.PEEK[1.MIME]", "BODY.PEEK[9.MIME]", "BODY.PEEK[TEXT]", "BINARY.SIZE[1]"} {
		k.expect("OK", "FETCH 1 %s", item)
	}
	k.want("FETCH 1 FLAGS", "* 1 FETCH (UID 1 FLAGS ())") // nothing of it was read
}
