package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/httpedge"
	"postern/internal/gateway/care"
	"postern/internal/login"
	"postern/store"
	"postern/trust/reason"
)

// app lets an account in as if it had shown a token.
func (s *site) app(account string) (HTTPEdge, httpedge.Login) {
	s.t.Helper()
	a := addr(s.t, account)
	e := NewHTTPEdge(s.Core)
	from := netip.MustParseAddrPort("192.0.2.7:1")
	granted := login.Grant{Account: a, Proof: s.proof(a)}
	return e, httpedge.Login{Account: a, Remote: from, Session: &tokenSession{granted, e.apps.Inbox(granted, from.Addr())}}
}

// outgoing is a message with a key, whose request had a digest.
func outgoing(t testing.TB, key string, digest byte) httpedge.Outgoing {
	return httpedge.Outgoing{
		From: addr(t, "alice@a.example"), To: addrs(t, "bob@b.example"),
		Key: key, Digest: func() httpedge.Digest { return httpedge.Digest{digest} },
	}
}

var letter = string(crlf(message("alice@a.example", "bob@b.example")))

// Requests with one key that come at once, or again, send one message, and all get the
// same answer.
func TestHTTPEdgeSendsOnce(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example").accounts("bob@b.example")
	a.accounts("alice@a.example", "ann@a.example")
	e, alice := a.app("alice@a.example")
	send := func(l httpedge.Login, m httpedge.Outgoing) (httpedge.Sent, error) {
		return e.Send(t.Context(), l, m, strings.NewReader(letter))
	}
	_, err := e.Send(t.Context(), alice, outgoing(t, "k", 1), io.MultiReader(strings.NewReader(letter), brokenReader{}))
	if err == nil {
		t.Fatal("half a message was taken")
	}
	_, _, err = e.Answered(t.Context(), alice, "k")
	if !errors.Is(err, httpedge.ErrNotFound) {
		t.Errorf("what was refused is remembered: %v", err)
	}
	answers := make([]httpedge.Sent, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			sent, err := send(alice, outgoing(t, "k", 1))
			if err != nil {
				t.Error(err)
			}
			answers[i] = sent
		})
	}
	all.Wait()
	for _, got := range answers {
		equal(t, "answer", got, answers[0])
	}
	equal(t, "jobs", len(a.jobs(store.SealJob)), 1)
	again, digest, err := e.Answered(t.Context(), alice, "k")
	if err != nil || again != answers[0] || digest != (httpedge.Digest{1}) {
		t.Errorf("%v, %v, %v", again, digest, err)
	}
	_, err = send(alice, outgoing(t, "k", 2))
	if !errors.Is(err, httpedge.ErrKeyReused) {
		t.Errorf("another request with the key: %v", err)
	}
	_, ann := a.app("ann@a.example")
	_, _, err = e.Answered(t.Context(), ann, "k")
	if !errors.Is(err, httpedge.ErrNotFound) {
		t.Errorf("the key of somebody else: %v", err)
	}
	w.clock.advance(care.RequestsFor + time.Second)
	later, err := send(alice, outgoing(t, "k", 2))
	if err != nil || later == answers[0] {
		t.Errorf("a day later: %v, %v", later, err)
	}
	equal(t, "jobs", len(a.jobs(store.SealJob)), 2)
	a.Care.Tidy(t.Context())
	if _, _, err = e.Answered(t.Context(), alice, "k"); err != nil {
		t.Errorf("after tidying: %v", err)
	}
	w.clock.advance(care.RequestsFor + time.Second)
	a.Care.Tidy(t.Context())
	a.view(func(tx store.Tx) error {
		account, err := tx.Account(alice.Account)
		if err != nil {
			return err
		}
		_, err = tx.Request(store.NewRequestKey(account, "k"))
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it is kept: %v", err)
		}
		return nil
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, reason.New(reason.TooSlow, "gone") }

