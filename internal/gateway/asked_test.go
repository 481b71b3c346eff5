package gateway

import (
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/mime"
	"postern/mime/dsn"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// submitAsking hands in a message to one recipient with what RFC 3461 lets a client ask
// for.
func (s *site) submitAsking(text, from, to, envelope string, asked smtp.Asked) store.TrackID {
	s.t.Helper()
	a := addr(s.t, from)
	id, err := Submission{s.Core}.Accept(s.t.Context(), smtp.Envelope{
		Account: a, Proof: s.proof(a), From: a, To: addrs(s.t, to), Asked: []smtp.Asked{asked}, EnvelopeID: envelope,
	}, strings.NewReader(string(crlf(text))))
	if err != nil {
		s.t.Fatal(err)
	}
	return store.TrackID(id)
}

// noticesIn are the DSNs in a mailbox.
func (s *site) noticesIn(account string) []*dsn.Notification {
	s.t.Helper()
	var all []*dsn.Notification
	for _, text := range s.inbox(account) {
		n, err := dsn.Parse(strings.NewReader(text), mime.Limits{})
		if err == nil {
			all = append(all, n)
		}
	}
	return all
}

// RFC 3461: NOTIFY is heeded in the notices that we make, except where Direct's own
// rules have the sender told.
func TestNotifyIsHeeded(t *testing.T) {
	const final = "Disposition-Notification-Options: X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,true"
	for name, row := range map[string]struct {
		notify smtp.Notify
		field  []string
		fails  bool
		want   []dsn.Action
	}{
		"nothing said":              {0, nil, true, []dsn.Action{dsn.Failed}},
		"failure":                   {smtp.NotifyFailure, nil, true, []dsn.Action{dsn.Failed}},
		"never":                     {smtp.NotifyNever, nil, true, nil},
		"success alone":             {smtp.NotifySuccess, nil, true, nil},
		"never, and final delivery": {smtp.NotifyNever, []string{final}, true, []dsn.Action{dsn.Failed}},
		"taken, nothing said":       {0, nil, false, nil},
		"taken, success":            {smtp.NotifySuccess | smtp.NotifyFailure, nil, false, []dsn.Action{dsn.Relayed}},
		"taken, never":              {smtp.NotifyNever, nil, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			b := w.site("b.example")
			a.accounts("alice@a.example")
			b.accounts("bob@b.example")
			to := "bob@b.example"
			if row.fails {
				to = "bob@elsewhere.example"
			}
			id := a.submitAsking(message("alice@a.example", to, row.field...), "alice@a.example", to, "id 7", smtp.Asked{Notify: row.notify, Original: "rfc822;Robert@x.example"})
			a.run()
			w.clock.advance(time.Second)
			a.run()
			var got []dsn.Action
			for _, n := range a.noticesIn("alice@a.example") {
				got = append(got, n.Recipients[0].Action)
				equal(t, "original recipient", n.Recipients[0].Original.String(), "Robert@x.example")
			}
			equal(t, "notices", got, row.want)
			equal(t, "overdue, by the trail", a.deeds(audit.Overdue), 0)
			for _, text := range a.inbox("alice@a.example") {
				if strings.Contains(text, "multipart/report") && !strings.Contains(text, "Original-Envelope-Id: id 7\r\n") {
					t.Errorf("no envelope id in %s", text)
				}
			}
			if row.fails {
				equal(t, "state", a.states(id), []string{"bob@elsewhere.example failed no-certificate"})
			}
		})
	}
}

// A sender who wants no notice of delay gets none.
func TestNotifyWithoutDelay(t *testing.T) {
	for _, notify := range []smtp.Notify{0, smtp.NotifyFailure, smtp.NotifyDelay} {
		w := newWorld(t)
		a := w.site("a.example")
		a.accounts("alice@a.example")
		a.Notify.DelayedAfter = time.Hour
		w.find = func(discovery.Request) (discovery.Result, bool) {
			return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "no answer")}, true
		}
		a.submitAsking(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example", "", smtp.Asked{Notify: notify})
		a.run()
		w.clock.advance(2 * time.Hour)
		a.run()
		equal(t, "notices", len(a.noticesIn("alice@a.example")), map[bool]int{true: 1}[notify.Wants(smtp.NotifyDelay)])
		equal(t, "overdue, by the trail", a.deeds(audit.Overdue), 0)
	}
}

// deeds are how often the trail has an action.
func (s *site) deeds(action audit.Action) int {
	s.t.Helper()
	return len(s.details(action))
}
