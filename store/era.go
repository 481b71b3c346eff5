package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

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
	// Tenures are of those who had it, one after another, maxTenures at most.
	Tenures []Tenure `json:"tenures"`
	// Damaged says that the record cannot be read, and that Tenures are what is safe to
	// take for it: a patient had the address whenever nobody has it who is there now.
	Damaged bool `json:"-"`
}

// A Tenure is a time in which an address was somebody's.
type Tenure struct {
	// From and To are the first and the last Era of it.
	From Era `json:"from,omitempty"`
	To   Era `json:"to,omitempty"`
	// Patient says that a patient controlled the address.
	Patient bool `json:"patient,omitempty"`
}

// In returns the tenure that an Era is of, if somebody had the address then who has it no
// more.
func (f Former) In(e Era) (Tenure, bool) {
	for _, t := range f.Tenures {
		if t.From <= e && e <= t.To {
			return t, true
		}
	}
	return Tenure{}, false
}

// maxTenures bounds a record. Of an address that more had, one after another, the first two
// count as one, who had it between them too: of that time nothing is left as a rule.
const maxTenures = 16

// and returns the tenures with that which ends now. Who had the address before is not taken
// to have had it any longer, of whom a damaged record cannot tell.
func (f Former) and(last Tenure) []Tenure {
	all := slices.Clone(f.Tenures)
	if n := len(all); n > 0 {
		before := &all[n-1]
		before.To = min(before.To, last.To)
		last.From = max(last.From, before.To+1)
		switch {
		case last.From > last.To:
			return all
		case last.From == before.To+1 && last.Patient == before.Patient:
			before.To = last.To
			return all
		}
	}
	all = append(all, last)
	if len(all) > maxTenures {
		all[1].From, all[1].Patient = all[0].From, all[0].Patient || all[1].Patient
		all = all[1:]
	}
	return all
}

// isWhole reports whether tenures follow one another.
func isWhole(all []Tenure) bool {
	for i, t := range all {
		if t.From > t.To || i > 0 && t.From <= all[i-1].To {
			return false
		}
	}
	return len(all) > 0
}

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
		return t.leave(a.Address, Tenure{Patient: true})
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
	var old []Former
	err := t.each(bucketFormer, nil, nil, func(k, v []byte) (bool, error) {
		f, err := t.formerOf(k, v)
		if err == nil && !f.Damaged && f.Tenures[0].To < before {
			old = append(old, f)
		}
		return len(old) < most, nil
	})
	for _, f := range old {
		if err != nil {
			break
		}
		f.Tenures = slices.DeleteFunc(f.Tenures, func(t Tenure) bool { return t.To < before })
		err = t.putFormer(f)
	}
	return len(old), err
}

// putFormer stores a record, or removes one that says nothing.
func (t *tx) putFormer(f Former) error {
	key := []byte(f.Address.Key())
	if len(f.Tenures) == 0 {
		return t.removeDirectory(bucketFormer, key)
	}
	return t.putDirectory(bucketFormer, key, f)
}

// formerOf reads a record. One that is damaged stops the mail of that address alone.
func (t *tx) formerOf(key, value []byte) (Former, error) {
	f, err := decodeRecord[Former](bucketFormer, value)
	if err == nil && f.Address.Key() == string(key) && isWhole(f.Tenures) {
		return f, nil
	}
	a, err := mime.ParseAddress(string(key))
	if err != nil {
		return Former{}, fmt.Errorf("%w: a record of %s is of no address", ErrCorrupt, bucketFormer)
	}
	all := Tenure{To: Now, Patient: true}
	account, noAccount := t.Account(a)
	alias, noAlias := t.Alias(a)
	switch {
	case noAccount == nil:
		all.To = max(account.Era, 1) - 1
	case noAlias == nil:
		all.To = max(alias.Era, 1) - 1
	}
	return Former{Address: a, Tenures: []Tenure{all}, Damaged: true}, nil
}

// leaveAccount notes that an account goes. Of one that is damaged it is not known since
// when it was there, or whether a patient controlled it, so that it counts as one's.
func (t *tx) leaveAccount(address mime.Address) (next Era, err error) {
	err = t.write(0)
	if err != nil {
		return 0, err
	}
	a, err := t.Account(address)
	if errors.Is(err, ErrCorrupt) {
		a.Patient, err = true, nil
	}
	if err != nil {
		return 0, err
	}
	return t.leave(address, Tenure{From: a.Era, Patient: a.Patient})
}

// leaveAlias is leaveAccount for an alias or a group, whose accounts are still there. No
// patient controls a group.
func (t *tx) leaveAlias(address mime.Address) (next Era, err error) {
	a, err := t.Alias(address)
	patient := errors.Is(err, ErrCorrupt)
	if err != nil && !patient {
		return 0, err
	}
	for _, m := range a.Members {
		behind, err := t.Account(m)
		switch {
		case err == nil:
			patient = patient || behind.Patient
		case errors.Is(err, ErrCorrupt):
			patient = patient || !a.Group
		case !errors.Is(err, ErrNotFound):
			return 0, err
		}
	}
	return t.leave(address, Tenure{From: a.Era, Patient: patient})
}

// leave notes that who has an address since an Era has it no more, and begins the next
// Era: what comes from now on is for somebody else, or for nobody of that name.
func (t *tx) leave(a mime.Address, last Tenure) (next Era, err error) {
	last.To, err = t.Era()
	if err != nil {
		return 0, err
	}
	f, err := t.Former(a)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	err = t.putFormer(Former{Address: a, Tenures: f.and(last)})
	if err != nil {
		return 0, err
	}
	return t.nextEra()
}
