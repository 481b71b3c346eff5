package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/mime/mdn"
	"postern/store"
)

// AS-86: whatever two gateways tell each other, it comes to an end. Each odd
// notification goes both ways, about a message, about a notification, about itself
// and about nothing.
func TestAS86_TwoGatewaysComeToRest(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	id := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	w.runAll()
	equal(t, "state", a.states(id), []string{"bob@b.example dispatched"})
	sides := []struct {
		to       *site
		from, me string
		signer   peer
	}{
		{a, "bob@b.example", "alice@a.example", peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}},
		{b, "alice@a.example", "bob@b.example", peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}},
	}
	said := 0
	for _, about := range []string{"<m1@a.example>", "<odd@x.example>", "<none@x.example>", a.someNotification(b)} {
		for _, s := range sides {
			for _, odd := range oddNotifications(about) {
				text := fmt.Sprintf("From: %s\nTo: %s\nMessage-ID: <odd@x.example>\nDate: Mon, 01 Jun 2026 12:00:00 +0000\n"+
					"Subject: odd\nMIME-Version: 1.0\n%s", s.from, s.me, strings.ReplaceAll(odd, "RECIPIENT", s.from))
				s.to.receive(s.signer.seal(text, s.to, s.me), addr(t, s.from), addrs(t, s.me)...)
				said++
			}
		}
	}
	for range 5 {
		w.clock.advance(100 * time.Hour)
		w.settles(t, 0)
	}
	equal(t, "odd notifications", said, 4*2*len(oddNotifications("")))
	equal(t, "jobs left", len(a.jobs())+len(b.jobs())+len(a.jobs(store.WatchJob))+len(b.jobs(store.WatchJob)), 0)
}

// settles runs all sites and fails unless they send so many messages.
func (w *world) settles(t *testing.T, want int) {
	t.Helper()
	n := 0
	for range 50 {
		moved := false
		for _, s := range w.sites {
			s.run()
			sent, raw := s.taken()
			for i, d := range sent {
				moved = true
				n++
				w.carry(d, raw[i])
			}
		}
		if !moved {
			equal(t, "messages", n, want)
			return
		}
	}
	t.Fatal("it does not come to an end")
}

// someNotification is the Message-ID of one that the other side sent.
func (s *site) someNotification(from *site) string {
	s.t.Helper()
	id := ""
	from.view(func(tx store.Tx) error {
		return tx.EachTrack(store.TrackQuery{}, func(k store.Track) bool {
			if k.Outbound && k.Automatic {
				id = k.MessageID
			}
			return id == ""
		})
	})
	if id == "" {
		s.t.Fatal("nobody sent a notification")
	}
	return id
}

// oddNotifications are what stands behind the header of a notification about a
// message; each asks for an answer as well as it can.
func oddNotifications(about string) []string {
	ask := "Disposition-Notification-To: <RECIPIENT>\n" + wanted + "\nIn-Reply-To: " + about + "\n"
	part := func(kind string) string {
		return "\n--b\nContent-Type: text/plain\n\ntext\n--b\nContent-Type: message/" + kind + "\n\n"
	}
	mdnFields := func(d string) string {
		return "Final-Recipient: rfc822;RECIPIENT\nOriginal-Message-ID: " + about + "\nDisposition: automatic-action/MDN-sent-automatically;" + d + "\n--b--\n"
	}
	var all []string
	for _, d := range []string{"processed", "dispatched", "displayed", "failed", "denied", "error", "deleted", " Processed / Error", ""} {
		all = append(all, ask+"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n"+part("disposition-notification")+mdnFields(d))
	}
	for _, d := range []string{"failed", "delayed", "delivered", "relayed", "expanded", "odd"} {
		all = append(all, ask+"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n"+part("delivery-status")+
			"Reporting-MTA: dns; x\nX-Original-Message-ID: "+about+"\n\nFinal-Recipient: rfc822;RECIPIENT\nAction: "+d+"\nStatus: 5.0.0\n--b--\n")
	}
	return append(all,
		ask+"Auto-Submitted: auto-replied\nContent-Type: multipart/report; boundary=b\n"+part("disposition-notification")+mdnFields("processed"),
		ask+"Content-Type: MULTIPART/Report; Report-Type=\"disposition-notification\"; boundary=b\n"+part("delivery-status")+mdnFields("processed"),
		ask+"Content-Type: message/disposition-notification\n\nDisposition: processed\n",
		ask+"Content-Type: message/delivery-status\n\nAction: failed\n",
		ask+"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\nno parts\n",
		ask+"Content-Type: multipart/report; report-type=disposition-notification\n\nno boundary\n",
	)
}

