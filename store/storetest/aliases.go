package storetest

import (
	"fmt"
	"time"

	"postern/mime"
	"postern/store"
)

func aliasTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"AliasesAreFoundWithoutRegardToCase":      aliases,
		"AnAddressIsAccountOrAlias":               aliasOrAccount,
		"MembersOfAliasesAreAccounts":             aliasMembers,
		"RemoveAccountLeavesItsAliasesAndGroups":  aliasesOfAccount,
		"RemoveDomainTakesItsAliasesAlong":        aliasesOfDomain,
		"RemoveAliasTakesItsKeysAlong":            aliasKeysRemoved,
		"SendersAreLowerCaseAddressesAndDomains":  senders,
		"RemoveDomainTakesItsSendersAlong":        sendersOfDomain,
		"WhoLeavesAnAddressTakesItsSendersAlong":  sendersOfAddress,
		"AViewChangesNoAlias":                     aliasReadOnly,
		"WhoSentAsAnAddressIsKnown":               sentAs,
		"WhoSentAsAnAddressIsForgottenForAge":     sentAsForgotten,
		"WhoSentAsAnAddressGoesWithAccountDomain": sentAsGone,
	}
}

// accounts makes accounts.
func (s *suite) accounts(names ...string) {
	s.Helper()
	s.update(func(tx store.Tx) error {
		for _, n := range names {
			s.must(tx.PutAccount(store.Account{Address: s.address(n)}))
		}
		return nil
	})
}

func (s *suite) alias(name string, group bool, members ...string) store.Alias {
	s.Helper()
	a := store.Alias{Address: s.address(name), Group: group, Created: noon()}
	for _, m := range members {
		a.Members = append(a.Members, s.address(m))
	}
	return a
}

func (s *suite) putAlias(a store.Alias) {
	s.Helper()
	s.update(func(tx store.Tx) error { return tx.PutAlias(a) })
}

// aliasesAre compares the names and members of all aliases.
func (s *suite) aliasesAre(want ...string) {
	s.Helper()
	s.view(func(tx store.Tx) error {
		all, err := tx.Aliases()
		var got []string
		for _, a := range all {
			got = append(got, fmt.Sprintf("%s%s", a.Address, a.Members))
		}
		s.equal(got, want)
		return err
	})
	s.sound()
}

func aliases(s *suite) {
	s.accounts("doctor@b.example", "nurse@b.example")
	s.putAlias(s.alias("Bob@b.example", false, "Doctor@b.example"))
	s.putAlias(s.alias("staff@b.example", true, "nurse@b.example", "doctor@b.example", "NURSE@b.example"))
	s.view(func(tx store.Tx) error {
		got, err := tx.Alias(s.address("bOB@b.example"))
		s.equal(got, s.alias("Bob@b.example", false, "Doctor@b.example"))
		return err
	})
	s.aliasesAre("Bob@b.example[Doctor@b.example]", "staff@b.example[doctor@b.example nurse@b.example]")
	s.update(func(tx store.Tx) error { return tx.RemoveAlias(s.address("bob@B.example")) })
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveAlias(s.address("bob@b.example")) }), store.ErrNotFound)
	s.aliasesAre("staff@b.example[doctor@b.example nurse@b.example]")
}

func aliasOrAccount(s *suite) {
	s.accounts("doctor@b.example", "nurse@b.example")
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.PutAlias(s.alias("Nurse@b.example", false, "doctor@b.example")) }), store.ErrExists)
	s.putAlias(s.alias("bob@b.example", false, "doctor@b.example"))
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: s.address("BOB@b.example")}) }), store.ErrExists)
	s.sound()
}

func aliasMembers(s *suite) {
	s.accounts("doctor@b.example", "nurse@b.example")
	s.putAlias(s.alias("bob@b.example", false, "doctor@b.example"))
	refused := func(a store.Alias) error {
		err := s.Update(s.ctx, func(tx store.Tx) error { return tx.PutAlias(a) })
		if err == nil {
			s.Errorf("%v with %v was taken", a.Address, a.Members)
		}
		return err
	}
	refused(s.alias("x@b.example", false))
	refused(s.alias("x@b.example", true))
	refused(s.alias("x@b.example", false, "doctor@b.example", "nurse@b.example"))
	s.is(refused(s.alias("x@b.example", true, "doctor@b.example", "bob@b.example")), store.ErrNotFound)
	s.is(refused(s.alias("x@b.example", true, "nobody@b.example")), store.ErrNotFound)
	many := store.Alias{Address: s.address("x@b.example"), Group: true}
	for i := range store.MaxMembers + 1 {
		many.Members = append(many.Members, s.address(fmt.Sprintf("m%d@b.example", i)))
	}
	refused(many)
	refused(store.Alias{Members: many.Members[:1]})
}

