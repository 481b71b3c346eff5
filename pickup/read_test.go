package pickup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/pickup"
	"postern/store"
)

// fetchedOf says of each message of INBOX whether its owner read it.
func (h *house) fetchedOf() (marks []bool) {
	h.t.Helper()
	err := h.store.View(h.t.Context(), func(tx store.Tx) error {
		marks = nil
		box, err := tx.MailboxByName(h.account, store.Inbox)
		if err != nil {
			return err
		}
		return tx.EachMessage(box.ID, 1, func(m store.Message) bool {
			marks = append(marks, !m.Fetched.IsZero())
			return true
		})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return marks
}

// A message is read when something of its body goes out; a list of messages reads
// none.
func TestWhatReadsAMessage(t *testing.T) {
	for item, want := range map[string]bool{
		"BODY[]": true, "BODY.PEEK[]": true, "RFC822": true, "RFC822.TEXT": true, "BODY.PEEK[TEXT]": true,
		"BODY.PEEK[1]": true, "BODY.PEEK[]<0.1>": true, "BINARY.PEEK[1]": true, "BODY.PEEK[1.HEADER]": true,
		"(FLAGS BODY.PEEK[HEADER] BODY.PEEK[1])": true,
		"BODY.PEEK[HEADER]":                      false, "BODY[HEADER.FIELDS (Subject)]": false, "RFC822.HEADER": false,
		"ENVELOPE": false, "BODYSTRUCTURE": false, "BODY.PEEK[1.MIME]": false, "BINARY.SIZE[1]": false, "ALL": false, "FLAGS": false,
	} {
		t.Run(item, func(t *testing.T) {
			h := implicit(t)
			h.deliver([]byte(mixedMail))
			h.deliver([]byte(mixedMail))
			k := h.talk()
			k.ok("FETCH 2 %s", item)
			got := h.fetchedOf()
			if got[0] || got[1] != want {
				t.Errorf("read: %v", got)
			}
		})
	}
}

// A mailbox that is open for reading only is read all the same.
func TestReadingAReadOnlyMailboxIsNoted(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(mixedMail))
	k := h.talk()
	k.ok("EXAMINE INBOX")
	k.ok("FETCH 1 BODY[]")
	if !h.fetchedOf()[0] {
		t.Error("it was not noted")
	}
}

// A forgetful backend cannot write down who reads.
type forgetful struct{ pickup.Backend }

func (f forgetful) Login(ctx context.Context, user, password string, remote netip.Addr) (pickup.User, error) {
	u, err := f.Backend.Login(ctx, user, password, remote)
	return forgetfulUser{u}, err
}

type forgetfulUser struct{ pickup.User }

func (f forgetfulUser) Open(ctx context.Context, name string) (pickup.Mailbox, error) {
	m, err := f.User.Open(ctx, name)
	return forgetfulMailbox{m}, err
}

type forgetfulMailbox struct{ pickup.Mailbox }

func (forgetfulMailbox) Read(context.Context, []uint32, []string) ([]pickup.Message, error) {
	return nil, errors.Join(pickup.ErrUnavailable, errors.New("the disk is full"))
}

func (forgetfulMailbox) Searching(context.Context, int) error { return pickup.ErrUnavailable }

// Access that leaves no trace would be failing open.
func TestNothingIsReadThatCannotBeNoted(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(mixedMail))
	s := pickup.NewIMAP(forgetful{mailbox.New(h.store, auth, mailbox.Options{})}, pickup.Options{TLS: serverTLS(t), Implicit: true})
	h.addr = h.serve(s)
	k := h.talk()
	for _, item := range []string{"BODY[]", "BODY.PEEK[TEXT]", "(FLAGS BINARY.PEEK[1])"} {
		k.expect("NO [UNAVAILABLE]", "FETCH 1 %s", item)
	}
	k.ok("FETCH 1 (ENVELOPE BODY.PEEK[HEADER])")
	for _, what := range []string{"BODY x", "TEXT x", "NOT BODY x", "OR SUBJECT y OR SUBJECT x TEXT z"} {
		k.expect("NO [UNAVAILABLE]", "SEARCH %s", what)
	}
	k.ok("SEARCH SUBJECT x")
}

// A client that goes away in the midst of a large FETCH has not read what it was
// not sent: retention would remove what nobody saw.
func TestAFetchThatBreaksOffReadsWhatItSent(t *testing.T) {
	h := implicit(t)
	const messages = 40
	raw := append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)...) // 1 MiB
	for range messages {
		h.deliver(raw)
	}
	k := h.talk()
	k.write("x FETCH 1:* (FLAGS BODY[])\r\n")
	k.line()
	_, err := io.CopyN(io.Discard, k.r, int64(len(raw))+1)
	if err != nil {
		t.Fatal(err)
	}
	k.conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = h.server.Shutdown(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := h.fetchedOf()
	if !got[0] || slices.Contains(got[messages-5:], true) {
		t.Errorf("read: %v", got)
	}
}
