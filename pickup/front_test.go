package pickup_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/pickup"
)

// EP-17: what cannot be read is BAD, and the session goes on.
func TestEP17_BadSyntax(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	k := h.talk()
	for _, c := range []string{
		"FETCH abc FLAGS", "FETCH 0 FLAGS", "FETCH 1", "FETCH 1 BODY[", "UID FETCH 1:2:3 FLAGS", "UID NOOP",
		"SELECT", "STORE 1 FLAGS", "SEARCH", "SEARCH SINCE yesterday", "SEARCH x", `CREATE "&bad"`, "LIST (",
		`APPEND INBOX "bad date" {3}`, "NOOP x", "SEARCH " + strings.Repeat("(", 1200), "IDLE x", "FETCH 1 FLAGS x",
	} {
		k.expect("BAD", "%s", c)
	}
	k.ok("NOOP")
}

// The octets of a literal are never taken for commands, even if the command
// that they belong to was refused.
func TestRefusedLiteralsAreNoCommands(t *testing.T) {
	const evil = "x CREATE evil\r\n"
	for name, command := range map[string]string{
		"unknown command":  fmt.Sprintf("NONSENSE {%d+}\r\n%s", len(evil), evil),
		"bad syntax":       fmt.Sprintf("SELECT a b {%d+}\r\n%s", len(evil), evil),
		"two literals":     fmt.Sprintf("NONSENSE {%d+}\r\n%s {%d+}\r\n%s", len(evil), evil, len(evil), evil),
		"over 4096":        fmt.Sprintf("STATUS {%d+}\r\n%s", 300*len(evil), strings.Repeat(evil, 300)),
		"over APPENDLIMIT": fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", 400*len(evil), strings.Repeat(evil, 400)),
	} {
		t.Run(name, func(t *testing.T) {
			h := startHouse(t, pickup.Options{Implicit: true, AppendLimit: 5000})
			k := h.talk()
			k.write("a " + command + "\r\n")
			if got := k.until("a"); !strings.HasPrefix(got[len(got)-1], "BAD") && !strings.HasPrefix(got[len(got)-1], "NO [TOOBIG]") {
				t.Errorf("answer: %q", got)
			}
			if diff := cmp.Diff([]string{}, k.ok(`LIST "" evil`)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where it is no longer certain what is a command, the connection ends.
func TestLostTrackEndsTheConnection(t *testing.T) {
	for name, input := range map[string]string{
		"a name of 5,000 octets":          "a CREATE {5000}\r\n",
		"the same unasked":                "a CREATE {5000+}\r\nx CREATE evil\r\n",
		"a command of 60,000 octets":      "a SEARCH SUBJECT \"" + strings.Repeat("x", 60_000) + "\"\r\n",
		"many literals of one command":    "a SEARCH " + strings.Repeat("SUBJECT {1+}\r\nx ", 5000) + "ALL\r\n",
		"a size beyond 64 bits is no one": "a CREATE {99999999999999999999999}\r\nb LOGOUT\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := implicit(t)
			k := h.talk()
			go io.WriteString(k.conn, input)
			got, _ := io.ReadAll(k.r)
			if !bytes.Contains(got, []byte("* BYE")) {
				t.Errorf("answer: %q", got)
			}
			k = h.talk()
			if diff := cmp.Diff([]string{}, k.ok(`LIST "" evil`)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Literals that are in order arrive, however they are cut into packets, and
// whatever is in them.
func TestLiteralsInOrder(t *testing.T) {
	h := implicit(t)
	k := h.talk()
	body := "Subject: {3+}\r\n\r\na {99999+}\r\nb {5}\r\n" + strings.Repeat("x", 3000) + "{7+}\r\n"
	k.write(fmt.Sprintf("a APPEND {5+}\r\nINBOX (\\Seen) {%d}\r\n", len(body)))
	k.line()
	for _, c := range []byte(body) {
		k.write(string(c))
	}
	k.write("\r\nb APPEND {5+}\r\nINBOX {" + fmt.Sprint(len(body)) + "+}\r\n" + body + "\r\nc NOOP\r\n")
	k.until("a")
	k.until("b")
	k.until("c")
	for _, n := range []int{1, 2} {
		got := k.ok("FETCH %d BODY.PEEK[]", n)
		if want := fmt.Sprintf("* %d FETCH (UID %d BODY[] {%d}\n%s)", n, n, len(body), body); got[0] != want {
			t.Errorf("message %d: %q", n, got[0])
		}
	}
	// A command of several pieces of the reader, with a literal at its end.
	long := strings.Repeat("x", 16<<10-30)
	for pad := range 30 {
		got := k.ok("SEARCH OR SUBJECT %q SUBJECT {2+}\r\nno", long+strings.Repeat("y", pad))
		if diff := cmp.Diff([]string{"* SEARCH"}, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

// Before TLS there is little to say.
func TestClearText(t *testing.T) {
	h := startHouse(t, pickup.Options{})
	k := h.dial(false)
	k.line()
	if diff := cmp.Diff([]string{"* CAPABILITY IMAP4rev2 IMAP4rev1 STARTTLS LOGINDISABLED"}, k.ok("CAPABILITY")); diff != "" {
		t.Error(diff)
	}
	k.ok("NOOP")
	k.expect("BAD", "NOOP x")
	k.expect("BAD", "SELECT INBOX")
	k.ok("LOGOUT")
	for _, bad := range []string{"GET / HTTP/1.1", "", "tagonly", "(( NOOP", strings.Repeat("x", 5000), strings.Repeat("a NOOP\r\n", 30)} {
		k := h.dial(false)
		k.line()
		k.write(bad + "\r\n")
		got, _ := io.ReadAll(k.r)
		if !bytes.Contains(got, []byte("* BYE")) {
			t.Errorf("%.20q: %q", bad, got)
		}
	}
	none := pickup.NewIMAP(refuseAll{}, pickup.Options{})
	k = (&house{t: t, addr: h.serve(none)}).dial(false)
	k.line()
	k.expect("NO", "STARTTLS")
}

// What is no command is answered, and the session goes on.
func TestNoCommandIsAnswered(t *testing.T) {
	h := implicit(t)
	k := h.talk()
	for bad, want := range map[string]string{
		"": "*", "tagonly": "tagonly", "a ": "a", "a  NOOP": "a", "a] NOOP": "a]", "] NOOP": "]", "a {3+}\r\nabc": "a",
		"(a NOOP": "*", "a UID": "a", "a UID  FETCH 1 FLAGS": "a", "a\r NOOP": "*",
	} {
		k.write(bad + "\r\n")
		if got := k.line(); got != want+" BAD [CLIENTBUG] Syntax error" {
			t.Errorf("%q: %q", bad, got)
		}
		k.ok("NOOP")
	}
}

// An answer that is longer than the library reads at once is none, and nothing in it is a
// command.
func TestLongAnswersAreNoCommands(t *testing.T) {
	for first, answer := range map[string]string{
		"IDLE":               "DONE" + strings.Repeat("x", 5000) + " NOOP\r\n",
		"AUTHENTICATE PLAIN": strings.Repeat("A", 4096) + "x1 NOOP\r\n",
	} {
		h := implicit(t)
		k := h.dial(true)
		k.line()
		if first == "IDLE" {
			k = h.talk()
		}
		k.write("a " + first + "\r\n")
		if got := k.line(); !strings.HasPrefix(got, "+ ") && got != "+" {
			t.Fatalf("%s: %q", first, got)
		}
		go io.WriteString(k.conn, answer)
		got, _ := io.ReadAll(k.r)
		if bytes.Contains(got, []byte("NOOP completed")) || !bytes.Contains(got, []byte("* BYE")) {
			t.Errorf("%s: %q", first, got)
		}
	}
}

// A message is stored if its command ends behind it, and is answered then; what else stands
// there is no command.
func TestNothingStandsBehindAMessage(t *testing.T) {
	const evil = "x CREATE evil\r\n"
	for name, row := range map[string]struct {
		command string
		stored  bool
	}{
		"nothing":             {"APPEND INBOX {5+}\r\nhello\r\n", true},
		"a space":             {"APPEND INBOX {5+}\r\nhello \n", true},
		"UTF8":                {"APPEND INBOX UTF8 (~{5+}\r\nhello)\r\n", true},
		"no octets":           {"APPEND INBOX {0+}\r\n\r\n", true},
		"a word":              {"APPEND INBOX {5+}\r\nhello x\r\n", false},
		"a bracket":           {"APPEND INBOX {5+}\r\nhello)\r\n", false},
		"no bracket":          {"APPEND INBOX UTF8 (~{5+}\r\nhello\r\n", false},
		"a long line":         {"APPEND INBOX {5+}\r\nhello" + strings.Repeat(" ", 40_000) + "\r\n", false},
		"another message":     {fmt.Sprintf("APPEND INBOX {5+}\r\nhello {%d+}\r\n%s\r\n", len(evil), evil), false},
		"another to nowhere":  {fmt.Sprintf("APPEND nowhere {5+}\r\nhello {%d+}\r\n%s\r\n", len(evil), evil), false},
		"another of no octet": {fmt.Sprintf("APPEND INBOX {5+}\r\nhello {0+}\r\n %s", evil), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := implicit(t)
			k := h.talk()
			if row.stored {
				k.ok("%s", strings.TrimSuffix(row.command, "\r\n"))
			} else {
				go io.WriteString(k.conn, "a "+row.command)
				got, _ := io.ReadAll(k.r)
				if !bytes.Contains(got, []byte("* BYE")) || bytes.Contains(got, []byte("a OK")) {
					t.Errorf("answer: %q", got)
				}
			}
			k = h.talk()
			want := []string{"* STATUS INBOX (MESSAGES 0)"}
			if row.stored {
				want = []string{"* STATUS INBOX (MESSAGES 1)"}
			}
			if diff := cmp.Diff(want, k.ok("STATUS INBOX (MESSAGES)")); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{}, k.ok(`LIST "" evil`)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
