package gateway

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"postern/httpedge"
	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// A message that is refused for good when it has come has a track, which is found by its
// reason, its addresses and its Message-ID, in whatever way it was handed in.
func TestWhatIsRefusedWithItsMessageHasATrack(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example", "carol@a.example")
	a.senders("alice@a.example", "ward@a.example")
	e, alice := a.app("alice@a.example")
	to := addrs(t, "bob@b.example", "ben@b.example")
	good := string(crlf(message("alice@a.example", "bob@b.example")))
	bySMTP := func(from string) func(io.Reader) (string, error) {
		return func(r io.Reader) (string, error) {
			return Submission{a.Core}.Accept(t.Context(), smtp.Envelope{
				Remote: netip.MustParseAddrPort("192.0.2.7:1"), Account: alice.Account, Proof: a.proof(alice.Account), From: addr(t, from), To: to,
			}, r)
		}
	}
	byHTTP := func(r io.Reader) (string, error) {
		_, err := e.Send(t.Context(), alice, httpedge.Outgoing{From: alice.Account, To: to}, r)
		return "", err
	}
	rejected := func(io.Reader) (string, error) {
		e.Rejected(t.Context(), alice, httpedge.Outgoing{To: to}, reason.New(reason.BadHeader, "x"))
		return "", reason.New(reason.BadHeader, "x")
	}
	asCarol := func(io.Reader) (string, error) {
		_, err := e.Refused(t.Context(), alice, httpedge.Outgoing{From: addr(t, "carol@a.example"), To: to})
		return "", err
	}
	fails := func(code reason.Code) io.Reader {
		return io.MultiReader(strings.NewReader(good), iotest.ErrReader(reason.New(code, "x")))
	}
	for name, tt := range map[string]struct {
		way       func(io.Reader) (string, error)
		message   io.Reader
		want      string
		messageID string
	}{
		"bad header":            {bySMTP("alice@a.example"), strings.NewReader("Date: yesterday\r\n" + good), "bad-header", "<m1@a.example>"},
		"no header":             {bySMTP("alice@a.example"), strings.NewReader("no field\r\n\r\n"), "bad-header", ""},
		"two Message-IDs":       {bySMTP("alice@a.example"), strings.NewReader("Message-ID: <x@x>\r\n" + good), "bad-header", ""},
		"From of another":       {bySMTP("alice@a.example"), strings.NewReader(strings.ReplaceAll(good, "Alice <alice@", "Alice <carol@")), "sender-not-allowed", "<m1@a.example>"},
		"as another":            {bySMTP("ward@a.example"), strings.NewReader("Date: yesterday\r\n" + good), "bad-header", "<m1@a.example>"},
		"too large":             {bySMTP("alice@a.example"), fails(reason.TooLarge), "too-large", "<m1@a.example>"},
		"a line too long":       {bySMTP("alice@a.example"), fails(reason.LineTooLong), "line-too-long", "<m1@a.example>"},
		"a bare line end":       {bySMTP("alice@a.example"), fails(reason.BadLineEnding), "bad-line-ending", "<m1@a.example>"},
		"who has gone":          {bySMTP("alice@a.example"), fails(reason.TooSlow), "", ""},
		"busy":                  {bySMTP("alice@a.example"), fails(reason.Busy), "", ""},
		"a full disk":           {bySMTP("alice@a.example"), fails(reason.StorageFull), "", ""},
		"bad header, HTTP":      {byHTTP, strings.NewReader("Date: yesterday\r\n" + good), "bad-header", "<m1@a.example>"},
		"too large, HTTP":       {byHTTP, fails(reason.TooLarge), "too-large", "<m1@a.example>"},
		"by the edge itself":    {rejected, nil, "bad-header", ""},
		"From of another, HTTP": {asCarol, nil, "sender-not-allowed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.clock.advance(time.Hour)
			before := len(a.lives(to[0]))
			trail := len(a.trail())
			said, err := tt.way(tt.message)
			if err == nil {
				t.Fatal("it was taken")
			}
			all := a.lives(to[0])
			if tt.want == "" {
				equal(t, "tracks", len(all)-before, 0)
				return
			}
			equal(t, "tracks", len(all)-before, 1)
			got := all[0]
			equal(t, "states", a.states(got.ID), []string{"bob@b.example refused " + tt.want, "ben@b.example refused " + tt.want})
			equal(t, "Message-ID", got.MessageID, tt.messageID)
			if said != "" {
				equal(t, "ID", said, string(got.ID))
			}
			if !handedIn(store.Account{Address: alice.Account}, got) {
				t.Errorf("it is not alice's: %+v", got)
			}
			if handedIn(store.Account{Address: addr(t, "carol@a.example")}, got) {
				t.Error("it is carol's")
			}
			equal(t, "events", a.events(got.ID, store.StageAccept)[0], "refused with its message, from 192.0.2.7")
			equal(t, "records", len(a.trail())-trail, 1)
			equal(t, "actor", strings.HasPrefix(a.trail()[trail], "account:alice@a.example refused from "), true)
		})
	}
	report, err := a.Store.Check(t.Context())
	if err != nil || len(report.Problems) > 0 || report.Bodies != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A message over HTTP that was refused before it was known for whom it is has a track as
