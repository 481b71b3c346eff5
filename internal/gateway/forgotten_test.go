package gateway

import (
	"testing"
	"time"

	"postern/store"
)

// What was for somebody who is gone stays his as long as any of it is under way, however
// often is tidied up; then nobody knows any more that he was there, and what comes for his
// name is for whoever has it.
func TestWhoIsGoneIsKnownWhileSomethingIsOfHisTime(t *testing.T) {
	const mary, jane = "mary@b.example", "mary-jane@b.example"
	for _, how := range []string{"removed", "an account of another"} {
		t.Run(how, func(t *testing.T) {
			w, a, b := aliceAnd(t, mary, jane)
			b.subaddress("-")
			b.submit(message(jane, "alice@a.example", wanted), jane, "alice@a.example")
			b.run()
			sent, raw := b.taken()
			a.submit(message("alice@a.example", jane), "alice@a.example", jane)
			a.run()
			toJane, rawToJane := a.taken()
			w.carry(toJane[0], rawToJane[0])
			b.leaves(jane, map[bool]string{true: "removed", false: "made anew"}[how == "removed"])
			b.Care.Tidy(t.Context())
			w.carry(sent[0], raw[0])
			w.settle()
			b.Care.Tidy(t.Context())
			equal(t, "mary has", len(b.inbox(mary)), 0)
			if how != "removed" {
				equal(t, "who has the address since has", len(b.inbox(jane)), 0)
			}
			equal(t, "known", b.formers(), 1)

			w.clock.advance(b.Care.KeepTracks + 24*time.Hour)
			w.settle()
			w.clock.advance(b.Care.KeepTracks + 24*time.Hour)
			b.Care.Tidy(t.Context())
			equal(t, "known when all is over", b.formers(), 0)
			a.submit(message("alice@a.example", jane), "alice@a.example", jane)
			w.settle()
			to := map[bool]string{true: mary, false: jane}[how == "removed"]
			equal(t, to+" has", b.seen(to), 1)
		})
	}
}

// formers is of how many addresses it is known that somebody had them.
func (s *site) formers() (n int) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		all, err := tx.Formers()
		n = len(all)
		return err
	})
	return n
}
