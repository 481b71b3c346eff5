package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
	"postern/trust/reason"
)

// alias gives an account another address.
func (s *site) alias(address, account string) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		return tx.PutAlias(store.Alias{Address: addr(s.t, address), Members: addrs(s.t, account)})
	})
}

func (s *site) group(address string, members ...string) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		return tx.PutAlias(store.Alias{Address: addr(s.t, address), Group: true, Members: addrs(s.t, members...)})
	})
}

// change changes an account.
func (s *site) change(address string, how func(*store.Account)) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		a, err := tx.Account(addr(s.t, address))
		if err != nil {
			return err
		}
		how(&a)
		return tx.PutAccount(a)
	})
}

func (s *site) senders(account string, all ...string) {
	s.t.Helper()
	s.change(account, func(a *store.Account) { a.Senders = all })
}

// subaddress lets addresses have details.
func (s *site) subaddress(separator string) {
	s.Subaddress, s.directories.subaddress = separator, separator
	s.directories.latest = nil
}

// fullBox leaves an account no room.
func (s *site) fullBox(address string) {
	s.t.Helper()
	s.change(address, func(a *store.Account) { a.Quota = 1 })
}

// atDoor is what the backbone says of recipients.
func (s *site) atDoor(all ...string) (said []string) {
	s.t.Helper()
	for _, a := range all {
		said = append(said, reasonOf(Backbone{s.Core}.CheckRecipient(s.t.Context(), addr(s.t, a))))
	}
	return said
}

// aliceAnd is a site a with alice, and a site b with accounts.
func aliceAnd(t *testing.T, accounts ...string) (w *world, a, b *site) {
	t.Helper()
	w = newWorld(t)
	a, b = w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts(accounts...)
	return w, a, b
}

// answersAt are the recipients and dispositions of the notifications in a mailbox.
func (s *site) answersAt(account string) (all []string) {
	s.t.Helper()
	for _, text := range s.inbox(account) {
		n := parseMDN(s.t, text)
		all = append(all, fmt.Sprintf("%s %s", n.FinalRecipient, n.Disposition))
	}
	slices.Sort(all)
	return all
}

// What comes to an alias is in its account's mailbox, says so, and is answered by the
// address that it was written to.
func TestAS93_AnAliasAnswersByItsOwnName(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example")
	b.alias("robert@b.example", "bob@b.example")
	id := a.submit(message("alice@a.example", "robert@b.example", wanted), "alice@a.example", "robert@b.example")
	w.runAll()
	letters := b.inbox("bob@b.example")
	equal(t, "letters of bob", len(letters), 1)
	h := headerOf(t, letters[0])
	equal(t, deliveredTo, h.Values(deliveredTo), []string{"robert@b.example"})
	equal(t, "state", a.states(id), []string{"robert@b.example dispatched"})
	equal(t, "answers", a.answersAt("alice@a.example"), []string{"robert@b.example dispatched", "robert@b.example processed"})
	b.isSound()
}

// A message says itself where it was delivered to, and its sender does not.
func TestASenderDoesNotSayWhereItWasDelivered(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example", "Delivered-To: chief@b.example"), "alice@a.example", "bob@b.example")
	w.runAll()
	h := headerOf(t, b.inbox("bob@b.example")[0])
	equal(t, deliveredTo, h.Has(deliveredTo), false)
}

// A message to an account, its alias and a group that it is in lies there once, with and
// without a Message-ID, and each address answers for itself.
func TestAMailboxGetsAMessageOnceUnderAllItsNames(t *testing.T) {
	for _, id := range []string{"<m1@a.example>", ""} {
		w, a, b := aliceAnd(t, "bob@b.example", "carol@b.example")
		b.alias("robert@b.example", "bob@b.example")
		b.group("staff@b.example", "bob@b.example", "carol@b.example")
		all := []string{"bob@b.example", "robert@b.example", "staff@b.example"}
		text := strings.Replace(message("alice@a.example", strings.Join(all, ">, <"), wanted), "Message-ID: <m1@a.example>", "Message-ID: "+id, 1)
		track := a.submit(text, "alice@a.example", all...)
		w.runAll()
		equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 1)
		equal(t, "carol's INBOX", len(b.inbox("carol@b.example")), 1)
		equal(t, "states", a.states(track), []string{"bob@b.example dispatched", "robert@b.example dispatched", "staff@b.example dispatched"})
		b.isSound()
	}
}

