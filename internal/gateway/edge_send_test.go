package gateway

import (
	"strings"
	"sync"
	"testing"

	"postern/httpedge"
	"postern/store"
	"postern/trust/discovery"
)

// Recipients are judged by the anchors of the domain that the message is sent as: those
// of the account's own domain are no part of it.
func TestHTTPEdgeJudgesForTheSender(t *testing.T) {
	w := newWorld(t)
	a := w.bare("a.example", "m.example")
	w.site("b.example")
	a.accounts("alice@a.example", "nurse@m.example")
	a.senders("alice@a.example", "nurse@m.example")
	a.trust("m.example", store.Both, w.root)
	a.RefuseUnreachable = true
	e, alice := a.app("alice@a.example")
	for from, want := range map[string]string{"alice@a.example": "no-anchors", "nurse@m.example": ""} {
		refused, err := e.Refused(t.Context(), alice, httpedge.Outgoing{From: addr(t, from), To: addrs(t, "bob@b.example")})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range refused {
			got += reasonOf(r.Err)
		}
		equal(t, from, got, want)
	}
}

// What comes over HTTP is sent as what the account may use, in its envelope and in its
// header, and has a Message-ID whoever gave it none.
func TestEP11_EP12_HTTPEdgeSendsAsItsOwn(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example").accounts("bob@b.example")
	a.accounts("alice@a.example", "ann@a.example", "ward@a.example")
	a.senders("alice@a.example", "ward@a.example")
	e, alice := a.app("alice@a.example")
	for _, tt := range []struct{ from, header, refused, sent string }{
		{"alice@a.example", "alice@a.example", "ok", "ok"},
		{"ward@a.example", "ward@a.example", "ok", "ok"},
		{"ann@a.example", "ann@a.example", "sender-not-allowed", "sender-not-allowed"},
		{"alice@a.example", "ann@a.example", "ok", "sender-not-allowed"},
	} {
		name := tt.from + " with From: " + tt.header
		m := httpedge.Outgoing{From: addr(t, tt.from), To: addrs(t, "bob@b.example")}
		_, err := e.Refused(t.Context(), alice, m)
		equal(t, name+": at once", reasonOf(err), tt.refused)
		text := strings.Replace(string(crlf(message(tt.header, "bob@b.example"))), "Message-ID: <m1@a.example>\r\n", "", 1)
		sent, err := e.Send(t.Context(), alice, m, strings.NewReader(text))
		equal(t, name, reasonOf(err), tt.sent)
		if err == nil && !strings.HasSuffix(sent.MessageID, ".a.example>") {
			t.Errorf("%s: it is sent as %+v", name, sent)
		}
	}
}

// All recipients are looked for at once, and those that are refused are named in their
// order.
func TestHTTPEdgeLooksForRecipientsSideBySide(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	a.RefuseUnreachable = true
	e, alice := a.app("alice@a.example")
	to := addrs(t, "x@one.example", "nobody@a.example", "bob@b.example", "y@two.example", "z@three.example")
	var looking sync.WaitGroup
	looking.Add(4) // those that are not ours
	w.find = func(discovery.Request) (discovery.Result, bool) {
		looking.Done()
		looking.Wait()
		return discovery.Result{}, false
	}
	refused, err := e.Refused(t.Context(), alice, httpedge.Outgoing{From: alice.Account, To: to})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range refused {
		got = append(got, r.Recipient.String()+" "+reasonOf(r.Err))
	}
	equal(t, "refused", got, []string{"x@one.example no-certificate", "nobody@a.example unknown-recipient", "y@two.example no-certificate", "z@three.example no-certificate"})
}

// What an account handed in is listed for it under whatever address it was sent, and for
// nobody else.
func TestHTTPEdgeListsWhatWasSentAsOthers(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example").accounts("bob@b.example")
	a.accounts("alice@a.example", "ann@a.example")
	a.senders("alice@a.example", "ann@a.example", "ward@a.example")
	e, alice := a.app("alice@a.example")
	_, ann := a.app("ann@a.example")
	want := make(map[string]string)
	for _, from := range []string{"alice@a.example", "ann@a.example", "ward@a.example"} {
		text := strings.ReplaceAll(string(crlf(message(from, "bob@b.example"))), "<m1@", "<"+from[:2])
		sent, err := e.Send(t.Context(), alice, httpedge.Outgoing{From: addr(t, from), To: addrs(t, "bob@b.example")}, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		want[sent.ID] = from
	}
	w.runAll()
	got := make(map[string]string)
	for after := ""; ; {
		page, err := e.SentMessages(t.Context(), alice, httpedge.SentQuery{Limit: 1, After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			got[m.ID] = m.From.String()
		}
		after = page.Next
		if after == "" {
			break
		}
	}
	equal(t, "alice's", got, want)
	page, err := e.SentMessages(t.Context(), ann, httpedge.SentQuery{Limit: 10})
	if err != nil || len(page.Messages) != 0 {
		t.Errorf("ann's: %+v, %v", page, err)
	}
}

// A page of messages to many ends early, and the list goes on behind it.
func TestHTTPEdgePagesAreBoundedByRecipients(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	e, alice := a.app("alice@a.example")
	const messages, recipients = 25, 100
	err := e.Store.Update(t.Context(), func(tx store.Tx) error {
		account, err := tx.Account(alice.Account)
		if err != nil {
			return err
		}
		for range messages {
			id, err := store.NewTrackID(e.Now(), nil)
			track := store.Track{ID: id, Outbound: true, Account: alice.Account, Sender: alice.Account, Era: account.Era}
			for range recipients {
				track.Recipients = append(track.Recipients, store.TrackRecipient{Address: addr(t, "bob@b.example"), State: store.TrackQueued})
			}
			if err == nil {
				err = tx.PutTrack(track)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for after := ""; ; {
		page, err := e.SentMessages(t.Context(), alice, httpedge.SentQuery{Limit: 500, After: after})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, len(page.Messages))
		after = page.Next
		if after == "" {
			break
		}
	}
	equal(t, "messages of each page", got, []int{10, 10, 5})
}
