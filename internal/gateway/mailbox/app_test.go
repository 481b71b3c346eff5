package mailbox_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"postern/httpedge"
	"postern/internal/gateway/mailbox"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/store"
)

// app is INBOX as an application sees it.
func (r *reading) app() *mailbox.AppInbox {
	apps := mailbox.NewApps(r, mailbox.Options{Now: func() time.Time { return r.now }})
	return apps.Inbox(login.Grant{Account: r.account, Proof: proof.OfPassword(store.Account{})}, netip.MustParseAddr("192.0.2.7"))
}

// Who looks at a message from outside has not read it: there is no record.
func TestLookReadsNothing(t *testing.T) {
	r := newReading(t, 1)
	a := r.app()
	page, err := a.List(t.Context(), httpedge.InboxQuery{Limit: 1})
	r.must(err)
	for _, open := range []struct {
		name string
		do   func() (httpedge.Received, httpedge.Body, error)
		want int
	}{
		{"Look", func() (httpedge.Received, httpedge.Body, error) { return a.Look(t.Context(), page.Messages[0].ID) }, 0},
		{"Open", func() (httpedge.Received, httpedge.Body, error) { return a.Open(t.Context(), page.Messages[0].ID) }, 1},
	} {
		m, body, err := open.do()
		r.must(err)
		if len(r.trail) != open.want || m.ID != page.Messages[0].ID || body.Size() != m.Size {
			t.Errorf("%s: %+v, %d octets, the trail has %v", open.name, m, body.Size(), r.trail)
		}
	}
	_, _, err = a.Look(t.Context(), "1-99")
	if !errors.Is(err, httpedge.ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}
}

// A cursor of another mailbox has had its time, and what is none never was one.
func TestCursors(t *testing.T) {
	r := newReading(t, 1)
	for after, stale := range map[string]bool{"1-1": true, "bogus": false, "1": false, "01-1": false, "1-1-1": false} {
		_, err := r.app().List(t.Context(), httpedge.InboxQuery{Limit: 1, After: after})
		if err == nil || errors.Is(err, httpedge.ErrStale) != stale {
			t.Errorf("after %s: %v", after, err)
		}
	}
}
