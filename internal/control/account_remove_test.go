package control

import (
	"testing"
	"time"

	"postern/store"
)

// Who removes an account learns what waited for it.
func TestRemovingAnAccountTellsWhatWaits(t *testing.T) {
	s, _ := queued(t)
	ctx := t.Context()
	for _, name := range []string{"carl@a.example", "dora@a.example"} {
		must(t, s.AddAccount(ctx, name, []byte("correct horse battery")))
	}
	must(t, s.AddAlias(ctx, "al@a.example", "alice@a.example"))
	must(t, s.AddGroup(ctx, "one@a.example", []string{"alice@a.example"}))
	must(t, s.AddGroup(ctx, "two@a.example", []string{"alice@a.example", "carl@a.example"}))
	alice, zoe := addressOf(t, "alice@a.example"), addressOf(t, "zoe@z.example")
	for _, to := range []string{"al@a.example", "one@a.example", "two@a.example", "carl@a.example"} {
		s.enqueue(t, store.Job{Kind: store.OpenJob, Sender: zoe, Recipients: addresses(t, to)})
	}
	for _, j := range []store.Job{
		{Kind: store.PushJob, Sender: zoe, Recipients: addresses(t, "al@a.example"), Push: store.Push{Account: alice}},
		{Kind: store.PushJob, Sender: zoe, Recipients: addresses(t, "carl@a.example"), Push: store.Push{Account: addressOf(t, "carl@a.example")}},
		{Kind: store.PushJob, Sender: zoe, Recipients: addresses(t, "alice@a.example"), Push: store.Push{Account: alice, Ended: store.TrackDelivered}},
		{Kind: store.RelayJob, Sender: addressOf(t, "dora@a.example"), Flow: "alice@a.example", Recipients: addresses(t, "bob@b.example"), Destination: "b.example"},
		{Kind: store.RelayJob, Sender: alice, Flow: "carl@a.example", Recipients: addresses(t, "bob@b.example"), Destination: "b.example"},
	} {
		s.enqueue(t, j)
	}
	must(t, s.core.Store.Update(ctx, func(tx store.Tx) error {
		now := s.core.Steady()
		for _, account := range addresses(t, "alice@a.example", "alice@a.example", "carl@a.example") {
			_, err := tx.Enqueue(store.Job{Kind: store.HookJob, Era: store.Now, Sender: account, Recipients: addresses(t, account.String()), Hook: "x", Due: now, Expires: now.Add(time.Hour)})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	removed, err := s.RemoveAccount(ctx, "Alice@a.example", false)
	must(t, err)
	equal(t, "removed", removed, RemovedAccount{AccountName{"Alice@a.example"}, []string{"al@a.example", "one@a.example"}, &Waiting{Opening: 3, Edge: 1, Events: 2, Sent: 3}})

	// Who has the address next has none of it.
	must(t, s.AddAccount(ctx, "alice@a.example", []byte("correct horse battery")))
	removed, err = s.RemoveAccount(ctx, "alice@a.example", false)
	must(t, err)
	equal(t, "removed again", *removed.Waiting, Waiting{})
}
