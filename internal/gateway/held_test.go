package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/httpedge"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// leaves ends the time of an account, in one of the ways there are.
func (s *site) leaves(account, how string) {
	s.t.Helper()
	if how == "disabled" {
		s.change(account, func(a *store.Account) { a.Disabled = true })
		return
	}
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(addr(s.t, account)) })
	switch how {
	case "made anew":
		s.accounts(account)
	case "an alias": // of somebody else
		s.accounts("carol@b.example")
		s.alias(account, "carol@b.example")
	}
}

// What waits for an edge is of who held the address when it came: it is handed over for
// nobody who is gone or shut out, and reaches nobody who has the address since.
func TestDN8_PushesOfWhoIsGone(t *testing.T) {
	for _, owner := range []string{"bob@b.example", "b.example"} {
		for _, edge := range []string{"works", "is gone", "refuses", "is down"} {
			for _, how := range []string{"removed", "made anew", "an alias", "disabled"} {
				t.Run(owner+" "+edge+", "+how, func(t *testing.T) {
					w, a, b := twoSites(t)
					e := b.pushes(owner)
					e.isDown()
					a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
					w.settle()
					b.leaves("bob@b.example", how)
					switch edge {
					case "works":
						e.answer = nil
					case "refuses":
						e.says(reason.PeerRefused, 550)
					case "is gone":
						b.update(func(tx store.Tx) error {
							all, err := tx.Edges()
							for _, x := range all {
								err = tx.RemoveEdge(x.Owner)
							}
							return err
						})
					}
					met := len(e.met)
					b.clock().advance(time.Minute)
					w.settle()
					want := reason.UnknownRecipient
					if how == "disabled" {
						want = reason.RecipientDisabled
					}
					in := b.tracksOf("<m1@a.example>")[0]
					equal(t, "state", in.Recipients[0].State, store.TrackFailed)
					equal(t, "reason", in.Recipients[0].Reason, want.String())
					equal(t, "alice heard", a.answersAt("alice@a.example"), []string{"bob@b.example failed", "bob@b.example processed"})
					equal(t, "met", len(e.met)-met+len(e.got), 0)
					equal(t, "jobs", len(b.jobs()), 0)
					next := map[string]string{"made anew": "bob@b.example", "an alias": "carol@b.example"}[how]
					if next != "" {
						equal(t, "INBOX", len(b.inbox(next)), 0)
					}
				})
			}
		}
	}
}

// A notice of ours that waits for an edge goes with its account. Of one that is shut out
// it is kept, for nobody else would hear of it.
func TestNoticesThatWaitForAnEdgeAreOfTheirHolder(t *testing.T) {
	for how, want := range map[string]int{"made anew": 0, "disabled": 1} {
		t.Run(how, func(t *testing.T) {
			w, a, _ := twoSites(t)
			e := a.pushes("a.example")
			e.isDown()
			a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			w.settle()
			e.answer = nil
			a.leaves("alice@a.example", how)
			w.clock.advance(time.Hour)
			w.settle()
			equal(t, "taken and in INBOX", []int{len(e.got), len(a.inbox("alice@a.example")), len(a.jobs(store.PushJob))}, []int{0, want, 0})
		})
	}
}

// A message that was taken and waits to be opened is for who held the address when it was
// taken.
func TestDN8_OpeningsOfWhoIsGone(t *testing.T) {
	for _, how := range []string{"removed", "made anew", "an alias", "disabled", "nothing"} {
		t.Run(how, func(t *testing.T) {
			w, a, b := twoSites(t)
			a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			a.run()
			sent, raw := a.taken()
			w.carry(sent[0], raw[0])
			equal(t, "open jobs", len(b.jobs(store.OpenJob)), 1)
			if how == "nothing" {
				b.change("bob@b.example", func(*store.Account) {}) // as any change does
				b.accounts("carol@b.example")
			} else {
				b.leaves("bob@b.example", how)
			}
			w.settle()
			in := b.tracksOf("<m1@a.example>")[0]
			if how == "nothing" {
				equal(t, "inbox", len(b.inbox("bob@b.example")), 1)
				return
			}
			want := reason.UnknownRecipient
			if how == "disabled" {
				want = reason.RecipientDisabled
			}
			equal(t, "state", in.Recipients[0].State, store.TrackFailed)
			equal(t, "reason", in.Recipients[0].Reason, want.String())
			equal(t, "alice heard", a.answersAt("alice@a.example"), []string{"bob@b.example failed", "bob@b.example processed"})
			if how == "made anew" {
				equal(t, "inbox", len(b.inbox("bob@b.example")), 0)
			}
		})
	}
}

// What becomes of a message is told to who sent it, and never to who has the address
// since: by no notice, notification or event, nor over HTTP.
func TestWhatTheFormerHolderSentIsNotTold(t *testing.T) {
	w, a, _ := twoSites(t)
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerDeferred) }
	e, alice := a.app("alice@a.example")
	id := a.submit(message("alice@a.example", "bob@b.example>, <x@nowhere.example", wanted), "alice@a.example", "bob@b.example", "x@nowhere.example")
	if _, err := e.SentMessage(t.Context(), alice, string(id)); err != nil {
		t.Fatal(err)
	}
	a.leaves("alice@a.example", "made anew")
	r, _, _ := a.everything("alice@a.example")
	r.says(http.StatusOK)
	w.runAll()
	a.answer = nil // bob@ gets it, and answers
	w.clock.advance(time.Hour)
	w.settle()
	w.clock.advance(80 * time.Hour)
	w.settle()
	equal(t, "inbox", a.inbox("alice@a.example"), nil)
	equal(t, "events", len(r.got), 0)
	e, alice = a.app("alice@a.example")
	if _, err := e.SentMessage(t.Context(), alice, string(id)); err == nil {
		t.Error("she is shown it")
	}
	if _, err := e.SentMessage(t.Context(), alice, "<m1@a.example>"); err == nil {
		t.Error("she is shown it by its name")
	}
	page, err := e.SentMessages(t.Context(), alice, httpedge.SentQuery{Limit: 10})
	if err != nil || len(page.Messages) > 0 {
		t.Errorf("listed %v, %v", page, err)
	}
	a.view(func(tx store.Tx) error { // the operator is
		k, err := tx.Track(id)
		equal(t, "states", len(k.Recipients), 2)
		return err
	})
	// What she sends herself she hears of.
	a.submit(strings.Replace(message("alice@a.example", "bob@b.example", wanted), "m1@", "m2@", 1), "alice@a.example", "bob@b.example")
	w.settle()
	if len(a.inbox("alice@a.example")) == 0 || len(r.got) == 0 {
		t.Errorf("of her own: %d in INBOX, %d events", len(a.inbox("alice@a.example")), len(r.got))
	}
}
