package gateway

import (
	"errors"
	"iter"
	"slices"
	"strings"

	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// An addressBook says what our addresses are: a Directory, or the store as a
// transaction sees it.
type addressBook interface {
	account(a mime.Address) (store.Account, bool, error)
	alias(a mime.Address) (store.Alias, bool, error)
	// separator is what stands between an address and its detail; "" is nothing.
	separator() string
}

// A target is where what is written to an address of ours goes. The zero target is
// nowhere.
type target struct {
	members []store.Account // with mailboxes, in the order of their addresses
	group   bool
}

// exists reports whether the address is one of ours.
func (t target) exists() bool { return len(t.members) > 0 }

// open are the members that may get mail.
func (t target) open() []store.Account {
	return slices.DeleteFunc(slices.Clone(t.members), func(a store.Account) bool { return a.Disabled })
}

// owner is the one account that the address belongs to; a group belongs to none.
func (t target) owner() (store.Account, bool) {
	if t.group || len(t.members) != 1 {
		return store.Account{}, false
	}
	return t.members[0], true
}

// belongsTo reports whether the address is an account's own.
func (t target) belongsTo(account mime.Address) bool {
	owner, owned := t.owner()
	return owned && owner.Address.Same(account)
}

// patient reports whether a patient controls the address.
func (t target) patient() bool {
	owner, _ := t.owner()
	return owner.Patient
}

// check refuses an address that nobody gets mail at.
func (t target) check(a mime.Address) error {
	switch {
	case !t.exists():
		return reason.New(reason.UnknownRecipient, "%s has no account", a)
	case len(t.open()) == 0:
		return reason.New(reason.RecipientDisabled, "%s is disabled", a)
	}
	return nil
}

// find finds out where what is written to an address goes: to the account or the alias
// of that name or else, where addresses have details, to the one that it is a detail of
// (RFC 5233 §4).
func find(b addressBook, to mime.Address) (target, error) {
	for a := range names(to, b.separator()) {
		t, err := findExactly(b, a)
		if err != nil || t.exists() {
			return t, err
		}
	}
	return target{}, nil
}

func findExactly(b addressBook, a mime.Address) (target, error) {
	account, known, err := b.account(a)
	if err != nil {
		return target{}, err
	}
	if known {
		return target{members: []store.Account{account}}, nil
	}
	alias, known, err := b.alias(a)
	if err != nil || !known {
		return target{}, err
	}
	t := target{group: alias.Group}
	for _, m := range alias.Members {
		account, known, err := b.account(m)
		if err != nil {
			return target{}, err
		}
		if known {
			t.members = append(t.members, account)
		}
	}
	return t, nil
}

// names are an address and what it may be a detail of, the longest first: with "+",
// a+b+c@ is followed by a+b@ and a@. What is in front of a separator that comes first is
// no name.
func names(a mime.Address, separator string) iter.Seq[mime.Address] {
	return func(yield func(mime.Address) bool) {
		more := yield(a)
		local := a.Local()
		for more && separator != "" {
			at := strings.LastIndex(local, separator)
			if at <= 0 {
				return
			}
			local = local[:at]
			base, err := mime.NewAddress(local, a.Domain())
			more = err != nil || yield(base)
		}
	}
}

// account, alias and separator make an addressBook of the Directory.
func (d *Directory) account(a mime.Address) (store.Account, bool, error) {
	account, known := d.Account(a)
	return account, known, nil
}

func (d *Directory) alias(a mime.Address) (store.Alias, bool, error) {
	alias, known := d.aliases[a.Key()]
	return alias, known, nil
}

func (d *Directory) separator() string { return d.subaddress }

// find is find in memory, which does not fail.
func (d *Directory) find(a mime.Address) target {
	t, _ := find(d, a)
	return t
}

// Alone reports whether an account is the only one that gets what is written to an address.
func (d *Directory) Alone(account, to mime.Address) bool {
	members := d.find(to).members
	return len(members) == 1 && members[0].Address.Same(account)
}

// A txBook is an addressBook as a transaction sees it.
type txBook struct {
	store.Tx
	subaddress string
	era        store.Era // what was made later is not there
}

func (b txBook) account(a mime.Address) (store.Account, bool, error) {
	return holderIn(b.Tx, a, b.era)
}

func (b txBook) alias(a mime.Address) (store.Alias, bool, error) {
	alias, known, err := unlessMissing(b.Alias(a))
	return alias, known && alias.HeldIn(b.era), err
}

func (b txBook) separator() string { return b.subaddress }

func unlessMissing[T any](record T, err error) (T, bool, error) {
	if errors.Is(err, store.ErrNotFound) {
		return record, false, nil
	}
	return record, err == nil, err
}
