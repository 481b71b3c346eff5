package pickup_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/pickup"
	"postern/store"
)

// A counting backend counts the bodies that are opened and the outlines that are kept.
type counting struct {
	pickup.Backend
	opened, kept *atomic.Int64
}

func (c counting) Login(ctx context.Context, a login.Attempt) (pickup.User, error) {
	u, err := c.Backend.Login(ctx, a)
	return countingUser{u, c}, err
}

type countingUser struct {
	pickup.User
	counting
}

func (c countingUser) Open(ctx context.Context, name string) (pickup.Mailbox, error) {
	m, err := c.User.Open(ctx, name)
	return countingMailbox{m, c.counting}, err
}

type countingMailbox struct {
	pickup.Mailbox
	counting
}

func (c countingMailbox) Body(ctx context.Context, m pickup.Message) (pickup.Body, error) {
	c.opened.Add(1)
	return c.Mailbox.Body(ctx, m)
}

func (c countingMailbox) KeepOutlines(ctx context.Context, o map[uint64][]byte) error {
	c.kept.Add(int64(len(o)))
	return c.Mailbox.KeepOutlines(ctx, o)
}

// count serves the mailboxes of a house by a server that counts.
func (h *house) count() counting {
	c := counting{mailbox.New(h.store, auth, mailbox.Options{}), new(atomic.Int64), new(atomic.Int64)}
	h.addr = h.serve(pickup.NewIMAP(c, pickup.Options{TLS: testnet.ServerTLS(), Implicit: true}))
	return c
}

// What clients list is made without reading a body: at once where the message was
// appended, and from the second time on where it was there before there were outlines.
func TestListsReadNoBody(t *testing.T) {
	h := implicit(t)
	for range 3 {
		h.deliver([]byte(mixedMail)) // as an older version did
	}
	c := h.count()
	k := h.talk()
	for range 2 {
		k.write(fmt.Sprintf("a APPEND INBOX {%d}\r\n", len(mixedMail)))
		k.line()
		k.write(mixedMail + "\r\n")
		k.until("a")
	}
	ask := func(k *talk) []string {
		k.t.Helper()
		return k.ok("FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (From Subject Date)] BODY.PEEK[HEADER] BODY.PEEK[HEADER]<3.5>)")
	}
	first := ask(k)
	if n, kept := c.opened.Load(), c.kept.Load(); n != 3 || kept != 3 {
		t.Errorf("%d bodies were opened and %d outlines kept, want 3", n, kept)
	}
	k.ok("SEARCH SUBJECT x SENTSINCE 1-Jan-2000")
	second := ask(h.talk())
	if n, kept := c.opened.Load(), c.kept.Load(); n != 3 || kept != 3 {
		t.Errorf("afterwards %d bodies were opened and %d outlines kept, want no more", n, kept)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("by outlines (-read +kept):\n%s", diff)
	}
	for i := range first {
		tail := func(s string) string {
			_, rest, _ := strings.Cut(s, " FETCH ")
			_, rest, _ = strings.Cut(rest, "FLAGS")
			return rest
		}
		if diff := cmp.Diff(tail(first[0]), tail(first[i])); diff != "" {
			t.Errorf("message %d (-1 +%d):\n%s", i+1, i+1, diff)
		}
	}
}

// A message that is gone is told to be, although its line could be shown.
func TestListOfAMessageThatIsGone(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	k, other := h.talk(), h.talk()
	other.ok("FETCH 1 ENVELOPE")
	other.ok(`STORE 1 +FLAGS (\Deleted)`)
	other.ok("EXPUNGE")
	k.expect("NO [EXPUNGEISSUED]", "FETCH 1 ENVELOPE")
	k.expect("NO [EXPUNGEISSUED]", "FETCH 1 BODY.PEEK[]")
}

// An outline that somebody changed is made anew.
func TestAChangedOutlineIsMadeAnew(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(plainMail))
	k := h.talk()
	want := k.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE)")
	for _, kept := range []string{"", "\xff", "\x02\xff\xff"} {
		err := h.store.Update(t.Context(), func(tx store.Tx) error { return tx.PutStructure(1, []byte(kept)) })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, h.talk().ok("FETCH 1 (ENVELOPE BODYSTRUCTURE)")); diff != "" {
			t.Errorf("with %q: %s", kept, diff)
		}
	}
}
