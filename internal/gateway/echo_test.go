package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/mime/mdn"
)

// AS-86: a program that answers everything, our notifications as well, is not answered
// without an end.
func TestAS86_AutomaticAnswersComeToAnEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		fields []string // %s is what is answered
		rounds int
	}{
		"RFC 3834":                   {[]string{"Auto-Submitted: auto-replied", "In-Reply-To: %s"}, 1},
		"generated":                  {[]string{"Auto-Submitted: auto-generated; owner=x", "References: <x@a.example> %s"}, 1},
		"X-Autoreply":                {[]string{"X-Autoreply: yes", "In-Reply-To: %s"}, 1},
		"Precedence":                 {[]string{"Precedence: auto_reply", "In-Reply-To: %s"}, 1},
		"bulk":                       {[]string{"Precedence: Bulk", "In-Reply-To: %s"}, 1},
		"X-Auto-Response-Suppress":   {[]string{"X-Auto-Response-Suppress: All", "References: %s"}, 1},
		"in another case":            {[]string{"AUTO-SUBMITTED: AUTO-REPLIED", "In-Reply-To: UPPER%s"}, 1},
		"it does not say to what":    {[]string{"Auto-Submitted: auto-replied"}, 1 + mostAnswers},
		"nor by RFC 3834":            {[]string{"Precedence: auto_reply", "Precedence: bulk"}, 1 + mostAnswers},
		"a machine that sends a lot": {[]string{"Auto-Submitted: auto-generated", "Precedence: bulk"}, 25},
		"an ordinary correspondent":  {[]string{"In-Reply-To: %s", "Auto-Submitted: no"}, 25},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.site("a.example")
			b := w.site("b.example")
			b.accounts("bob@b.example")
			p := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
			text := message("alice@a.example", "bob@b.example")
			rounds := 0
			for ; rounds < 25; rounds++ {
				b.receive(p.seal(text, b, "bob@b.example"), addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
				b.run()
				sent, raw := b.taken()
				if len(sent) == 0 {
					break
				}
				id := headerOf(t, string(raw[0])).MessageID()
				var fields []string
				for _, f := range tt.fields {
					f = strings.Replace(f, "UPPER%s", strings.ToUpper(id), 1)
					fields = append(fields, strings.Replace(f, "%s", id, 1))
				}
				text = strings.Replace(message("alice@a.example", "bob@b.example", fields...), "<m1@", fmt.Sprintf("<r%d@", rounds), 1)
			}
			equal(t, "rounds", rounds, tt.rounds)
			w.clock.advance(answersWithin + time.Second)
			b.receive(p.seal(strings.Replace(text, "@a.example>\nDate", "-late@a.example>\nDate", 1), b, "bob@b.example"), addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
			b.run()
			sent, _ := b.taken()
			if rounds != 1 && len(sent) != 1 {
				t.Error("an hour later it is not answered again")
			}
		})
	}
}

// AS-85: who asks an automatic responder is not cut off from it, whatever he asked
// for. A responder that answers our notifications as if they were the question is.
func TestAS85_AS86_AutomaticAnswersToOrdinaryMessages(t *testing.T) {
	for name, tt := range map[string]struct {
		questions int // asked in turn
		fields    []string
		answered  int
	}{
		"each its own":                {15, nil, 15},
		"final delivery asked":        {15, []string{wanted}, 15},
		"all to the first":            {1, nil, mostAnswers},
		"all to the first, and asked": {1, []string{wanted}, mostAnswers},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.site("a.example")
			b := w.site("b.example")
			b.accounts("bob@b.example")
			p := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
			answered := 0
			for i := range 15 {
				if i < tt.questions {
					b.submit(strings.Replace(message("bob@b.example", "records@a.example"), "<m1@", fmt.Sprintf("<q%d@", i), 1), "bob@b.example", "records@a.example")
					b.run()
					b.taken()
				}
				fields := append([]string{"Auto-Submitted: auto-replied", fmt.Sprintf("In-Reply-To: <Q%d@a.example>", i%tt.questions)}, tt.fields...)
				b.gets(p, "records@a.example", fmt.Sprintf("r%d", i), fields...)
				sent, _ := b.taken()
				if len(sent) > 0 {
					answered++
				}
			}
			equal(t, "answered", answered, tt.answered)
		})
	}
}

