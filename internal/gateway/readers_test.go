package gateway

import (
	"strings"
	"testing"

	"postern/mime"
	"postern/mime/dsn"
	"postern/store"
)

// Two who send as one address under one Message-ID: each is told of whom he wrote to.
func TestNotificationsOfOneMessageIDAreOfWhoWroteToTheirRecipient(t *testing.T) {
	w, a, _ := aliceAnd(t, "bob@b.example", "carl@b.example")
	a.accounts("ehr1@a.example", "ehr2@a.example")
	a.senders("ehr1@a.example", "@a.example")
	a.senders("ehr2@a.example", "@a.example")
	one := a.submitAs("ehr1@a.example", message("nurse@a.example", "bob@b.example", wanted), "nurse@a.example", "bob@b.example")
	two := a.submitAs("ehr2@a.example", strings.Replace(message("nurse@a.example", "carl@b.example", wanted), canary, "other", 1), "nurse@a.example", "carl@b.example")
	w.settle()
	wantStates(t, a.states(one), "bob@b.example dispatched")
	wantStates(t, a.states(two), "carl@b.example dispatched")
	equal(t, "ehr1 heard", a.answersAt("ehr1@a.example"), []string{"bob@b.example dispatched", "bob@b.example processed"})
	equal(t, "ehr2 heard", a.answersAt("ehr2@a.example"), []string{"carl@b.example dispatched", "carl@b.example processed"})
}

// Who has an address next is not told whom it was written to from before, though he sends
// under the same Message-ID; what was sent before moves all the same.
func TestDN8_NotificationsOfTheFormerUnderAMessageIDOfTheNext(t *testing.T) {
	for _, whose := range []string{"the former's", "the next's"} {
		w, a, _ := aliceAnd(t, "bob@b.example", "carl@b.example")
		one := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
		a.run()
		sent, raw := a.taken()
		a.leaves("alice@a.example", "made anew")
		two := a.submit(message("alice@a.example", "carl@b.example", wanted), "alice@a.example", "carl@b.example")
		a.run()
		next, rawNext := a.taken()
		var heard []string
		if whose == "the former's" {
			w.carry(sent[0], raw[0])
		} else {
			w.carry(next[0], rawNext[0])
			heard = []string{"carl@b.example dispatched", "carl@b.example processed"}
		}
		w.settle()
		equal(t, whose+": she heard", a.answersAt("alice@a.example"), heard)
		if whose == "the former's" {
			wantStates(t, a.states(one), "bob@b.example dispatched")
			wantStates(t, a.states(two), "carl@b.example relayed")
		} else {
			wantStates(t, a.states(one), "bob@b.example relayed")
			wantStates(t, a.states(two), "carl@b.example dispatched")
		}
	}
}

// A failure notice is of who wrote to all whom it names, also where another wrote to some
// of them. One that names those of several is about no message, and is for nobody.
func TestDN8_AFailureNoticeIsOfWhoWroteToAllThatItNames(t *testing.T) {
	for _, tt := range []struct {
		names      []string
		one, two   string // what becomes of dan, to whom both wrote
		ehr1, ehr2 int
	}{
		{[]string{"bob@b.example", "dan@b.example"}, "failed", "relayed", 1, 0},
		{[]string{"dan@b.example", "carl@b.example"}, "relayed", "failed", 0, 1},
		{[]string{"bob@b.example", "carl@b.example"}, "relayed", "relayed", 0, 0},
	} {
		for _, former := range []bool{false, true} {
			w := newWorld(t)
			a := w.site("a.example")
			a.accounts("ehr1@a.example", "ehr2@a.example")
			first, from := "ehr1@a.example", "nurse@a.example"
			if former {
				first, from = "nurse@a.example", "nurse@a.example"
				a.accounts(from)
			} else {
				a.senders("ehr1@a.example", "@a.example")
			}
			w.site("b.example")
			one := a.submitAs(first, message(from, "bob@b.example"), from, "bob@b.example", "dan@b.example")
			a.run()
			second := "ehr2@a.example"
			if former {
				a.leaves(from, "made anew")
				second = from
			} else {
				a.senders("ehr2@a.example", "@a.example")
			}
			two := a.submitAs(second, message(from, "carl@b.example"), from, "carl@b.example", "dan@b.example")
			a.run()
			a.taken()
			n := dsn.Notification{
				From: addr(t, "postmaster@b.example"), To: addr(t, from), Date: w.clock.Now(), MessageID: "<n@b.example>",
				ReportingMTA: "mail.b.example", OriginalMessageID: "<m1@a.example>",
			}
			for _, name := range tt.names {
				n.Recipients = append(n.Recipients, dsn.Recipient{Final: addr(t, name), Action: dsn.Failed, Status: "5.1.1"})
			}
			text, err := n.Compose(nil)
			equal(t, "composed", err, nil)
			p := peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}
			a.receive(p.seal(string(text), a, from), addr(t, "postmaster@b.example"), []mime.Address{addr(t, from)}...)
			a.run()
			dan := func(id store.TrackID) (state string) {
				a.view(func(tx store.Tx) error {
					k, err := tx.Track(id)
					state = string(recipientOf(&k, addr(t, "dan@b.example")).State)
					return err
				})
				return state
			}
			equal(t, "dan of each", []string{dan(one), dan(two)}, []string{tt.one, tt.two})
			want := []int{tt.ehr1, tt.ehr2}
			if former {
				want[0] = tt.ehr2 // both read the same mailbox, and the former's is nobody's
				equal(t, "she has", len(a.inbox(from)), want[0])
				continue
			}
			equal(t, "ehr1 and ehr2 have", []int{len(a.inbox("ehr1@a.example")), len(a.inbox("ehr2@a.example"))}, want)
		}
	}
}