// A careless out-of-office program answers everything, notifications too. It does so
// once: what answers a notification gets none.
func TestAS86_RepliesOfMachinesToNotifications(t *testing.T) {
	for kind, want := range map[string]int{"Auto-Submitted: auto-replied": 0, "Auto-Submitted: auto-generated; owner=x": 0, "Auto-Submitted: no": 1, "X-Mailer: x": 1} {
		w := newWorld(t)
		a, b := w.site("a.example"), w.site("b.example")
		a.accounts("alice@a.example")
		b.accounts("bob@b.example")
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		w.runAll()
		processed := parseMDN(t, a.inbox("alice@a.example")[0])
		reply := strings.Replace(message("alice@a.example", "bob@b.example", kind, "In-Reply-To: "+processed.MessageID), "<m1@", "<away1@", 1)
		a.submit(reply, "alice@a.example", "bob@b.example")
		w.settles(t, 1+want)
		equal(t, kind, len(b.inbox("bob@b.example")), 2)
	}
}

// AS-93: who is not entitled is neither counted nor shown, and recorded.
func TestAS93_SenderMismatchIsRecorded(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, nil, "bob@b.example")
	n := mdnText(t, w, "bob@b.example", mdn.Failed)
	text := strings.Replace(string(n), "From: bob@b.example", "From: mallory@m.example", 1)
	raw := peer{t: t, at: w.clock, id: w.root.Leaf("m.example")}.seal(text, a, "alice@a.example")
	in := a.receive(raw, addr(t, "mallory@m.example"), addrs(t, "alice@a.example")...)
	a.run()
	equal(t, "shown", len(a.shown()), 0)
	equal(t, "state", a.states(id), []string{"bob@b.example relayed"})
	equal(t, "its own", a.states(in), []string{"alice@a.example refused sender-mismatch"})
	equal(t, "recorded", a.events(id, store.StageNotify), []string{"MDN failed, not counted: mallory@m.example does not speak for bob@b.example"})
	equal(t, "answers", len(a.jobs()), 0)
}

// DN-12: the message is found by whichever of the fields names it.
func TestDN12_FoundByWhicheverField(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"Original-Message-ID": func(s string) string {
			return strings.NewReplacer("In-Reply-To: <m1@a.example>", "In-Reply-To: <x@x>", "References: <m1@a.example>", "References: <x@x>").Replace(s)
		},
		"X-Original-Message-ID": func(s string) string {
			return strings.NewReplacer("\r\nOriginal-", "\r\nX-Original-", "In-Reply-To: <m1@a.example>\r\n", "", "References: <m1@a.example>\r\n", "").Replace(s)
		},
		"In-Reply-To": func(s string) string {
			return strings.NewReplacer("Original-Message-ID: <m1@a.example>", "Original-Message-ID: <x@x>", "References: <m1@a.example>\r\n", "").Replace(s)
		},
		"References": func(s string) string {
			return strings.NewReplacer("Original-Message-ID: <m1@a.example>\r\n", "", "In-Reply-To: <m1@a.example>\r\n", "").Replace(s)
		},
		"another case of the recipient": func(s string) string {
			return strings.Replace(s, "rfc822;bob@b.example", "RFC822; <BOB@B.Example.>", 1)
		},
		"no final recipient": func(s string) string { return strings.Replace(s, "Final-Recipient: rfc822;bob@b.example\r\n", "", 1) },
		"the original recipient": func(s string) string {
			return strings.Replace(s, "Final-Recipient: rfc822;bob@b.example", "Original-Recipient: rfc822;bob@b.example\r\nFinal-Recipient: rfc822;robert@b.example", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, id := sent(t, w, nil, "bob@b.example")
			text := change(string(mdnText(t, w, "bob@b.example", mdn.Processed)))
			a.say(peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}, []byte(text), "bob@b.example")
			equal(t, "state", a.states(id), []string{"bob@b.example processed"})
		})
	}
}

// Two messages under one Message-ID: each has its answers.
func TestDN12_OneMessageIDTwice(t *testing.T) {
	w := newWorld(t)
	a, first := sent(t, w, nil, "bob@b.example")
	second := a.submit(message("alice@a.example", "bob@b.example")+"another\n", "alice@a.example", "bob@b.example")
	a.run()
	a.hears("b.example", "bob@b.example", mdn.Failed, false)
	a.hears("b.example", "bob@b.example", mdn.Failed, false)
	equal(t, "first", a.states(first), []string{"bob@b.example failed peer-refused"})
	equal(t, "second", a.states(second), []string{"bob@b.example failed peer-refused"})
	equal(t, "shown", a.shown(), []string{"failed", "failed"})
}
