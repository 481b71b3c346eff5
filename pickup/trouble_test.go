package pickup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/pickup"
)

// A damaged backend gives bodies that cannot be read beyond an offset.
type damaged struct {
	pickup.Backend
	good int64
}

func (d damaged) Login(ctx context.Context, a login.Attempt) (pickup.User, error) {
	u, err := d.Backend.Login(ctx, a)
	return damagedUser{u, d.good}, err
}

type damagedUser struct {
	pickup.User
	good int64
}

func (d damagedUser) Open(ctx context.Context, name string) (pickup.Mailbox, error) {
	m, err := d.User.Open(ctx, name)
	return damagedMailbox{m, d.good}, err
}

type damagedMailbox struct {
	pickup.Mailbox
	good int64
}

func (d damagedMailbox) Body(ctx context.Context, m pickup.Message) (pickup.Body, error) {
	b, err := d.Mailbox.Body(ctx, m)
	return damagedBody{b, d.good}, err
}

type damagedBody struct {
	pickup.Body
	good int64
}

var errDamaged = errors.New("a chunk is damaged")

func (d damagedBody) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.good {
		return 0, errDamaged
	}
	return d.Body.ReadAt(p, off)
}

// A body that breaks off ends the connection within its literal: nothing that
// could be taken for the rest of the message follows.
func TestDamagedBodyBreaksTheResponseOff(t *testing.T) {
	h := implicit(t)
	raw := append([]byte("Subject: secret\r\n\r\n"), bytes.Repeat([]byte("x"), 1<<20)...)
	h.deliver(raw)
	log := &testnet.Log{}
	s := pickup.NewIMAP(damaged{mailbox.New(h.store, auth, mailbox.Options{}), 600 << 10},
		pickup.Options{Implicit: true, TLS: testnet.ServerTLS(), Log: slog.New(slog.NewTextHandler(log, nil))})
	h.addr = h.serve(s)
	k := h.talk()
	k.write("f FETCH 1 BODY.PEEK[]\r\n")
	if l := k.line(); !strings.HasSuffix(l, "{1048595}") {
		t.Fatalf("answer: %q", l)
	}
	got, _ := io.ReadAll(k.r)
	if len(got) >= len(raw) || !bytes.HasPrefix(raw, got) {
		t.Errorf("%d octets came, which are not a part of the message alone", len(got))
	}
	deadline := time.Now().Add(5 * time.Second)
	for !strings.Contains(log.String(), errDamaged.Error()) {
		if time.Now().After(deadline) {
			t.Fatalf("the damage is not in the log: %s", log.String())
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("a subject is in the log")
	}
	// What needs the whole message first is answered with NO, and goes on.
	k = h.talk()
	k.expect("NO [SERVERBUG]", "FETCH 1 BODYSTRUCTURE")
	k.ok("FETCH 1 ENVELOPE")
}

func TestSearchIsBoundedInTime(t *testing.T) {
	h := startHouse(t, pickup.Options{Implicit: true, Search: time.Nanosecond})
	h.deliver([]byte(plainMail))
	h.talk().expect("NO [LIMIT]", "SEARCH TEXT x")
}

func TestMailboxesAreBounded(t *testing.T) {
	h := startHouse(t, pickup.Options{Implicit: true, Mailboxes: 3})
	k := h.talk()
	k.ok("CREATE a")
	k.expect("NO [LIMIT]", "CREATE b/c")
	k.ok("CREATE b")
	k.expect("NO [LIMIT]", "CREATE c")
}
