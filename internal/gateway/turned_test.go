package gateway

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"postern/mime"
	"postern/smtp"
	"postern/store"
)

// turnedAway sends an envelope to recipients of the backbone that are refused.
func (s *site) turnedAway(from string, to ...string) {
	s.t.Helper()
	b := Backbone{s.Core}
	e := smtp.Envelope{Remote: netip.MustParseAddrPort(from), From: addr(s.t, "eve@far.example")}
	var refused []smtp.Refusal
	for _, a := range addrs(s.t, to...) {
		err := b.CheckRecipient(s.t.Context(), a)
		if err == nil {
			s.t.Fatalf("%s is accepted", a)
		}
		refused = append(refused, smtp.Refusal{Recipient: a, Err: err})
	}
	b.Refused(s.t.Context(), e, refused)
}

// lives are the tracks of an address, the newest first.
func (s *site) lives(of mime.Address) (all []store.Track) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		all = nil
		return tx.EachTrack(store.TrackQuery{Address: of}, func(t store.Track) bool {
			all = append(all, t)
			return true
		})
	})
	return all
}

// Why somebody did not get a message that was refused at RCPT can be found by his
// address, in the track and in the audit trail.
func TestWhoIsRefusedAtTheDoorHasATrack(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	b.update(func(tx store.Tx) error {
		return tx.PutAccount(store.Account{Address: addr(t, "carol@b.example"), Password: "x", Disabled: true})
	})
	before := len(b.trail())
	b.turnedAway("192.0.2.1:999", "carol@b.example", "nobody@b.example", "Nobody@b.example", "x@elsewhere.example")
	all := b.lives(addr(t, "carol@b.example"))
	equal(t, "tracks", len(all), 1)
	equal(t, "states", b.states(all[0].ID), []string{"carol@b.example refused recipient-disabled", "nobody@b.example refused unknown-recipient"})
	equal(t, "events", b.events(all[0].ID, store.StageAccept), []string{"refused before its message, from 192.0.2.1", "refused before its message, from 192.0.2.1"})
	equal(t, "of another domain", len(b.lives(addr(t, "x@elsewhere.example"))), 0)
	equal(t, "records", b.trail()[before:], []string{
		"peer:192.0.2.1 refused from eve@far.example; carol@b.example refused recipient-disabled; nobody@b.example refused unknown-recipient"})
	w.clock.advance(time.Hour)
	Submission{b.Core}.Refused(t.Context(), smtp.Envelope{Account: addr(t, "bob@b.example"), From: addr(t, "bob@b.example"), Remote: netip.MustParseAddrPort("192.0.2.9:1")},
		[]smtp.Refusal{{Recipient: addr(t, "nobody@b.example"), Err: (Submission{b.Core}).CheckRecipient(t.Context(), addr(t, "bob@b.example"), addr(t, "nobody@b.example"))}})
	all = b.lives(addr(t, "bob@b.example"))
	equal(t, "tracks of a user", len(all), 1)
	equal(t, "out", all[0].Outbound, true)
	equal(t, "states of a user", b.states(all[0].ID), []string{"nobody@b.example refused unknown-recipient"})
}

// Whoever guesses addresses fills the store with nothing but a few tracks an hour,
// which count as messages of his.
func TestGuessingRecipientsLeavesFewTracks(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.Core.rates = newRates(Rates{PeerMessages: turnedOfOne})
	tracks := func() (n int) {
		b.view(func(tx store.Tx) (err error) { n, err = tx.CountTracks(); return err })
		return n
	}
	for range 1000 {
		b.turnedAway("192.0.2.1:999", "x@b.example")
	}
	equal(t, "of one network", tracks(), turnedOfOne)
	e := smtp.Envelope{Remote: netip.MustParseAddrPort("192.0.2.1:1")}
	equal(t, "its next message", reasonOf(Backbone{b.Core}.Ready(t.Context(), e)), "rate-limited")
	for i := range 100 {
		b.turnedAway(fmt.Sprintf("198.51.%d.1:999", i), "x@b.example")
	}
	equal(t, "of all", tracks(), turnedOfAll)
	w.clock.advance(time.Hour)
	b.turnedAway("192.0.2.1:999", "x@b.example")
	equal(t, "an hour later", tracks(), turnedOfAll+1)
	b.Care.DiskReserve, b.Care.DiskSpace = 1<<40, func() (store.Space, error) { return store.Space{}, nil }
	w.clock.advance(time.Hour)
	b.turnedAway("192.0.2.1:999", "x@b.example")
	equal(t, "while the disk is short", tracks(), turnedOfAll+1)
}
