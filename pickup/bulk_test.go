package pickup_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"postern/store"
)

// live is what of the heap is in use.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// copies puts one body into a mailbox many times.
func (h *house) copies(n int) {
	h.t.Helper()
	h.deliver([]byte(plainMail))
	for done := 1; done < n; done += 10_000 {
		err := h.store.Update(h.t.Context(), func(tx store.Tx) error {
			box, err := tx.MailboxByName(h.account, store.Inbox)
			for range min(10_000, n-done) {
				if err == nil {
					_, err = tx.Append(box.ID, store.Message{Body: 1, Received: time.Unix(1, 0)})
				}
			}
			return err
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// A mailbox of 100,000 messages is listed, searched and changed with memory for their
// records, and without their headers and texts in it.
func TestAHundredThousandMessages(t *testing.T) {
	h := implicit(t)
	const messages = 100_000
	h.copies(messages)
	before := live()
	k := h.talk()
	if err := k.conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	selected := live() - before
	for _, c := range []struct {
		command string
		lines   int
	}{
		{"FETCH 1:* (FLAGS ENVELOPE)", messages},
		{"SEARCH SUBJECT nowhere", 1},
		{"SEARCH RETURN (COUNT) ALL", 1},
		{"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 100000)", 1},
	} {
		k.write("b " + c.command + "\r\n")
		peak, lines := int64(0), 0
		for {
			line, err := k.r.ReadSlice('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(line), "b ") {
				break
			}
			lines++
			if lines%20_000 == 0 {
				peak = max(peak, live()-before)
			}
		}
		if lines != c.lines {
			t.Errorf("%s: %d lines, want %d", c.command, lines, c.lines)
		}
		if peak > 96<<20 {
			t.Errorf("%s: %d octets were in use, after SELECT %d", c.command, peak, selected)
		}
	}
	if selected > 64<<20 {
		t.Errorf("SELECT takes %d octets, more than 640 a message", selected)
	}
}

// Ten thousand folders are listed and counted, each with what is below it, in time that
// grows as they do.
func TestTenThousandFolders(t *testing.T) {
	h := implicit(t)
	const folders = 10_000
	err := h.store.Update(t.Context(), func(tx store.Tx) error {
		for i := range folders / 2 {
			for _, name := range []string{fmt.Sprintf("f%d", i), fmt.Sprintf("f%d/below", i)} {
				_, err := tx.CreateMailbox(h.account, name)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	k := h.talk()
	before := live()
	got := k.ok(`LIST "" * RETURN (CHILDREN SPECIAL-USE STATUS (MESSAGES HIGHESTMODSEQ))`)
	if len(got) != 2*(folders+1) {
		t.Errorf("%d lines", len(got))
	}
	for _, want := range []string{`* LIST (\HasChildren) "/" "f77"`, `* LIST (\HasNoChildren) "/" "f77/below"`, `* STATUS "f77/below" (MESSAGES 0 HIGHESTMODSEQ 1)`} {
		if strings.Count(strings.Join(got, "\n")+"\n", want+"\n") != 1 {
			t.Errorf("%s is not there once", want)
		}
	}
	if grown := live() - before; grown > 32<<20 {
		t.Errorf("%d octets stay in use", grown)
	}
	k.expect("NO [LIMIT]", "CREATE one-more")
}

// Literals that are announced and never come, or come in vain, take no memory of their
// size.
func TestLiteralBombs(t *testing.T) {
	h := implicit(t)
	before := live()
	var open []*talk
	for i, c := range []string{
		"a APPEND INBOX {50000000}\r\n", "a APPEND INBOX {50000000+}\r\nx", "a LOGIN {4096}\r\n", "a SEARCH TEXT {4000}\r\n",
		"a SEARCH TEXT {4096+}\r\n" + strings.Repeat("x", 4000), "a STATUS {9223372036854775807+}\r\n", "a NONSENSE {1000000000+}\r\n",
		"a APPEND {4000+}\r\n", "a ID (\"a\" {4096+}\r\n",
	} {
		for range 5 {
			k := h.talk()
			k.write(c)
			open = append(open, k)
		}
		if grown := live() - before; grown > int64(len(open))<<20 {
			t.Fatalf("after %d kinds %d octets are in use by %d connections", i+1, grown, len(open))
		}
	}
	for _, k := range open {
		k.conn.Close()
	}
	if got := h.talk().ok("STATUS INBOX (MESSAGES)"); got[0] != "* STATUS INBOX (MESSAGES 0)" {
		t.Errorf("something was stored: %q", got)
	}
	if strings.Contains(h.log.String(), "panic") {
		t.Error(h.log.String())
	}
}

// Garbage that comes all at once ends the connection, and no other.
func TestPipelinedGarbage(t *testing.T) {
	h := implicit(t)
	k := h.talk()
	other := h.talk()
	go io.WriteString(k.conn, strings.Repeat("\x00\xff{]( a b c\r\n{3+}\r\n)))\"\r\n", 20_000))
	n, err := io.Copy(io.Discard, k.r)
	if n > 1<<20 || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d octets of answer, %v", n, err)
	}
	other.ok("NOOP")
	if strings.Contains(h.log.String(), "panic") {
		t.Error(h.log.String())
	}
}
