package pickup_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// RFC 7162 §3.1 by its parts. A mailbox begins with sequence 1, and each deed takes the
// next.
func TestCondStore(t *testing.T) {
	h := implicit(t)
	for range 3 {
		h.deliver([]byte(plainMail)) // 2, 3, 4
	}
	k := h.dial(true)
	k.line()
	k.ok("LOGIN %s %q", testUser, testPassword)
	if got := strings.Join(k.ok("SELECT INBOX"), "\n"); strings.Count(got, "* OK [HIGHESTMODSEQ 4] ") != 1 {
		t.Errorf("SELECT: %s", got)
	}
	// Who did not ask is told nothing.
	k.want(`STORE 1 +FLAGS (\Seen)`, `* 1 FETCH (UID 1 FLAGS (\Seen))`) // 5
	k.want("FETCH 1 FLAGS", `* 1 FETCH (UID 1 FLAGS (\Seen))`)
	// §3.1.4: FETCH.
	k.want("FETCH 1:3 MODSEQ", "* 1 FETCH (MODSEQ (5) UID 1)", "* 2 FETCH (MODSEQ (3) UID 2)", "* 3 FETCH (MODSEQ (4) UID 3)")
	k.want("FETCH 1:* (FLAGS) (CHANGEDSINCE 3)", `* 1 FETCH (MODSEQ (5) UID 1 FLAGS (\Seen))`, "* 3 FETCH (MODSEQ (4) UID 3 FLAGS ())")
	k.want("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (MODSEQ)] MODSEQ) (CHANGEDSINCE 4)",
		"* 1 FETCH (MODSEQ (5) UID 1 FLAGS (\\Seen) BODY[HEADER.FIELDS (\"MODSEQ\")] {2}\n\r\n)")
	k.want("FETCH 1:* FLAGS (CHANGEDSINCE 99)")
	// §3.1.3: STORE.
	k.want(`STORE 2 (UNCHANGEDSINCE 3) +FLAGS.SILENT (\Flagged)`, "* 2 FETCH (MODSEQ (6) UID 2)") // 6
	other := h.talk()
	other.ok(`STORE 3 +FLAGS (x)`) // 7
	lines := k.do(`STORE 1:3 (UNCHANGEDSINCE 6) +FLAGS (\Deleted)`)
	want := []string{
		`* 1 FETCH (MODSEQ (8) UID 1 FLAGS (\Deleted \Seen))`, `* 2 FETCH (MODSEQ (9) UID 2 FLAGS (\Deleted \Flagged))`,
		"* 3 FETCH (MODSEQ (7) UID 3 FLAGS (x))", "OK [MODIFIED 3] Some messages changed before",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("STORE (-want +got):\n%s", diff)
	}
	lines = k.do(`UID STORE 2:3 (UNCHANGEDSINCE 1) -FLAGS.SILENT (\Deleted)`)
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK [MODIFIED 2:3] ") {
		t.Errorf("UID STORE: %q", last)
	}
	// What others do comes with its sequence.
	other.ok(`STORE 3 -FLAGS (x)`) // 10
	k.want("NOOP", "* FLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen x)", "* 3 FETCH (MODSEQ (10) UID 3 FLAGS ())")
	// §3.1.5, §3.1.10: SEARCH.
	k.want("SEARCH MODSEQ 9", "* SEARCH 2 3 (MODSEQ 10)")
	k.want(`SEARCH MODSEQ "/flags/\\draft" all 9 DELETED`, "* SEARCH 2 (MODSEQ 9)")
	k.want("SEARCH NOT MODSEQ 9", "* SEARCH 1 (MODSEQ 8)")
	k.want("SEARCH MODSEQ 99", "* SEARCH")
	if got := k.ok("UID SEARCH RETURN (MIN COUNT) MODSEQ 8"); !strings.HasSuffix(got[0], " UID MIN 1 COUNT 3 MODSEQ 10") {
		t.Errorf("ESEARCH: %q", got)
	}
	// §3.1.7: STATUS.
	k.want("STATUS INBOX (MESSAGES HIGHESTMODSEQ)", "* STATUS INBOX (MESSAGES 3 HIGHESTMODSEQ 10)")
	k.want(`LIST "" INBOX RETURN (STATUS (HIGHESTMODSEQ MESSAGES))`, `* LIST (\HasNoChildren) "/" INBOX`, "* STATUS INBOX (MESSAGES 3 HIGHESTMODSEQ 10)")
	// Others are made aware by what they ask for.
	for _, c := range []string{"ENABLE CONDSTORE", "SELECT INBOX (CONDSTORE)", "STATUS INBOX (HIGHESTMODSEQ)", "EXAMINE INBOX (condstore)"} {
		o := h.talk()
		got := o.ok("%s", c)
		if c == "ENABLE CONDSTORE" {
			if diff := cmp.Diff([]string{"* ENABLED CONDSTORE"}, got); diff != "" {
				t.Error(diff)
			}
		}
		k.ok(`STORE 1 FLAGS (a)`)
		k.ok(`STORE 1 FLAGS ()`)
		if got := strings.Join(o.ok("NOOP"), ""); !strings.Contains(got, "* 1 FETCH (MODSEQ (") {
			t.Errorf("after %s: %q", c, got)
		}
	}
	for _, c := range []string{"FETCH 1 FLAGS (CHANGEDSINCE 0)", "FETCH 1 FLAGS (CHANGEDSINCE x)", "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
		"FETCH 1 (MODSEQ) (CHANGEDSINCE 5) x", "STORE 1 (UNCHANGEDSINCE) FLAGS ()", "STORE 1 (NONSENSE 1) FLAGS ()", "SELECT INBOX (QRESYNC (1 2))",
		"SEARCH MODSEQ", "SEARCH MODSEQ x", `SEARCH MODSEQ "/flags/x" 3`} {
		k.expect("BAD", "%s", c)
	}
	k.ok("NOOP")
}

