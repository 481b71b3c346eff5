package gateway

import (
	"slices"
	"testing"
	"time"

	"postern/store"
)

// Who is in a group is who gets what is written to it, also what was taken before he was
// there. One who is removed is in it no more, nor is who has his name next unless he was
// put there again.
func TestDN8_MembersOfAGroupAreWhoTheyAreNow(t *testing.T) {
	const staff, bob, carol = "staff@b.example", "bob@b.example", "carol@b.example"
	for name, tt := range map[string]struct {
		change func(b *site)
		want   []string
	}{
		"exchanged": {func(b *site) { b.accounts(carol); b.group(staff, carol) }, []string{carol}},
		"added":     {func(b *site) { b.accounts(carol); b.group(staff, bob, carol) }, []string{bob, carol}},
		"made anew": {func(b *site) {
			b.accounts(carol)
			b.group(staff, bob, carol)
			b.leaves(bob, "made anew")
		}, []string{carol}},
		"made anew, put there again": {func(b *site) {
			b.accounts(carol)
			b.group(staff, bob, carol)
			b.leaves(bob, "made anew")
			b.group(staff, bob, carol)
		}, []string{bob, carol}},
	} {
		for _, pushed := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", pushed"}[pushed], func(t *testing.T) {
				w, a, b := aliceAnd(t, bob)
				b.group(staff, bob)
				a.submit(message("alice@a.example", staff, wanted), "alice@a.example", staff)
				a.run()
				sent, raw := a.taken()
				w.carry(sent[0], raw[0])
				tt.change(b)
				e := &ehr{}
				if pushed {
					e = b.pushes("b.example")
					e.isDown()
					w.settle()
					e.answer = nil
					w.clock.advance(20 * time.Minute)
				}
				w.settle()
				var got []string
				for _, account := range []string{bob, carol} {
					if b.seen(account) > 0 {
						got = append(got, account)
					}
				}
				for _, d := range e.got {
					got = append(got, d.To[0].String())
				}
				slices.Sort(got)
				equal(t, "have it", got, tt.want)
				equal(t, "through the edge", len(e.got) > 0, pushed)
				equal(t, "alice heard", a.answersAt("alice@a.example"), []string{staff + " dispatched", staff + " processed"})
				equal(t, "jobs", len(b.jobs(store.PushJob)), 0)
			})
		}
	}
}

// What waits for the edge of an account goes there under whatever name it came, also when
// that was an alias or a group which is gone: it is the account's.
func TestWhatWaitsForAnEdgeIsItsAccounts(t *testing.T) {
	for _, group := range []bool{false, true} {
		w, a, b := aliceAnd(t, "bob@b.example", "carol@b.example")
		if group {
			b.group("robert@b.example", "bob@b.example")
		} else {
			b.alias("robert@b.example", "bob@b.example")
		}
		e := b.pushes("bob@b.example")
		e.isDown()
		a.submit(message("alice@a.example", "robert@b.example", wanted), "alice@a.example", "robert@b.example")
		w.settle()
		b.update(func(tx store.Tx) error { return tx.RemoveAlias(addr(t, "robert@b.example")) })
		b.alias("robert@b.example", "carol@b.example")
		e.answer = nil
		w.clock.advance(20 * time.Minute)
		w.settle()
		equal(t, "taken by the edge, and in the INBOX of carol", []int{len(e.got), b.seen("carol@b.example")}, []int{1, 0})
		equal(t, "alice heard", a.answersAt("alice@a.example"), []string{"robert@b.example dispatched", "robert@b.example processed"})
	}
}
