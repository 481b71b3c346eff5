package gateway

import (
	"errors"
	"slices"

	"postern/mime"
	"postern/store"
)

// WithdrawDetails takes along what was for details of addresses that are gone, as the store
// takes what was for those very addresses: the certificates, and the requests for some, so
// that nobody who has the address later signs with them or reads what is sealed to them, and
// what accounts may send as, which is for who had the address then.
func (c *Core) WithdrawDetails(tx store.Tx, gone ...mime.Address) error {
	d := detailsOf(c.book(tx), gone)
	keys, err := tx.Keys()
	if err != nil {
		return err
	}
	for _, k := range keys {
		err := d.ifOne(k.Owner, func() error { return tx.RemoveKey(k.Fingerprint) })
		if err != nil {
			return err
		}
	}
	requests, err := tx.KeyRequests()
	if err != nil {
		return err
	}
	for _, r := range requests {
		err := d.ifOne(r.Owner, func() error { return tx.RemoveKeyRequest(r.ID) })
		if err != nil {
			return err
		}
	}
	return d.withdrawSenders(tx)
}

// WithdrawTaken takes from what accounts may send as an address that is to be made, and its
// details, where it was a detail of somebody until now: they were allowed to send as his.
// Certificates stay, as those do that are there for an address before it is somebody's: what
// came to him is answered with them, and a patient's address needs one first.
func (c *Core) WithdrawTaken(tx store.Tx, made mime.Address) error {
	book := c.book(tx)
	_, taken, err := detailsOf(book, nil).base(made)
	if err != nil || !taken {
		return err
	}
	return detailsOf(book, []mime.Address{made}).withdrawSenders(tx)
}

// details tells what is a detail of some addresses, whether those are there or not.
type details struct {
	book addressBook
	of   map[string]bool // by Address.Key
}

func detailsOf(b addressBook, all []mime.Address) details {
	d := details{b, make(map[string]bool)}
	for _, a := range all {
		d.of[a.Key()] = true
	}
	return d
}

// base returns whose detail an address is, of those who are there and of the addresses:
// the longest name. That may be the address itself.
func (d details) base(of mime.Address) (mime.Address, bool, error) {
	for a := range names(of, d.book.separator()) {
		_, account, err := thereAtAll(d.book.account(a))
		if err != nil {
			return mime.Address{}, false, err
		}
		_, alias, err := thereAtAll(d.book.alias(a))
		if err != nil || account || alias || d.of[a.Key()] {
			return a, err == nil, err
		}
	}
	return mime.Address{}, false, nil
}

// has reports whether a name is one of the addresses or a detail of one. That of a domain
// is none.
func (d details) has(name string) (bool, error) {
	a, err := mime.ParseAddress(name)
	if err != nil {
		return false, nil
	}
	base, is, err := d.base(a)
	return is && d.of[base.Key()], err
}

func (d details) ifOne(name string, do func() error) error {
	is, err := d.has(name)
	if err != nil || !is {
		return err
	}
	return do()
}

// withdrawSenders takes them from what accounts may send as.
func (d details) withdrawSenders(tx store.Tx) error {
	accounts, err := tx.Accounts()
	if err != nil {
		return err
	}
	for _, a := range accounts {
		kept := slices.DeleteFunc(slices.Clone(a.Senders), func(sender string) bool {
			is, hasErr := d.has(sender)
			err = errors.Join(err, hasErr)
			return is
		})
		if err == nil && len(kept) < len(a.Senders) {
			a.Senders = kept
			err = tx.PutAccount(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// thereAtAll has what is damaged be there.
func thereAtAll[T any](record T, known bool, err error) (T, bool, error) {
	if errors.Is(err, store.ErrCorrupt) {
		return record, true, nil
	}
	return record, known, err
}
