package gateway

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/httpedge"
	"postern/store"
	"postern/trust/reason"
)

// EP-11: a request that was let in takes its time. Whatever it changes is looked at again
// in the transaction that changes it: a token that is no good any more by then makes no
// web hook, whoever has the account now, and sends, takes over and removes nothing.
func TestWhatATokenBeganItMustStillBeGoodFor(t *testing.T) {
	for how, end := range map[string]func(*site, store.Access){
		"revoked": func(s *site, a store.Access) {
			s.update(func(tx store.Tx) error { return tx.RemoveAccess(a.Account, a.ID) })
		},
		"expired":                 func(s *site, _ store.Access) { s.clock().advance(48 * time.Hour) },
		"its account is disabled": func(s *site, _ store.Access) { s.leaves("alice@a.example", "disabled") },
		"its account is removed":  func(s *site, _ store.Access) { s.leaves("alice@a.example", "removed") },
		"its account is somebody else's": func(s *site, _ store.Access) {
			s.leaves("alice@a.example", "made anew")
			s.accounts("eve@a.example")
			s.submit(message("eve@a.example", "alice@a.example"), "eve@a.example", "alice@a.example")
			s.run()
		},
	} {
		t.Run(how, func(t *testing.T) {
			_, a, _ := aliceAnd(t, "bob@b.example")
			a.accounts("ann@a.example")
			a.submit(message("ann@a.example", "alice@a.example"), "ann@a.example", "alice@a.example")
			a.run()
			_, token := a.withToken("send", "read", "hooks")
			access := a.accessOf("alice@a.example")
			access.Expires = a.Now().Add(24 * time.Hour)
			a.update(func(tx store.Tx) error { return tx.PutAccess(access) })
			e := NewHTTPEdge(a.Core)
			l, err := e.Authenticate(t.Context(), token, netip.MustParseAddrPort("192.0.2.7:1"))
			if err != nil {
				t.Fatal(err)
			}
			made, err := e.AddHook(t.Context(), l, "https://app.example/in", []string{"arrived"})
			if err != nil {
				t.Fatal(err)
			}
			page, err := e.Messages(t.Context(), l, httpedge.InboxQuery{Limit: 1})
			if err != nil || len(page.Messages) != 1 {
				t.Fatal(page, err)
			}
			id := page.Messages[0].ID
			end(a, access)
			before := a.all()
			for route, do := range map[string]func(context.Context) error{
				"POST /v1/messages": func(ctx context.Context) error {
					_, err := e.Send(ctx, l, outgoing(t, "k", 1), strings.NewReader(letter))
					return err
				},
				"GET /v1/messages/{id}": func(ctx context.Context) error {
					_, _, err := e.Open(ctx, l, id)
					return err
				},
				"PUT /v1/messages/{id}/ack":    func(ctx context.Context) error { return e.Acknowledge(ctx, l, id, true) },
				"DELETE /v1/messages/{id}/ack": func(ctx context.Context) error { return e.Acknowledge(ctx, l, id, false) },
				"DELETE /v1/messages/{id}":     func(ctx context.Context) error { return e.Remove(ctx, l, id) },
				"POST /v1/hooks": func(ctx context.Context) error {
					_, err := e.AddHook(ctx, l, "https://evil.example/in", []string{"arrived"})
					return err
				},
				"DELETE /v1/hooks/{id}":      func(ctx context.Context) error { return e.RemoveHook(ctx, l, made.ID) },
				"POST /v1/hooks/{id}/enable": func(ctx context.Context) error { return e.EnableHook(ctx, l, made.ID) },
				"POST /v1/hooks/{id}/secret": func(ctx context.Context) error {
					_, err := e.RotateHook(ctx, l, made.ID)
					return err
				},
			} {
				err := do(t.Context())
				another := strings.Contains(how, "somebody") && strings.Contains(route, "messages/{id}") // hers has another id
				if reason.Of(err) != reason.AuthFailed && !another || err == nil {
					t.Errorf("%s: %v", route, err)
				}
			}
			equal(t, "what is there", a.all(), before)
		})
	}
}

// all is what of a site a token could change.
func (s *site) all() (text string) {
	s.t.Helper()
	var all strings.Builder
	hooks, err := s.Hooks(s.t.Context(), addr(s.t, "alice@a.example"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, h := range hooks {
		all.WriteString(h.ID + " " + h.URL + "\n")
	}
	for _, j := range s.jobs() {
		all.WriteString(string(j.Kind) + " " + string(j.Track) + "\n")
	}
	s.view(func(tx store.Tx) error {
		box, known, err := unlessMissing(tx.MailboxByName(addr(s.t, "alice@a.example"), store.Inbox))
		if err != nil || !known {
			return err
		}
		return tx.EachMessage(box.ID, 1, func(m store.Message) bool {
			all.WriteString(string(m.Track) + " " + strings.Join(m.Flags, " ") + "\n")
			return true
		})
	})
	return all.String()
}

func (s *site) accessOf(account string) (a store.Access) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		all, err := tx.AccessesOf(addr(s.t, account))
		a = all[len(all)-1]
		return err
	})
	return a
}

// Who waits for mail of an account that is removed meanwhile, or asks for it, is told that
// the token is no good any more, and not that there is no such thing.
func TestWhoWaitsForMailOfARemovedAccount(t *testing.T) {
	_, a, _ := twoSites(t)
	e, l := a.app("alice@a.example")
	page, err := e.Messages(t.Context(), l, httpedge.InboxQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- e.Wait(t.Context(), l, page) }()
	a.leaves("alice@a.example", "removed")
	if err = <-ended; reason.Of(err) != reason.AuthFailed {
		t.Errorf("waiting: %v", err)
	}
	if _, err = e.Messages(t.Context(), l, httpedge.InboxQuery{Limit: 1}); reason.Of(err) != reason.AuthFailed {
		t.Errorf("a list: %v", err)
	}
	if _, _, err = e.Open(t.Context(), l, "1-1"); reason.Of(err) != reason.AuthFailed {
		t.Errorf("a message: %v", err)
	}
}