func aliasesOfAccount(s *suite) {
	s.accounts("doctor@b.example", "nurse@b.example")
	s.putAlias(s.alias("bob@b.example", false, "doctor@b.example"))
	s.putAlias(s.alias("alone@b.example", true, "doctor@b.example"))
	s.putAlias(s.alias("staff@b.example", true, "doctor@b.example", "nurse@b.example"))
	s.update(func(tx store.Tx) error { return tx.PutKey(newKey("bob@b.example")) })
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(s.address("Doctor@b.example")) })
	s.aliasesAre("staff@b.example[nurse@b.example]")
	s.keep(nil, nil)
}

func aliasesOfDomain(s *suite) {
	s.update(putDomain("a.example"))
	s.update(putDomain("b.example"))
	s.accounts("doctor@b.example")
	s.putAlias(s.alias("bob@a.example", false, "doctor@b.example"))
	s.putAlias(s.alias("bob@b.example", false, "doctor@b.example"))
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("a.example") })
	s.aliasesAre("bob@b.example[doctor@b.example]")
}

func aliasKeysRemoved(s *suite) {
	s.accounts("doctor@b.example")
	s.putAlias(s.alias("Bob@b.example", false, "doctor@b.example"))
	s.update(func(tx store.Tx) error {
		s.must(tx.PutKey(newKey("bob@b.example")))
		s.must(tx.PutKeyRequest(newKeyRequest("bob@b.example")))
		return tx.PutKey(newKey("doctor@b.example"))
	})
	s.update(func(tx store.Tx) error { return tx.RemoveAlias(s.address("bob@b.example")) })
	s.keep([]string{"doctor@b.example"}, nil)
	s.equal(s.waiting(), []string(nil))
}

func senders(s *suite) {
	a := store.Account{Address: s.address("ehr@b.example"), Senders: []string{"nurse@b.example", "@c.example"}}
	s.update(func(tx store.Tx) error { return tx.PutAccount(a) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Account(a.Address)
		for from, want := range map[string]bool{
			"Nurse@b.example": true, "anybody@C.example": true,
			"doctor@b.example": false, "x@sub.c.example": false, "x@xc.example": false,
		} {
			if got.MaySendAs(s.address(from)) != want {
				s.Errorf("sending as %s: not %v", from, want)
			}
		}
		return err
	})
	for _, bad := range []string{"Nurse@b.example", "nurse", "@", "@B.example", "", "b.example", "<nurse@b.example>"} {
		a.Senders = []string{bad}
		if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutAccount(a) }) == nil {
			s.Errorf("the sender %q was taken", bad)
		}
	}
	a.Senders = make([]string, store.MaxSenders+1)
	for i := range a.Senders {
		a.Senders[i] = fmt.Sprintf("n%d@b.example", i)
	}
	if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutAccount(a) }) == nil {
		s.Error("too many senders were taken")
	}
}

func sendersOfDomain(s *suite) {
	s.update(putDomain("a.example"))
	a := store.Account{Address: s.address("ehr@b.example"), Senders: []string{"nurse@a.example", "@a.example", "nurse@aa.example"}}
	s.update(func(tx store.Tx) error { return tx.PutAccount(a) })
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("a.example") })
	s.view(func(tx store.Tx) error {
		got, err := tx.Account(a.Address)
		s.equal(got.Senders, []string{"nurse@aa.example"})
		return err
	})
}

