package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"postern/mime"
)

// An Era tells apart who holds an address at different times: each account and each
// alias that is made begins one, and so does each that goes. What is taken for an address,
// a message or a wait, is of the Era that it is taken in, and is for whoever held the
// address then: it never reaches one that was made later under the same name.
//
// Whatever is older than eras is of Era 0, an account like a message, and so belongs
// together. What is of no known Era is of that one as well: it then reaches nobody who was
// not there before all others.
type Era uint64

// Now is the present Era, whichever that is. A job or a track that is stored of it is of
// the one that there is then.
const Now Era = math.MaxUint64

// HeldIn reports whether the account was there in an Era.
func (a Account) HeldIn(e Era) bool { return a.Era <= e }

// HeldIn reports whether the alias was there in an Era, as what it is.
func (a Alias) HeldIn(e Era) bool { return a.Era <= e }

// A Former says that an address was that of an account, an alias or a group which is gone,
// whatever it is now.
type Former struct {
	Address mime.Address `json:"address"`
	// From and To are the first and the last Era in which it was there. Of several, one
	// after another, it is from the first to the last.
	From Era `json:"from,omitempty"`
	To   Era `json:"to,omitempty"`
	// Patient says that a patient controlled the address.
	Patient bool `json:"patient,omitempty"`
	// Damaged says that the record cannot be read, and that the rest is what is safe to
	// take for it: somebody had the address whenever nobody has it who is there now.
	Damaged bool `json:"-"`
}

// HeldIn reports whether somebody had the address in an Era who has it no more. Between
// several it says that somebody had.
func (f Former) HeldIn(e Era) bool { return f.From <= e && e <= f.To }

// Era implements DirectoryTx.
func (t *tx) Era() (Era, error) {
	v := t.get(bucketMeta, []byte(metaEra))
	if len(v) != 8 {
		return 0, fmt.Errorf("%w: the last era", ErrCorrupt)
	}
	return Era(binary.BigEndian.Uint64(v)), nil
}

// eraGiven is an Era as it is stored.
func (t *tx) eraGiven(e Era) (Era, error) {
	if e == Now {
		return t.Era()
	}
	return e, nil
}

// nextEra begins one.
func (t *tx) nextEra() (Era, error) {
	e, err := t.Era()
	if err != nil {
		return 0, err
	}
	return e + 1, t.setEra(e + 1)
}

func (t *tx) setEra(e Era) error { return t.put(bucketMeta, []byte(metaEra), u64(uint64(e))) }

// accountEra is that of an account which is stored: the one it has, or a new one.
func (t *tx) accountEra(a Account) (Era, error) {
	old, err := t.Account(a.Address)
	switch {
	case err == nil:
		return old.Era, nil
	case errors.Is(err, ErrNotFound):
		return t.nextEra()
	case errors.Is(err, ErrCorrupt): // whose holder nobody knows
		return t.leave(Former{Address: a.Address})
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
	case errors.Is(err, ErrNotFound):
		return t.nextEra()
	}
	err = t.withdrawSenders(func(s string) bool { return s == a.Address.Key() })
	if err != nil {
		return 0, err
	}
	return t.leaveAlias(a.Address)
}

// Former implements DirectoryTx.
func (t *tx) Former(a mime.Address) (Former, error) {
	key := []byte(a.Key())
	value := t.get(bucketFormer, key)
	if value == nil {
		return Former{}, fmt.Errorf("who had %s before: %w", a, ErrNotFound)
	}
	return t.formerOf(key, value)
}

// Formers implements DirectoryTx. What stands under no address is of nobody.
func (t *tx) Formers() ([]Former, error) {
	var all []Former
	err := t.each(bucketFormer, nil, nil, func(k, v []byte) (bool, error) {
		f, err := t.formerOf(k, v)
		if err == nil {
			all = append(all, f)
		}
		return true, nil
	})
	return all, err
}

// ForgetFormers implements DirectoryTx.
func (t *tx) ForgetFormers(before Era, most int) (int, error) {
	if !t.writable {
		return 0, ErrReadOnly
	}
	var old [][]byte
	err := t.each(bucketFormer, nil, nil, func(k, v []byte) (bool, error) {
		f, err := t.formerOf(k, v)
		if err == nil && !f.Damaged && f.To < before {
			old = append(old, bytes.Clone(k))
		}
		return len(old) < most, nil
	})
	for _, key := range old {
		if err != nil {
			break
		}
		err = t.removeDirectory(bucketFormer, key)
	}
	return len(old), err
}

// formerOf reads a record. One that is damaged stops the mail of that address alone.
func (t *tx) formerOf(key, value []byte) (Former, error) {
	f, err := decodeRecord[Former](bucketFormer, value)
	if err == nil && f.Address.Key() == string(key) && f.From <= f.To {
		return f, nil
	}
	a, err := mime.ParseAddress(string(key))
	if err != nil {
		return Former{}, fmt.Errorf("%w: a record of %s is of no address", ErrCorrupt, bucketFormer)
	}
	f = Former{Address: a, To: Now, Patient: true, Damaged: true}
	account, noAccount := t.Account(a)
	alias, noAlias := t.Alias(a)
	switch {
	case noAccount == nil:
		f.To = max(account.Era, 1) - 1
	case noAlias == nil:
		f.To = max(alias.Era, 1) - 1
	}
	return f, nil
}

// leaveAccount notes that an account goes. Of one that is damaged it is not known since
// when it was there.
func (t *tx) leaveAccount(address mime.Address) (next Era, err error) {
	err = t.write(0)
	if err != nil {
		return 0, err
	}
	a, err := t.Account(address)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return 0, err
	}
	return t.leave(Former{Address: address, From: a.Era, Patient: a.Patient})
}

// leaveAlias is leaveAccount for an alias or a group, whose accounts are still there.
func (t *tx) leaveAlias(address mime.Address) (next Era, err error) {
	a, err := t.Alias(address)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return 0, err
	}
	f := Former{Address: address, From: a.Era}
	for _, m := range a.Members {
		behind, err := t.Account(m)
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrCorrupt) {
			return 0, err
		}
		f.Patient = f.Patient || behind.Patient
	}
	return t.leave(f)
}

// leave notes that who has an address since an Era has it no more, and begins the next
// Era: what comes from now on is for somebody else, or for nobody of that name.
func (t *tx) leave(f Former) (next Era, err error) {
	f.To, err = t.Era()
	if err != nil {
		return 0, err
	}
	old, err := t.Former(f.Address)
	switch {
	case err == nil:
		f.From, f.Patient = min(f.From, old.From), f.Patient || old.Patient
	case !errors.Is(err, ErrNotFound):
		return 0, err
	}
	err = t.putDirectory(bucketFormer, []byte(f.Address.Key()), f)
	if err != nil {
		return 0, err
	}
	return t.nextEra()
}
