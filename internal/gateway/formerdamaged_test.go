package gateway

import (
	"context"
	"testing"

	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// damagedFormers are a store of which a record of who had an address cannot be read.
type damagedFormers struct {
	store.Store
	of store.Former
}

type damagedFormersTx struct {
	store.Tx
	of store.Former
}

func (s damagedFormers) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(damagedFormersTx{tx, s.of}) })
}

func (t damagedFormersTx) Formers() ([]store.Former, error) { return []store.Former{t.of}, nil }

func (t damagedFormersTx) Former(a mime.Address) (store.Former, error) {
	if a.Same(t.of.Address) {
		return t.of, nil
	}
	return t.Tx.Former(a)
}

// A record of who had an address that is damaged stops the mail of nobody else, nor that
// of who has the address since.
func TestADamagedFormerStopsNoMail(t *testing.T) {
	for _, anew := range []bool{false, true} {
		w := newWorld(t)
		b := w.bare("b.example")
		b.subaddress("-")
		b.accounts("mary@b.example", "mary-jane@b.example")
		b.leaves("mary-jane@b.example", map[bool]string{true: "made anew", false: "removed"}[anew])
		jane := store.Former{Address: addr(t, "mary-jane@b.example"), Tenures: []store.Tenure{{To: store.Now, Patient: true}}, Damaged: true}
		want := reason.UnknownRecipient.String()
		if anew {
			b.addKey("mary-jane@b.example", w.root.Leaf("mary-jane@b.example"))
			account, _ := b.directory().Account(jane.Address)
			jane.Tenures[0].To, want = account.Era-1, reasonOf(nil)
		}
		b.Store = damagedFormers{b.Store, jane}
		b.directories.store, b.directories.latest = b.Store, nil
		equal(t, "at the door", b.atDoor("mary@b.example", "mary-lou@b.example", "mary-jane@b.example"), []string{reasonOf(nil), reasonOf(nil), want})
		if anew {
			equal(t, "who has it signs", len(b.directory().Signers(jane.Address, b.Now())), 1)
		}
	}
}