// Nobody sees what another account sent or received, and nobody learns that it is there.
func TestHTTPEdgeShowsOnesOwnAlone(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example", "ann@a.example")
	b.accounts("bob@b.example", "ben@b.example")
	e, alice := a.app("alice@a.example")
	_, ann := a.app("ann@a.example")
	sent, err := e.Send(t.Context(), alice, outgoing(t, "", 0), strings.NewReader(letter))
	if err != nil {
		t.Fatal(err)
	}
	w.runAll()
	for _, id := range []string{sent.ID, sent.MessageID, strings.ToUpper(sent.MessageID)} {
		m, err := e.SentMessage(t.Context(), alice, id)
		if err != nil || m.Sent != sent || m.Recipients[0].State != string(store.TrackProcessed) {
			t.Errorf("%s: %+v, %v", id, m, err)
		}
		_, err = e.SentMessage(t.Context(), ann, id)
		if !errors.Is(err, httpedge.ErrNotFound) {
			t.Errorf("%s of another: %v", id, err)
		}
	}
	for l, want := range map[*httpedge.Login]int{&alice: 1, &ann: 0} {
		page, err := e.SentMessages(t.Context(), *l, httpedge.SentQuery{Limit: 10})
		if err != nil || len(page.Messages) != want || page.Next != "" {
			t.Errorf("%s: %+v, %v", l.Account, page, err)
		}
	}
	for q, want := range map[httpedge.SentQuery]error{
		{State: "x"}:     httpedge.WrongParameter("state", "it is not a state of a message"),
		{After: "bogus"}: httpedge.WrongParameter("after", "it is not the id of a message"),
	} {
		_, err = e.SentMessages(t.Context(), alice, q)
		if !reflect.DeepEqual(err, want) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	f, bob := b.app("bob@b.example")
	_, ben := b.app("ben@b.example")
	page, err := f.Messages(t.Context(), bob, httpedge.InboxQuery{Limit: 10})
	if err != nil || len(page.Messages) != 1 || page.More {
		t.Fatalf("%+v, %v", page, err)
	}
	id := page.Messages[0].ID
	for what, err := range map[string]error{
		"open": second(f.Open(t.Context(), ben, id)), "took": f.Took(t.Context(), ben, id), "acknowledge": f.Acknowledge(t.Context(), ben, id, true), "remove": f.Remove(t.Context(), ben, id),
		"no id": f.Remove(t.Context(), bob, "x"), "a longer id": f.Remove(t.Context(), bob, "0"+id), "another mailbox": f.Remove(t.Context(), bob, "7-1"),
	} {
		if !errors.Is(err, httpedge.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, body, err := f.Open(t.Context(), bob, id)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil || !bytes.HasSuffix(raw, []byte(canary+"\r\n")) {
		t.Errorf("%q, %v", raw, err)
	}
	acknowledged(t, f, bob, id)
}

func second(_ httpedge.Received, _ httpedge.Body, err error) error { return err }

// acknowledged follows a message to its removal.
func acknowledged(t *testing.T, f HTTPEdge, bob httpedge.Login, id string) {
	t.Helper()
	count := func(all bool) int {
		page, err := f.Messages(t.Context(), bob, httpedge.InboxQuery{Limit: 10, All: all})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Messages)
	}
	for _, on := range []bool{true, true, false, true} {
		err := f.Acknowledge(t.Context(), bob, id, on)
		want := 1
		if on {
			want = 0
		}
		if err != nil || count(false) != want || count(true) != 1 {
			t.Errorf("acknowledged %v: %v, %d are listed", on, err, count(false))
		}
	}
	if err := f.Remove(t.Context(), bob, id); err != nil || count(true) != 0 {
		t.Errorf("removed: %v, %d are there", err, count(true))
	}
	page, err := f.Messages(t.Context(), bob, httpedge.InboxQuery{Limit: 1, After: id})
	if err != nil || page.Next != id {
		t.Errorf("behind it: %+v, %v", page, err)
	}
	_, err = f.Messages(t.Context(), bob, httpedge.InboxQuery{Limit: 1, After: "1-1"})
	if !errors.Is(err, httpedge.ErrStale) {
		t.Errorf("a cursor of another mailbox: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err = f.Wait(ctx, bob, page); err == nil {
		t.Error("something came")
	}
}

// A login that is over neither sends nor goes on.
func TestHTTPEdgeRevoked(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example").accounts("bob@b.example")
	a.accounts("alice@a.example")
	e, alice := a.app("alice@a.example")
	if err := e.Check(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	a.disable("alice@a.example")
	_, err := e.Send(t.Context(), alice, outgoing(t, "", 0), strings.NewReader(letter))
	equal(t, "sending", reason.Of(err), reason.AuthFailed)
	equal(t, "checking", reason.Of(e.Check(t.Context(), alice)), reason.AuthFailed)
	_, err = e.Refused(t.Context(), alice, outgoing(t, "", 0))
	equal(t, "recipients", reason.Of(err), reason.AuthFailed)
	equal(t, "jobs", len(a.jobs()), 0)
}