// well, which is found by its sender, and its own sender finds it.
func TestWhatIsForNobodyKnownHasATrack(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example", "carol@a.example")
	e, alice := a.app("alice@a.example")
	_, carol := a.app("carol@a.example")
	e.Rejected(t.Context(), alice, httpedge.Outgoing{}, reason.New(reason.TooSlow, "x"))
	e.Rejected(t.Context(), alice, httpedge.Outgoing{MessageID: "<m1@a.example>"}, reason.New(reason.BadHeader, "x"))
	all := a.lives(alice.Account)
	equal(t, "tracks", len(all), 1)
	got := all[0]
	equal(t, "states", a.states(got.ID), []string{" refused bad-header"})
	equal(t, "by its Message-ID", len(a.tracksOf("<m1@a.example>")), 1)
	equal(t, "events", a.events(got.ID, store.StageAccept), []string{"refused with its message, from " + alice.Remote.Addr().String()})
	trail := a.trail()
	equal(t, "record", strings.HasPrefix(trail[len(trail)-1], "account:alice@a.example refused from alice@a.example"), true)
	for l, want := range map[*httpedge.Login]int{&alice: 1, &carol: 0} {
		page, err := e.SentMessages(t.Context(), *l, httpedge.SentQuery{Limit: 10, State: "refused"})
		if err != nil || len(page.Messages) != want {
			t.Errorf("%s: %+v, %v", l.Account, page.Messages, err)
		}
	}
	w.clock.advance(a.Care.KeepTracks + a.Care.KeepRefused + time.Hour)
	a.Care.Tidy(t.Context())
	equal(t, "in the end", len(a.lives(alice.Account)), 0)
	report, err := a.Store.Check(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// An account that is refused without end leaves ten tracks an hour, and a peer as many.
func TestRefusedMessagesLeaveFewTracks(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	tracks := func() (n int) {
		a.view(func(tx store.Tx) (err error) { n, err = tx.CountTracks(); return err })
		return n
	}
	for range 3 * turnedOfOne {
		_, err := a.try("no field\n\n", "alice@a.example", "bob@b.example")
		equal(t, "reason", reasonOf(err), "bad-header")
	}
	equal(t, "of an account", tracks(), turnedOfOne)
	w.clock.advance(time.Minute)
	for range 3 * turnedOfOne {
		_, err := Backbone{a.Core}.Accept(t.Context(), smtp.Envelope{Remote: netip.MustParseAddrPort("192.0.2.1:1"), To: addrs(t, "alice@a.example")},
			io.MultiReader(strings.NewReader("Message-ID: <x@far.example>\r\n\r\n"), iotest.ErrReader(reason.New(reason.BadLineEnding, "x"))))
		equal(t, "reason", reasonOf(err), "bad-line-ending")
	}
	equal(t, "and of a network", tracks(), 2*turnedOfOne)
	in := a.lives(addr(t, "alice@a.example"))[0]
	equal(t, "of the network", a.states(in.ID), []string{"alice@a.example refused bad-line-ending"})
	equal(t, "its Message-ID", in.MessageID, "<x@far.example>")
	equal(t, "its class", in.Class(), store.TrackClaimed)
}

// A notification is about the message that was taken, and not about one that was refused
// under the same Message-ID before or after it.
func TestANotificationIsNotAboutWhatWasRefused(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	far := w.root.Leaf("b.example")
	w.sites["b.example"] = nil
	w.find = func(discovery.Request) (discovery.Result, bool) { return published(far), true }
	refused := func() store.TrackID {
		t.Helper()
		_, err := a.try("Date: yesterday\n"+message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		equal(t, "refused", reasonOf(err), "bad-header")
		return a.lives(addr(t, "bob@b.example"))[0].ID
	}
	before := refused()
	w.clock.advance(time.Minute)
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	a.taken()
	w.clock.advance(time.Minute)
	after := refused()
	a.hears("b.example", "bob@b.example", mdn.Processed, false)
	equal(t, "the message", a.states(id), []string{"bob@b.example processed"})
	equal(t, "refused before", a.states(before), []string{"bob@b.example refused bad-header"})
	equal(t, "refused after", a.states(after), []string{"bob@b.example refused bad-header"})
	equal(t, "found by its Message-ID", len(a.tracksOf("<m1@a.example>")), 3)
	equal(t, "shown", a.shown(), []string{"processed"})
}