// Ordinary mail does not use up what automatic replies are allowed.
func TestAS85_OrdinaryMailAndAutomaticReplies(t *testing.T) {
	w := newWorld(t)
	w.site("a.example")
	b := w.site("b.example")
	b.accounts("bob@b.example")
	p := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	for i := range mostAnswers {
		b.gets(p, "alice@a.example", fmt.Sprintf("r%d", i), wanted)
	}
	b.taken()
	b.gets(p, "alice@a.example", "reply", "Auto-Submitted: auto-replied")
	sent, _ := b.taken()
	equal(t, "answered", len(sent), 1)
}

// gets lets bob get a message.
func (s *site) gets(p peer, from, id string, fields ...string) {
	s.t.Helper()
	text := strings.Replace(message(from, "bob@b.example", fields...), "<m1@", "<"+id+"@", 1)
	s.receive(p.seal(text, s, "bob@b.example"), addr(s.t, from), addrs(s.t, "bob@b.example")...)
	s.run()
}

// AS-93: an account notifies of its own messages alone.
func TestAS93_SubmittedNotifications(t *testing.T) {
	report := func(kind, fields string) string {
		return "From: bob@b.example\nTo: alice@a.example\nMessage-ID: <n1@b.example>\nDate: Mon, 01 Jun 2026 12:00:00 +0000\nMIME-Version: 1.0\n" +
			"Content-Type: multipart/report; report-type=" + kind + "; boundary=b\n\n--b\nContent-Type: text/plain\n\ntext\n--b\n" +
			fields + "--b--\n"
	}
	fields := func(kind, fields string) string { return "Content-Type: message/" + kind + "\n\n" + fields }
	const (
		ofMDN, ofDSN = "disposition-notification", "delivery-status"
		displayed    = "Original-Message-ID: <m1@a.example>\nDisposition: manual-action/MDN-sent-manually; displayed\n"
		failed       = "X-Original-Message-ID: <m1@a.example>\n\nFinal-Recipient: rfc822;bob@b.example\nAction: failed\nStatus: 5.0.0\n"
	)
	for name, tt := range map[string]struct{ text, want string }{
		"its own":              {report(ofMDN, fields(ofMDN, "Final-Recipient: rfc822;Bob@B.example\n"+displayed)), "ok"},
		"nobody named":         {report(ofMDN, fields(ofMDN, displayed)), "ok"},
		"a colleague's":        {report(ofMDN, fields(ofMDN, "Final-Recipient: rfc822;ben@b.example\n"+displayed)), "sender-not-allowed"},
		"a colleague's before": {report(ofMDN, fields(ofMDN, "Original-Recipient: rfc822;ben@b.example\nFinal-Recipient: rfc822;bob@b.example\n"+displayed)), "sender-not-allowed"},
		"a DSN":                {report(ofDSN, fields(ofDSN, failed)), "bad-header"},
		"a DSN in an MDN":      {report(ofMDN, fields(ofDSN, failed)), "bad-header"},
		"an MDN in a DSN":      {report(ofDSN, fields(ofMDN, "Final-Recipient: rfc822;ben@b.example\n"+displayed)), "sender-not-allowed"},
		"nothing in it":        {report(ofMDN, "\n"), "bad-header"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.site("a.example"), w.site("b.example")
			a.accounts("alice@a.example")
			b.accounts("bob@b.example", "ben@b.example")
			id, err := b.try(tt.text, "bob@b.example", "alice@a.example")
			equal(t, "refused", reasonOf(err), tt.want)
			if tt.want != "ok" {
				equal(t, "jobs", len(b.jobs()), 0)
				return
			}
			b.run()
			equal(t, "states", b.states(id), []string{"alice@a.example relayed"})
			w.runAll()
			equal(t, "received as it was", parseMDN(t, a.inbox("alice@a.example")[0]).Disposition, mdn.Displayed)
		})
	}
}
