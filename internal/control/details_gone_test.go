package control

import (
	"testing"

	"postern/internal/config"
	"postern/store"
)

// What was a detail of who goes is allowed no more with his own address; what looks like
// one and is another's stays.
func TestSendersLoseTheDetailsOfWhoGoes(t *testing.T) {
	for _, separator := range []string{"+", "-", ""} {
		s := serve(t, func(c *config.Config) { c.Accounts.Subaddress = separator })
		ctx := t.Context()
		must(t, s.AddDomain(ctx, "a.example"))
		for _, name := range []string{"ehr@a.example", "mary@a.example", "mary-jane@a.example", "ann@a.example"} {
			must(t, s.AddAccount(ctx, name, []byte("correct horse battery")))
		}
		must(t, s.AddAlias(ctx, "dr@a.example", "mary@a.example"))
		must(t, s.AddAlias(ctx, "nurse@a.example", "ann@a.example"))
		all := []string{"@a.example", "dr+lab@a.example", "dr-lab@a.example", "mary+lab@a.example", "mary-jane-x@a.example", "mary-lab@a.example", "nurse+lab@a.example"}
		must(t, s.core.Store.Update(ctx, func(tx store.Tx) error {
			a, err := tx.Account(addressOf(t, "ehr@a.example"))
			if err != nil {
				return err
			}
			a.Senders = all
			return tx.PutAccount(a)
		}))
		senders := func() []string {
			info, err := s.ChangeSenders(ctx, MemberChange{Address: "ehr@a.example"})
			must(t, err)
			return info.Senders
		}
		_, err := s.RemoveAccount(ctx, "mary@a.example", false)
		must(t, err)
		want := map[string][]string{
			"":  all,
			"+": {"@a.example", "dr-lab@a.example", "mary-jane-x@a.example", "mary-lab@a.example", "nurse+lab@a.example"},
			"-": {"@a.example", "dr+lab@a.example", "mary+lab@a.example", "mary-jane-x@a.example", "nurse+lab@a.example"},
		}[separator]
		equal(t, "without mary, by "+separator, senders(), want)
		must(t, s.RemoveAlias(ctx, "nurse@a.example", false))
		if separator == "+" {
			want = want[:len(want)-1]
		}
		equal(t, "without nurse, by "+separator, senders(), want)
	}
}