func aliasReadOnly(s *suite) {
	s.accounts("doctor@b.example")
	a := s.alias("bob@b.example", false, "doctor@b.example")
	s.putAlias(a)
	s.view(func(tx store.Tx) error {
		s.is(tx.PutAlias(a), store.ErrReadOnly)
		s.is(tx.RemoveAlias(a.Address), store.ErrReadOnly)
		s.is(tx.PutSentAs(store.SentAs{Address: a.Address, Account: a.Members[0]}), store.ErrReadOnly)
		_, err := tx.ForgetSentAs(noon(), 1)
		s.is(err, store.ErrReadOnly)
		return nil
	})
}

// sent notes that an account sent as an address.
func (s *suite) sent(from, account string, at time.Time) {
	s.Helper()
	s.update(func(tx store.Tx) error {
		return tx.PutSentAs(store.SentAs{Address: s.address(from), Account: s.address(account), At: at})
	})
}

// sender is who sent last as an address, zero if nobody did.
func (s *suite) sender(from string) (account mime.Address) {
	s.Helper()
	s.view(func(tx store.Tx) error {
		got, err := tx.SentAs(s.address(from))
		account = got.Account
		if err != nil {
			s.is(err, store.ErrNotFound)
		}
		return nil
	})
	return account
}

func sentAs(s *suite) {
	s.accounts("ehr@b.example", "other@b.example")
	s.equal(s.sender("nurse@b.example"), mime.Address{})
	s.sent("Nurse@b.example", "ehr@b.example", noon())
	s.equal(s.sender("nurse@b.example"), s.address("ehr@b.example"))
	s.sent("nurse@b.example", "other@b.example", noon())
	s.equal(s.sender("nurse@b.example"), s.address("other@b.example"))
	s.sound()
}

func sentAsForgotten(s *suite) {
	s.accounts("ehr@b.example")
	s.sent("old@b.example", "ehr@b.example", noon().Add(-2*time.Hour))
	s.sent("older@b.example", "ehr@b.example", noon().Add(-3*time.Hour))
	s.sent("new@b.example", "ehr@b.example", noon())
	for _, want := range []int{1, 1, 0} {
		s.update(func(tx store.Tx) error {
			n, err := tx.ForgetSentAs(noon(), 1)
			s.equal(n, want)
			return err
		})
	}
	s.equal(s.sender("new@b.example"), s.address("ehr@b.example"))
	s.equal(s.sender("old@b.example"), mime.Address{})
}

func sentAsGone(s *suite) {
	s.update(putDomain("a.example"))
	s.accounts("ehr@b.example", "other@b.example")
	s.sent("x@b.example", "ehr@b.example", noon())
	s.sent("y@b.example", "other@b.example", noon())
	s.sent("x@a.example", "other@b.example", noon())
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(s.address("ehr@b.example")) })
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("a.example") })
	s.equal(s.sender("x@b.example"), mime.Address{})
	s.equal(s.sender("x@a.example"), mime.Address{})
	s.equal(s.sender("y@b.example"), s.address("other@b.example"))
	s.sound()
}

// sendersOfAddress has what was allowed in the name of somebody end with him: who has the
// address next allowed it to nobody.
func sendersOfAddress(s *suite) {
	nurse, ward, ehr := s.address("Nurse@b.example"), s.address("ward@b.example"), s.address("ehr@b.example")
	for name, ends := range map[string]func(store.Tx) error{
		"nurse@b.example": func(tx store.Tx) error { return tx.RemoveAccount(nurse) },
		"ward@b.example":  func(tx store.Tx) error { return tx.RemoveAlias(ward) },
		"given": func(tx store.Tx) error {
			return tx.PutAlias(store.Alias{Address: ward, Members: []mime.Address{nurse}})
		},
	} {
		s.update(func(tx store.Tx) error {
			s.must(tx.PutAccount(store.Account{Address: nurse}))
			s.must(tx.PutAccount(store.Account{Address: ehr}))
			s.must(tx.PutAlias(store.Alias{Address: ward, Members: []mime.Address{ehr}}))
			return tx.PutAccount(store.Account{Address: ehr, Senders: []string{"@b.example", "nurse@b.example", "ward@b.example"}})
		})
		s.update(ends)
		want := []string{"@b.example", "nurse@b.example"}
		if name == "nurse@b.example" {
			want = []string{"@b.example", "ward@b.example"}
		}
		s.view(func(tx store.Tx) error {
			got, err := tx.Account(ehr)
			s.equal(got.Senders, want)
			return err
		})
	}
	s.sound()
}