// What one session stores on a condition no other overwrites: the condition is looked at
// where the change is made.
func TestCondStoreIsOneTransaction(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	const sessions = 4
	done := make(chan int, sessions)
	for n := range sessions {
		k := h.talk()
		go func() {
			won := 0
			for i := range 10 {
				got := k.do("FETCH 1 MODSEQ")
				_, rest, _ := strings.Cut(got[0], "MODSEQ (")
				seq, _, _ := strings.Cut(rest, ")")
				lines := k.do("STORE 1 (UNCHANGEDSINCE %s) FLAGS (s%d_%d)", seq, n, i)
				if !strings.Contains(lines[len(lines)-1], "MODIFIED") {
					won++
				}
			}
			done <- won
		}()
	}
	total := 0
	for range sessions {
		total += <-done
	}
	h.talk().want("FETCH 1 MODSEQ", fmt.Sprintf("* 1 FETCH (MODSEQ (%d) UID 1)", 2+total)) // each was one step
}

// RFC 9051 §9: what is no tag begins no command, so that nothing of the one before counts
// for it, and what belongs to it is none either.
func TestNoTagIsNoCommand(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	k := h.talk()
	k.ok("STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)")
	for _, line := range []string{"h+1 STORE 1 +FLAGS (\\Flagged)", "\"h\" NOOP", "h\xff NOOP", "h+1 CREATE {15+}\r\nx CREATE evil\r\n"} {
		k.write(line + "\r\n")
		if got := k.line(); got != "* BAD [CLIENTBUG] Syntax error" {
			t.Errorf("%q: %q", line, got)
		}
	}
	if got := k.ok("FETCH 1 FLAGS"); len(got) != 1 || strings.Contains(got[0], "Flagged") {
		t.Errorf("flags: %q", got)
	}
	if diff := cmp.Diff([]string{}, k.ok(`LIST "" evil`)); diff != "" {
		t.Error(diff)
	}
}
