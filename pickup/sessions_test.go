package pickup_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/pickup"
	"postern/store"
)

// What one session does, another sees in order, and EXPUNGE only where
// sequence numbers may shift.
func TestSessionsSeeEachOther(t *testing.T) {
	h := implicit(t)
	for i := range 5 {
		h.deliver(fmt.Appendf(nil, "Subject: %d\r\n\r\n", i))
	}
	a, b := h.talk(), h.talk()
	a.ok(`STORE 2,4 +FLAGS.SILENT (\Deleted)`)
	a.ok("EXPUNGE")
	h.deliver([]byte(plainMail))
	a.ok(`UID STORE 5 +FLAGS ($Label)`)

	// FETCH, STORE and SEARCH must not tell of removals.
	want := []string{
		"* 4 FETCH (UID 4 FLAGS ())",
		"* 6 EXISTS",
		`* FLAGS (\Answered \Deleted \Draft \Flagged \Seen $Label)`,
		"* 5 FETCH (UID 5 FLAGS ($Label))",
	}
	if diff := cmp.Diff(want, b.ok("FETCH 4 FLAGS")); diff != "" {
		t.Errorf("FETCH (-want +got):\n%s", diff)
	}
	// A body that is gone is said to be gone; the rest comes.
	got := b.do("FETCH 3:5 BODY.PEEK[TEXT]")
	if len(got) != 3 || !strings.HasPrefix(got[0], "* 3 ") || !strings.HasPrefix(got[1], "* 5 ") ||
		!strings.HasPrefix(got[2], "NO [EXPUNGEISSUED]") {
		t.Errorf("FETCH of a message that is gone: %q", got)
	}
	if diff := cmp.Diff([]string{"* SEARCH 1 3 5 6"}, b.ok("SEARCH ALL")); diff != "" {
		t.Errorf("SEARCH (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"* 4 EXPUNGE", "* 2 EXPUNGE"}, b.ok("NOOP")); diff != "" {
		t.Errorf("NOOP (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"* 3 FETCH (UID 5 FLAGS ($Label))"}, b.ok("FETCH 3 FLAGS")); diff != "" {
		t.Errorf("after EXPUNGE (-want +got):\n%s", diff)
	}
}

// A silent STORE hides its own change, not one that another session made.
func TestSilentStoreTellsOthersChanges(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	a, b := h.talk(), h.talk()
	a.ok(`STORE 1 +FLAGS (\Flagged)`)
	got := b.ok(`STORE 1 +FLAGS.SILENT (\Seen)`)
	if diff := cmp.Diff([]string{`* 1 FETCH (UID 1 FLAGS (\Flagged \Seen))`}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{}, b.ok("NOOP")); diff != "" {
		t.Error(diff)
	}
}

func TestIdleWakesOnCommit(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	a, b := h.talk(), h.talk()
	b.write("i IDLE\r\n")
	if l := b.line(); !strings.HasPrefix(l, "+") {
		t.Fatalf("IDLE: %q", l)
	}
	h.deliver([]byte(plainMail))
	committed := time.Now()
	if l := b.line(); l != "* 2 EXISTS" {
		t.Errorf("after a delivery: %q", l)
	}
	if d := time.Since(committed); d > time.Second {
		t.Errorf("IDLE took %v", d)
	}
	a.ok(`STORE 1 FLAGS (\Deleted)`)
	if l := b.line(); l != `* 1 FETCH (UID 1 FLAGS (\Deleted))` {
		t.Errorf("after STORE: %q", l)
	}
	a.ok("EXPUNGE")
	if l := b.line(); l != "* 1 EXPUNGE" {
		t.Errorf("after EXPUNGE: %q", l)
	}
	b.write("DONE\r\n")
	b.until("i")
	b.ok("NOOP")
}

// RENAME of INBOX moves what is in it, and INBOX stays: with its UIDs, for the sessions
// that have it open, and for what comes (RFC 9051 §6.3.6).
func TestRenameInbox(t *testing.T) {
	h := startHouse(t, pickup.Options{Implicit: true, Mailboxes: 4})
	for i := range 3 {
		h.deliver(fmt.Appendf(nil, "Subject: %d\r\n\r\n", i))
	}
	a, b, c := h.talk(), h.talk(), h.talk()
	a.ok("CREATE INBOX/below")
	a.ok("STORE 2 +FLAGS.SILENT ($Label)")
	before := a.ok("STATUS INBOX (UIDVALIDITY UIDNEXT)")
	b.ok("NOOP")
	b.write("i IDLE\r\n")
	b.line()
	if diff := cmp.Diff([]string{"* 3 EXPUNGE", "* 2 EXPUNGE", "* 1 EXPUNGE"}, a.ok("RENAME inbox Archive/2026")); diff != "" {
		t.Errorf("RENAME (-want +got):\n%s", diff)
	}
	for _, want := range []string{"* 3 EXPUNGE", "* 2 EXPUNGE", "* 1 EXPUNGE"} {
		if l := b.line(); l != want {
			t.Errorf("in IDLE: %q, want %s", l, want)
		}
	}
	c.expect("NO [EXPUNGEISSUED]", "FETCH 1 BODY.PEEK[]")
	if diff := cmp.Diff(before, a.ok("STATUS INBOX (UIDVALIDITY UIDNEXT)")); diff != "" {
		t.Errorf("INBOX is another mailbox: %s", diff)
	}
	h.deliver([]byte(plainMail))
	if l := b.line(); l != "* 1 EXISTS" {
		t.Errorf("what comes is not seen: %q", l)
	}
	a.ok("NOOP")
	a.want("UID SEARCH ALL", "* SEARCH 4")
	a.expect("NO [ALREADYEXISTS]", "RENAME INBOX Archive/2026")
	a.expect("NO [ALREADYEXISTS]", "RENAME INBOX INBOX")
	a.expect("NO [LIMIT]", "RENAME INBOX more") // there are four
	a.expect("NO [LIMIT]", "RENAME Archive/2026 some/more")
	a.ok("RENAME Archive/2026 Archive/2027")
	a.ok("STATUS INBOX/below (MESSAGES)")
	a.want("UID SEARCH ALL", "* SEARCH 4")
	a.ok("SELECT Archive/2027")
	a.want("SEARCH KEYWORD $Label SUBJECT 1", "* SEARCH 2")
	a.want("SEARCH ALL", "* SEARCH 1 2 3")
}

// A session whose mailbox another removes is ended.
func TestRemovedMailboxEndsItsSessions(t *testing.T) {
	h := implicit(t)
	a, b, c := h.talk(), h.talk(), h.talk()
	a.ok("CREATE x")
	b.ok("SELECT x")
	c.ok("SELECT x")
	b.write("i IDLE\r\n")
	b.line()
	a.ok("DELETE x")
	if l := b.line(); !strings.HasPrefix(l, "* BYE") {
		t.Errorf("in IDLE: %q", l)
	}
	c.write("n NOOP\r\n")
	if l := c.line(); !strings.HasPrefix(l, "* BYE") {
		t.Errorf("at NOOP: %q", l)
	}
}

// Two servers over one store need nothing of each other.
func TestTwoServersShareAStore(t *testing.T) {
	one := implicit(t)
	two := &house{t: t, store: one.store, account: one.account, log: &testnet.Log{}}
	two.server = pickup.NewIMAP(mailbox.New(one.store, auth, mailbox.Options{}), pickup.Options{TLS: testnet.ServerTLS(), Implicit: true})
	two.addr = two.serve(two.server)
	a, b := one.talk(), two.talk()
	b.write("i IDLE\r\n")
	b.line()
	a.write("a APPEND INBOX {2}\r\n")
	a.line()
	a.write("\r\n\r\n")
	a.until("a")
	if l := b.line(); l != "* 1 EXISTS" {
		t.Errorf("at the other server: %q", l)
	}
	a.ok(`STORE 1 +FLAGS (\Deleted)`)
	a.ok("EXPUNGE")
	if l := b.line(); l != `* 1 FETCH (UID 1 FLAGS (\Deleted))` && l != "* 1 EXPUNGE" {
		t.Errorf("at the other server: %q", l)
	}
}

// A client that goes away in the middle of IDLE or of a literal leaves nothing.
func TestClientsThatVanish(t *testing.T) {
	h := implicit(t)
	k := h.talk()
	k.write("i IDLE\r\n")
	k.line()
	k.conn.Close()
	k = h.talk()
	k.write("a APPEND INBOX {100}\r\n")
	k.line()
	k.write("Subject: half")
	k.conn.Close()
	k = h.talk()
	if got := k.ok("STATUS INBOX (MESSAGES)"); got[0] != "* STATUS INBOX (MESSAGES 0)" {
		t.Errorf("half a message was stored: %q", got)
	}
	k.write("b APPEND INBOX {100}\r\n")
	k.line()
	err := h.server.Shutdown(t.Context())
	if err != nil {
		t.Error(err)
	}
	if log := h.log.String(); strings.Contains(log, "level=ERROR") || !strings.Contains(log, "op=append") {
		t.Errorf("what clients break off is no error of ours: %s", log)
	}
}

func TestAppend(t *testing.T) {
	h := startHouse(t, pickup.Options{Implicit: true, AppendLimit: 5000})
	k := h.talk()
	if caps := k.ok("CAPABILITY"); !strings.Contains(caps[0], "APPENDLIMIT=5000") {
		t.Errorf("capabilities: %q", caps)
	}
	k.write("a APPEND INBOX (\\Seen word) \"02-Jan-2006 15:04:05 +0100\" {5}\r\n")
	k.line()
	k.write("a: b\n\r\n")
	got := k.until("a")
	if got[0] != "* 1 EXISTS" || !strings.HasPrefix(got[len(got)-1], "OK [APPENDUID ") {
		t.Errorf("APPEND: %q", got)
	}
	got = k.ok("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])")
	want := "* 1 FETCH (UID 1 FLAGS (\\Seen word) INTERNALDATE \" 2-Jan-2006 14:04:05 +0000\" BODY[] {5}\na: b\n)"
	if diff := cmp.Diff([]string{want}, got); diff != "" {
		t.Error(diff)
	}
	k.expect("NO [TOOBIG]", "APPEND INBOX {5001}")
	k.write("b APPEND nowhere {2}\r\n")
	k.line()
	k.write("ab\r\n")
	if got := k.until("b"); !strings.HasPrefix(got[0], "NO [TRYCREATE]") {
		t.Errorf("APPEND to nowhere: %q", got)
	}
}

// The far side stays silent after connecting: the handshake is given up.
func TestSilentConnectionIsClosed(t *testing.T) {
	h := startHouse(t, pickup.Options{Implicit: true, Handshake: 20 * time.Millisecond})
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection stays open")
	}
}

func TestShutdownSaysBye(t *testing.T) {
	h := implicit(t)
	idle, quiet := h.talk(), h.talk()
	idle.write("i IDLE\r\n")
	idle.line()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := h.server.Shutdown(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*talk{"idle": idle, "quiet": quiet} {
		rest, _ := io.ReadAll(k.r)
		if !bytes.Contains(rest, []byte("* BYE")) {
			t.Errorf("%s: %q", name, rest)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if h.server.Serve(context.Background(), ln) == nil {
		t.Error("Serve after Shutdown: no error")
	}
}

// A client that has logged in and does not read does not hold up the end of the server,
// which has ten seconds of its own for those that do.
func TestShutdownDoesNotWaitForSlowReaders(t *testing.T) {
	for name, command := range map[string]string{
		"one message":              "f FETCH 1 BODY.PEEK[]\r\n",
		"many responses, and IDLE": strings.Repeat("f FETCH 1 BODY.PEEK[]\r\n", 3) + "i IDLE\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := implicit(t)
			h.deliver(append([]byte("Subject: big\r\n\r\n"), bytes.Repeat([]byte("x"), 20<<20)...))
			k := h.talk()
			k.write(command)
			k.line()
			before := time.Now()
			err := h.server.Shutdown(context.Background())
			if took := time.Since(before); err != nil || took > 8*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
}

// When the context of Serve ends, so do the sessions.
func TestServeEndsWithItsContext(t *testing.T) {
	s := pickup.NewIMAP(refuseAll{}, pickup.Options{TLS: testnet.ServerTLS(), Implicit: true})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	conn, err := tls.Dial("tcp", ln.Addr().String(), testnet.ClientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	k := &talk{t: t, conn: conn}
	_, err = conn.Read(make([]byte, 1))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	err = <-done
	if err != nil {
		t.Errorf("Serve: %v", err)
	}
	io.Copy(io.Discard, k.conn)
	err = s.Shutdown(context.Background())
	if err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

type refuseAll struct{ pickup.Backend }

func (refuseAll) Offers(context.Context) login.Offer { return login.Offer{} }

func TestFetchInboxWaits(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	type result struct {
		got []pickup.FetchedMessage
		err error
	}
	done := make(chan result, 1)
	o := pickup.FetchOptions{Addr: h.addr, TLS: testnet.ClientTLS(), User: testUser, Password: testPassword, AtLeast: 3}
	go func() {
		got, err := pickup.FetchInbox(context.Background(), o)
		done <- result{got, err}
	}()
	h.deliver([]byte(mixedMail))
	h.deliver([]byte("8 bit \xff"))
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	want := []pickup.FetchedMessage{{UID: 1, Raw: []byte(plainMail)}, {UID: 2, Raw: []byte(mixedMail)}, {UID: 3, Raw: []byte("8 bit \xff")}}
	if diff := cmp.Diff(want, r.got); diff != "" {
		t.Error(diff)
	}
	o.FirstUID, o.AtLeast = 3, 0
	got, err := pickup.FetchInbox(context.Background(), o)
	if err != nil || len(got) != 1 {
		t.Errorf("from UID 3: %d, %v", len(got), err)
	}
	o.FirstUID, o.MaxBytes = 0, 10
	_, err = pickup.FetchInbox(context.Background(), o)
	if !errors.Is(err, pickup.ErrTooLarge) {
		t.Errorf("over MaxBytes: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	o.AtLeast = 10
	_, err = pickup.FetchInbox(ctx, o)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for what never comes: %v", err)
	}
	o.Password = "wrong"
	_, err = pickup.FetchInbox(context.Background(), o)
	if err == nil {
		t.Error("a wrong password is taken")
	}
}

// Many sessions at once change one mailbox; each stays consistent.
func TestSessionsAtOnce(t *testing.T) {
	h := implicit(t)
	for i := range 50 {
		h.deliver(fmt.Appendf(nil, "Subject: %d\r\n\r\n", i))
	}
	done := make(chan struct{})
	talks := []*talk{h.talk(), h.talk(), h.talk()}
	for n, k := range talks {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 15 {
				k.do("UID STORE %d +FLAGS (\\Deleted)", 1+(i*3+n)%50)
				k.do("UID FETCH 1:* (FLAGS RFC822.SIZE)")
				k.do("EXPUNGE")
				k.do("NOOP")
			}
		}()
	}
	for range talks {
		<-done
	}
	var left uint32
	err := h.store.View(context.Background(), func(tx store.Tx) error {
		m, err := tx.MailboxByName(h.account, store.Inbox)
		left = m.Messages
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range talks {
		k.ok("NOOP")
		if got := k.ok("UID SEARCH RETURN (COUNT) ALL"); !strings.HasSuffix(got[0], fmt.Sprintf("COUNT %d", left)) {
			t.Errorf("a session counts %q, the store %d", got, left)
		}
	}
}
