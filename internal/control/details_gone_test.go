package control

import (
	"errors"
	"slices"
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

// What is for a detail goes with the address that it is one of: who has that next has no
// certificate of the last's, and none that waits for one. What only looks like a detail stays.
func TestCertificatesOfDetailsGoWithTheAddress(t *testing.T) {
	for _, how := range []string{"account", "alias", "the account behind an alias", "group"} {
		s := serve(t, func(c *config.Config) { c.Accounts.Subaddress = "+" })
		ctx := t.Context()
		must(t, s.AddDomain(ctx, "a.example"))
		must(t, s.AddAccount(ctx, "ann@a.example", []byte("correct horse battery")))
		must(t, s.AddAccount(ctx, "ann+own@a.example", []byte("correct horse battery")))
		of, stay := "ann", []string{"a.example", "ann+own+x@a.example", "zed+lab@a.example"}
		switch how {
		case "account":
		case "group":
			of = "staff"
			must(t, s.AddGroup(ctx, "staff@a.example", []string{"ann@a.example"}))
		default:
			of = "dr"
			must(t, s.AddAlias(ctx, "dr@a.example", "ann@a.example"))
		}
		if of != "ann" && how != "the account behind an alias" {
			stay = append(stay, "ann+lab@a.example")
		}
		for _, owner := range append([]string{of + "@a.example", of + "+lab@a.example", of + "+lab+x@a.example"}, stay...) {
			_, err := s.IssueCertificate(ctx, KeyOrder{Owner: owner})
			must(t, err)
			_, err = s.MakeKeyRequest(ctx, KeyOrder{Owner: owner})
			must(t, err)
		}
		switch how {
		case "alias":
			must(t, s.RemoveAlias(ctx, "dr@a.example", false))
		case "group":
			must(t, s.RemoveGroup(ctx, "staff@a.example", false))
		default:
			_, err := s.RemoveAccount(ctx, "ann@a.example", false)
			must(t, err)
		}
		var keys, requests []string
		must(t, s.core.Store.View(ctx, func(tx store.Tx) error {
			all, err := tx.Keys()
			for _, k := range all {
				if k.Owner != testCAOwner {
					keys = append(keys, k.Owner)
				}
			}
			waiting, listErr := tx.KeyRequests()
			for _, r := range waiting {
				requests = append(requests, r.Owner)
			}
			return errors.Join(err, listErr)
		}))
		for _, all := range [][]string{keys, requests, stay} {
			slices.Sort(all)
		}
		equal(t, how+": certificates", keys, stay)
		equal(t, how+": requests", requests, stay)
	}
}

// What others may send as a detail of somebody is not for who is given that very address.
func TestSendersLoseTheDetailThatIsMade(t *testing.T) {
	for _, separator := range []string{"+", ""} {
		for _, how := range []string{"account", "alias", "group"} {
			s := serve(t, func(c *config.Config) { c.Accounts.Subaddress = separator })
			ctx := t.Context()
			must(t, s.AddDomain(ctx, "a.example"))
			must(t, s.AddAccount(ctx, "ehr@a.example", []byte("correct horse battery")))
			must(t, s.AddAccount(ctx, "bob@a.example", []byte("correct horse battery")))
			all := []string{"@a.example", "bob+x+y@a.example", "bob+x@a.example", "bob+xy@a.example", "bob@a.example", "zed+x@a.example"}
			for _, sender := range all {
				_, err := s.ChangeSenders(ctx, MemberChange{Address: "ehr@a.example", Add: []string{sender}})
				must(t, err)
			}
			for _, made := range []string{"bob+x@a.example", "zed+x@a.example"} {
				switch how {
				case "account":
					must(t, s.AddAccount(ctx, made, []byte("correct horse battery")))
				case "alias":
					must(t, s.AddAlias(ctx, made, "ehr@a.example"))
				case "group":
					must(t, s.AddGroup(ctx, made, []string{"ehr@a.example"}))
				}
			}
			want := all
			if separator != "" {
				want = []string{"@a.example", "bob+xy@a.example", "bob@a.example", "zed+x@a.example"}
			}
			info, err := s.ChangeSenders(ctx, MemberChange{Address: "ehr@a.example"})
			must(t, err)
			equal(t, how+", by "+separator, info.Senders, want)
		}
	}
}
