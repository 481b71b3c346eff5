package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An Era tells apart who holds an address at different times: each account and each
// alias that is made begins one. What is taken for an address, a message or a wait, is of
// the Era that it is taken in, and is for whoever held the address then: it never reaches
// one that was made later under the same name.
//
// Whatever is older than eras is of Era 0, an account like a message, and so belongs
// together.
type Era uint64

// HeldIn reports whether the account was there in an Era.
func (a Account) HeldIn(e Era) bool { return a.Era <= e }

// HeldIn reports whether the alias was there in an Era, as what it is.
func (a Alias) HeldIn(e Era) bool { return a.Era <= e }

// Era implements DirectoryTx.
func (t *tx) Era() (Era, error) {
	v := t.get(bucketMeta, []byte(metaEra))
	if v == nil {
		return 0, nil
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("%w: the era of the accounts", ErrCorrupt)
	}
	return Era(binary.BigEndian.Uint64(v)), nil
}

// nextEra begins one.
func (t *tx) nextEra() (Era, error) {
	e, err := t.Era()
	if err != nil {
		return 0, err
	}
	return e + 1, t.put(bucketMeta, []byte(metaEra), u64(uint64(e)+1))
}

// accountEra is that of an account which is stored: the one it has, or a new one.
func (t *tx) accountEra(a Account) (Era, error) {
	old, err := t.Account(a.Address)
	switch {
	case err == nil:
		return old.Era, nil
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrCorrupt): // whose holder nobody knows
		return t.nextEra()
	}
	return 0, err
}

// aliasEra is that of an alias which is stored. A group stays the same whoever joins and
// leaves; an alias that is given to another account does not.
func (t *tx) aliasEra(a Alias) (Era, error) {
	old, err := t.Alias(a.Address)
	switch {
	case err == nil && old.Group == a.Group && (a.Group || old.Has(a.Members[0])):
		return old.Era, nil
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrCorrupt):
		return t.nextEra()
	}
	return 0, err
}
