package gateway

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// An addressBook says what our addresses are: a Directory, or the store as a
// transaction sees it. What is damaged is store.ErrCorrupt.
type addressBook interface {
	account(a mime.Address) (store.Account, bool, error)
	alias(a mime.Address) (store.Alias, bool, error)
	// former says when the address was somebody's who has it no more.
	former(a mime.Address) (store.Former, bool, error)
	// separator is what stands between an address and its detail; "" is nothing.
	separator() string
}

// A target is where what is written to an address of ours goes. The zero target is
// nowhere.
type target struct {
	members []store.Account // with mailboxes, in the order of their addresses
	group   bool
	// gone is when somebody had the address who has it no more; nil where nobody had.
	gone *store.Tenure
	// damage is why it cannot be told who is behind the address, or behind all of a group;
	// nil where it can. Until it is mended the address is neither anybody's nor free: what
	// comes to it waits, and nobody speaks for it.
	damage error
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

// isGone reports whether whoever had the address has it no more.
func (t target) isGone() bool { return t.gone != nil }

// isDamaged reports whether it cannot be told who is behind the address.
func (t target) isDamaged() bool { return t.damage != nil }

// isUnknown reports whether it cannot be told whose the address is, and so what speaks
// for it. A group is nobody's, whoever is behind it.
func (t target) isUnknown() bool { return t.isDamaged() && !t.group }

// patient reports whether a patient controls the address, or did who had it. One may
// where it cannot be told.
func (t target) patient() bool {
	owner, _ := t.owner()
	return owner.Patient || t.isGone() && t.gone.Patient || t.isUnknown()
}

// check refuses an address that nobody gets mail at.
func (t target) check(a mime.Address) error {
	switch {
	case t.isDamaged():
		return reason.New(reason.Internal, "%w", t.damage)
	case t.isGone():
		return reason.New(reason.UnknownRecipient, "%s", goneAccount)
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
func find(b addressBook, to mime.Address) (target, error) { return findIn(b, to, store.Now) }

// findIn is find for what was taken in an era: it goes to nobody who has the address
// since, whether somebody had it then or not, and where somebody had it who is gone to
// nobody at all. To those that it looks like a detail of it goes if it was one then.
func findIn(b addressBook, to mime.Address, e store.Era) (target, error) {
	for a := range names(to, b.separator()) {
		t, there, err := findExactly(b, a, e)
		if err != nil || there {
			return t, err
		}
	}
	return target{}, nil
}

// findExactly is findIn for a name alone, and reports whether there was one of that name.
func findExactly(b addressBook, a mime.Address, e store.Era) (t target, there bool, err error) {
	account, held, err := holderIn(b, a, e)
	if errors.Is(err, store.ErrCorrupt) {
		return target{damage: err}, true, nil
	}
	if err != nil || held {
		return target{members: []store.Account{account}}, true, err
	}
	alias, known, err := b.alias(a)
	if errors.Is(err, store.ErrCorrupt) {
		return target{damage: err}, true, nil
	}
	if err == nil && known && alias.HeldIn(e) {
		t, err = behind(b, alias, e)
		return t, true, err
	}
	if err != nil {
		return target{}, false, err
	}
	former, known, err := b.former(a)
	if err != nil || !known {
		return target{}, false, err
	}
	tenure, held := former.In(e)
	if !held {
		return target{}, false, nil
	}
	return target{gone: &tenure}, true, nil
}

// behind are those who get what was written to an alias or a group in an era. The members
// of a group are who they are now: it was written to none of them. Whoever is removed
// leaves his groups, so that the next of his name is in one only if he was put there. One
// whose account is damaged is still in it, and what comes waits for him.
func behind(b addressBook, alias store.Alias, e store.Era) (target, error) {
	t := target{group: alias.Group}
	if alias.Group {
		e = store.Now
	}
	for _, m := range alias.Members {
		account, held, err := holderIn(b, m, e)
		switch {
		case errors.Is(err, store.ErrCorrupt):
			t.damage = err
		case err != nil:
			return target{}, err
		case held:
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

// account, alias, former and separator make an addressBook of the Directory.
func (d *Directory) account(a mime.Address) (store.Account, bool, error) {
	account, known := d.Account(a)
	if account.Damaged {
		return account, true, fmt.Errorf("account %s: %w", a, store.ErrCorrupt)
	}
	return account, known, nil
}

func (d *Directory) alias(a mime.Address) (store.Alias, bool, error) {
	alias, known := d.aliases[a.Key()]
	if alias.Damaged {
		return alias, true, fmt.Errorf("alias %s: %w", a, store.ErrCorrupt)
	}
	return alias, known, nil
}

func (d *Directory) former(a mime.Address) (store.Former, bool, error) {
	former, known := d.formers[a.Key()]
	return former, known, nil
}

func (d *Directory) separator() string { return d.subaddress }

// find is find in memory, which does not fail, and so is findIn.
func (d *Directory) find(a mime.Address) target { return d.findIn(a, store.Now) }

func (d *Directory) findIn(a mime.Address, e store.Era) target {
	t, _ := findIn(d, a, e)
	return t
}

// Reaches are the accounts that get what was written to an address in an era.
func (d *Directory) Reaches(to mime.Address, e store.Era) []store.Account {
	return d.findIn(to, e).members
}

// A txBook is an addressBook as a transaction sees it.
type txBook struct {
	store.Tx
	subaddress string
}

func (b txBook) account(a mime.Address) (store.Account, bool, error) {
	return unlessMissing(b.Account(a))
}

func (b txBook) alias(a mime.Address) (store.Alias, bool, error) {
	return unlessMissing(b.Alias(a))
}

func (b txBook) former(a mime.Address) (store.Former, bool, error) {
	return unlessMissing(b.Former(a))
}

func (b txBook) separator() string { return b.subaddress }

func unlessMissing[T any](record T, err error) (T, bool, error) {
	if errors.Is(err, store.ErrNotFound) {
		return record, false, nil
	}
	return record, err == nil, err
}