// Each member of a group has its copy, the trail says who, and the group answers once.
func TestAGroupFansOut(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example", "carol@b.example", "dan@b.example")
	b.group("staff@b.example", "bob@b.example", "carol@b.example", "dan@b.example")
	b.disable("dan@b.example")
	id := a.submit(message("alice@a.example", "staff@b.example", wanted), "alice@a.example", "staff@b.example")
	w.runAll()
	for account, want := range map[string]int{"bob@b.example": 1, "carol@b.example": 1, "dan@b.example": 0} {
		equal(t, account, len(b.inbox(account)), want)
	}
	equal(t, "state", a.states(id), []string{"staff@b.example dispatched"})
	equal(t, "answers", a.answersAt("alice@a.example"), []string{"staff@b.example dispatched", "staff@b.example processed"})
	equal(t, "in the trail", b.partsOf(audit.Opened), []string{"staff@b.example delivered", "bob@b.example delivered", "carol@b.example delivered"})
	equal(t, "at the door", b.atDoor("Staff@b.example", "staff+x@b.example", "other@b.example"), []string{"ok", "unknown-recipient", "unknown-recipient"})
	b.disable("bob@b.example")
	b.disable("carol@b.example")
	equal(t, "shut out", b.atDoor("staff@b.example"), []string{"recipient-disabled"})
	b.isSound()
}

// partsOf lists what records of an action say of recipients.
func (s *site) partsOf(action audit.Action) (all []string) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		all = nil
		return tx.EachAudit(0, func(n uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err != nil {
				s.t.Fatal(err)
			}
			if e.Action == action {
				for _, p := range e.Parts {
					all = append(all, p.Recipient+" "+p.State)
				}
			}
			return true
		})
	})
	return all
}

// A member whose mailbox is full fails for himself: the others have the message. The
// sender hears that it failed, and that some have it; sent again, nobody has it twice.
func TestDN8_AGroupFailsUntilAllHaveTheMessage(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example", "carol@b.example")
	b.group("staff@b.example", "bob@b.example", "carol@b.example")
	b.fullBox("carol@b.example")
	id := a.submit(message("alice@a.example", "staff@b.example", wanted), "alice@a.example", "staff@b.example")
	w.runAll()
	equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 1)
	equal(t, "carol's INBOX", len(b.inbox("carol@b.example")), 0)
	equal(t, "state", a.states(id), []string{"staff@b.example failed peer-refused"})
	equal(t, "answers", a.answersAt("alice@a.example"), []string{"staff@b.example failed", "staff@b.example processed"})
	failed := slices.IndexFunc(a.inbox("alice@a.example"), func(s string) bool { return parseMDN(t, s).Disposition == mdn.Failed })
	text := a.inbox("alice@a.example")[failed]
	if !strings.Contains(text, "some of those behind this address have the message") || strings.Contains(text, "carol") {
		t.Errorf("the notification does not tell, or tells who:\n%s", text)
	}
	b.change("carol@b.example", func(a *store.Account) { a.Quota = 0 })
	a.submit(message("alice@a.example", "staff@b.example", wanted), "alice@a.example", "staff@b.example")
	w.runAll()
	equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 1)
	equal(t, "carol's INBOX", len(b.inbox("carol@b.example")), 1)
	equal(t, "in the trail", b.partsOf(audit.Opened), []string{
		"staff@b.example failed", "bob@b.example delivered", "carol@b.example failed",
		"staff@b.example delivered", "bob@b.example duplicate", "carol@b.example delivered",
	})
	b.isSound()
}

// Who was in a group when its message came is not asked: members are those of the moment
// in which it is delivered.
func TestAGroupIsWhoIsInItAtDelivery(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example", "carol@b.example")
	b.group("staff@b.example", "bob@b.example")
	a.submit(message("alice@a.example", "staff@b.example"), "alice@a.example", "staff@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	b.group("staff@b.example", "carol@b.example")
	b.run()
	equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 0)
	equal(t, "carol's INBOX", len(b.inbox("carol@b.example")), 1)
}

// An alias that is gone by then is a failure after processed.
func TestDN8_AnAliasThatIsGone(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example")
	b.alias("robert@b.example", "bob@b.example")
	id := a.submit(message("alice@a.example", "robert@b.example"), "alice@a.example", "robert@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	b.update(func(tx store.Tx) error { return tx.RemoveAlias(addr(t, "robert@b.example")) })
	b.run()
	w.runAll()
	equal(t, "state", a.states(id), []string{"robert@b.example failed peer-refused"})
}

// BB-35: what speaks for a patient's alias is a certificate of that very address.
func TestBB35_APatientsAliasHasItsOwnCertificate(t *testing.T) {
	w := newWorld(t)
	s := w.bare("a.example")
	s.addKey("a.example", w.root.Leaf("a.example"))
	s.addKey("alice@a.example", w.root.Leaf("alice@a.example"))
	s.accounts("alice@a.example")
	s.alias("ally@a.example", "alice@a.example")
	s.subaddress("+")
	equal(t, "before", encryptedTo(s, "ally@a.example"), []string{"a.example"})
	s.change("alice@a.example", func(a *store.Account) { a.Patient = true })
	for _, address := range []string{"ally@a.example", "alice+x@a.example"} {
		equal(t, "signers of "+address, signersOf(s, address), nil)
		equal(t, "encrypted to "+address, encryptedTo(s, address), nil)
	}
	s.addKey("ally@a.example", w.root.Leaf("ally@a.example"))
	equal(t, "signers", signersOf(s, "ally@a.example"), []string{"ally@a.example"})
	equal(t, "encrypted to", encryptedTo(s, "ally@a.example"), []string{"ally@a.example"})
}

// A certificate of an account speaks for that address alone (AS-11): not for its aliases
// and details, for which the domain's does.
func TestAS11_AliasesAndDetailsHaveTheDomainsCertificate(t *testing.T) {
	w := newWorld(t)
	s := w.bare("b.example")
	s.addKey("b.example", w.root.Leaf("b.example"))
	s.addKey("bob@b.example", w.root.Leaf("bob@b.example"))
	s.accounts("bob@b.example")
	s.alias("robert@b.example", "bob@b.example")
	s.subaddress("+")
	for address, want := range map[string]string{
		"bob@b.example": "bob@b.example", "robert@b.example": "b.example", "bob+labs@b.example": "b.example",
	} {
		equal(t, "signers of "+address, signersOf(s, address), []string{want})
		equal(t, "encrypted to "+address, encryptedTo(s, address), []string{want})
	}
}

// RFC 5233: an address with a detail reaches the longest name in front of it, unless it
// is somebody's itself, and only where that is wanted.
func TestRFC5233_Details(t *testing.T) {
	_, _, b := aliceAnd(t, "bob@b.example", "mary-jane@b.example", "mary@b.example", "bob+own@b.example", "shut@b.example")
	b.alias("robert@b.example", "bob@b.example")
	b.group("staff@b.example", "bob@b.example", "mary@b.example")
	b.disable("shut@b.example")
	ask := func(separator, address string) string {
		b.subaddress(separator)
		dir, err := b.Directory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		target := dir.find(addr(t, address))
		if code := reason.Of(target.check(addr(t, address))); !code.IsOK() {
			return code.String()
		}
		var all []string
		for _, m := range target.members {
			all = append(all, m.Address.Local())
		}
		return strings.Join(all, " ")
	}
	for _, tt := range []struct{ separator, address, want string }{
		{"", "bob+labs@b.example", "unknown-recipient"},
		{"+", "bob+labs@b.example", "bob"},
		{"+", "BOB+Labs@b.example", "bob"},
		{"+", "bob+a+b@b.example", "bob"},
		{"+", "bob+@b.example", "bob"},
		{"+", `"bob+a b"@b.example`, "bob"},
		{"+", "bob+own@b.example", "bob+own"},
		{"+", "bob+own+x@b.example", "bob+own"},
		{"+", "+labs@b.example", "unknown-recipient"},
		{"+", "bob-labs@b.example", "unknown-recipient"},
		{"+", "nobody+labs@b.example", "unknown-recipient"},
		{"+", "bob+labs@a.example", "unknown-recipient"},
		{"+", "shut+labs@b.example", "recipient-disabled"},
		{"+", "robert+labs@b.example", "bob"},
		{"+", "staff+labs@b.example", "bob mary"},
		{"-", "mary-jane@b.example", "mary-jane"},
		{"-", "mary-jane-labs@b.example", "mary-jane"},
		{"-", "mary-labs@b.example", "mary"},
		{"-", "bob+labs@b.example", "unknown-recipient"},
	} {
		equal(t, tt.separator+" "+tt.address, ask(tt.separator, tt.address), tt.want)
	}
}

// What comes to an address with a detail is delivered and answered like any other.
func TestRFC5233_ADetailIsDelivered(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example")
	b.subaddress("+")
	id := a.submit(message("alice@a.example", "bob+labs@b.example"), "alice@a.example", "bob+labs@b.example")
	w.runAll()
	equal(t, "state", a.states(id), []string{"bob+labs@b.example processed"})
	equal(t, deliveredTo, headerOf(t, b.inbox("bob@b.example")[0]).Get(deliveredTo), "bob+labs@b.example")
}

// The names that an address is looked for under are few, whatever it looks like.
func FuzzNames(f *testing.F) {
	f.Add("bob+labs", "+")
	f.Add("+", "+")
	f.Add("a--b-", "-")
	f.Fuzz(func(t *testing.T, local, separator string) {
		if separator != "" && separator != "+" && separator != "-" {
			return
		}
		a, err := mime.NewAddress(local, "b.example")
		if err != nil {
			return
		}
		n, last := 0, len(local)+1
		for name := range names(a, separator) {
			n++
			if !strings.HasPrefix(local, name.Local()) || len(name.Local()) >= last || name.Domain() != a.Domain() {
				t.Fatalf("%q is no name of %q", name, a)
			}
			last = len(name.Local())
		}
		if n == 0 || n > mime.MaxLocalPart || separator == "" && n > 1 {
			t.Fatalf("%q has %d names", a, n)
		}
	})
}

// A message to more mailboxes than one transaction reaches goes on until all have it.
func TestAMessageToVeryManyMailboxes(t *testing.T) {
	dir := &Directory{accounts: map[string]store.Account{}, aliases: map[string]store.Alias{}}
	var to []mime.Address
	for i := range 13 {
		g := store.Alias{Address: addr(t, fmt.Sprintf("g%d@b.example", i)), Group: true}
		for j := range store.MaxMembers {
			a := addr(t, fmt.Sprintf("m%d-%d@b.example", i, j))
			dir.accounts[a.Key()] = store.Account{Address: a}
			g.Members = append(g.Members, a)
		}
		dir.aliases[g.Address.Key()] = g
		to = append(to, g.Address)
	}
	var runs []int
	for rest := to; len(rest) > 0; {
		var now []mime.Address
		now, rest = dir.atOnce(rest)
		runs = append(runs, len(now))
	}
	equal(t, "groups at once", runs, []int{5, 5, 3})
	o := &opening{job: store.Job{Attempts: 3, Recipients: to[:5]}, later: to[5:]}
	next := o.goesOn([]failure{{recipient: to[0]}})
	equal(t, "attempts", next.Attempts, 3)
	equal(t, "those that are left", len(next.Recipients), 9)
	equal(t, "the last of them", next.Recipients[8], to[0])
}

// The same thousand are in six groups: two transactions, and a message once for each.
func TestAMessageToManyGroupsGoesOn(t *testing.T) {
	w, a, b := aliceAnd(t)
	var members, groups []string
	b.update(func(tx store.Tx) error {
		members = nil
		for i := range store.MaxMembers {
			members = append(members, fmt.Sprintf("m%d@b.example", i))
			err := tx.PutAccount(store.Account{Address: addr(t, members[i])})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for i := range 6 {
		groups = append(groups, fmt.Sprintf("g%d@b.example", i))
		b.group(groups[i], members...)
	}
	id := a.submit(message("alice@a.example", strings.Join(groups, ">, <"), wanted), "alice@a.example", groups...)
	w.runAll()
	for _, m := range members {
		if n := len(b.inbox(m)); n != 1 {
			t.Fatalf("%s has %d messages", m, n)
		}
	}
	for i, state := range a.states(id) {
		equal(t, "state", state, groups[i]+" dispatched")
	}
	equal(t, "in the trail", len(b.partsOf(audit.Opened)), 6*(1+store.MaxMembers))
	b.isSound()
}
