package gateway

import (
	"cmp"
	"errors"
	"fmt"

	"postern/mime"
	"postern/store"
)

// book is the address book as a transaction sees it.
func (c *Core) book(tx store.Tx) addressBook { return txBook{tx, c.Subaddress} }

// holderIn returns the account of an address if it was there in an era already.
func holderIn(b addressBook, a mime.Address, e store.Era) (store.Account, bool, error) {
	account, known, err := b.account(a)
	return account, err == nil && known && account.HeldIn(e), err
}

// pushHolder returns the account that a push is for, unless it was removed since.
func pushHolder(tx store.Tx, job store.Job) (store.Account, bool, error) {
	return holderIn(txBook{Tx: tx}, job.Push.Account, job.Era)
}

// EraOf is when a transmission was taken. Its track says it, for the job that it is a step
// of may be older; where that is gone it is the era of the job.
func EraOf(tx store.Tx, id store.TrackID, job store.Era) (store.Era, error) {
	t, known, err := trackOf(tx, id)
	if !known {
		return job, err
	}
	return t.Era, nil
}

// handedInBy is the account that a message of ours is of, whoever has its address now.
func handedInBy(t store.Track) mime.Address { return cmp.Or(t.Account, t.Sender) }

// wasThere reports whether an account was there when a message of ours was taken. What is
// of before eras is told apart by its time.
func wasThere(account store.Account, t store.Track) bool {
	return account.HeldIn(t.Era) && (t.Era > 0 || !t.Received.Before(account.Created))
}

// readerOf finds the account that is told what becomes of a message: that of the address
// it was sent from or, where that is nobody's alone, who handed it in. Nobody is told
// where they are gone, whoever has their addresses now.
func readerOf(b addressBook, t store.Track) (store.Account, bool, error) {
	from, err := findIn(b, t.Sender, t.Era)
	if err == nil {
		err = from.damage
	}
	if err != nil {
		return store.Account{}, false, err
	}
	owner, owned := from.owner()
	if owned {
		return owner, wasThere(owner, t), nil
	}
	account, held, err := holderIn(b, handedInBy(t), t.Era)
	return account, held && wasThere(account, t), err
}

// mailboxOf finds the account whose mailbox gets what is told about a message of ours:
// see readerOf. Where a record is damaged that this goes by it is who handed the message
// in. It is store.ErrNotFound if there is none.
func (c *Core) mailboxOf(tx store.Tx, job store.Job) (mime.Address, error) {
	track, known, err := trackOf(tx, job.Track)
	if err == nil && !known {
		track = store.Track{Sender: job.Sender, Era: job.Era}
		track.Account, err = c.sentAsIn(tx, job.Sender, job.Era)
	}
	if err != nil {
		return mime.Address{}, err
	}
	account, held, err := readerOf(c.book(tx), track)
	if errors.Is(err, store.ErrCorrupt) {
		account, held, err = submitterOf(c.book(tx), track)
	}
	if err == nil && !held {
		err = fmt.Errorf("the account of %s: %w", job.Sender, store.ErrNotFound)
	}
	return account.Address, err
}

// submitterOf finds the account that handed a message of ours in. It is known to have been
// there then, so that it is there also where its record is damaged, unless somebody who had
// its address then is gone.
func submitterOf(b addressBook, t store.Track) (store.Account, bool, error) {
	by := handedInBy(t)
	account, held, err := holderIn(b, by, t.Era)
	if err == nil {
		return account, held && wasThere(account, t), nil
	}
	if !errors.Is(err, store.ErrCorrupt) || t.Era == 0 { // which are told apart by the record alone
		return account, false, err
	}
	former, known, err := b.former(by)
	_, gone := former.In(t.Era)
	return store.Account{Address: by}, err == nil && !(known && gone), err
}

// sentAsIn returns who sent last as an address in an era, or the zero address. Where
// somebody had the address then who is gone, nobody else speaks for it.
func (c *Core) sentAsIn(tx store.Tx, a mime.Address, e store.Era) (mime.Address, error) {
	t, err := findIn(c.book(tx), a, e)
	if err == nil {
		err = t.damage
	}
	if err != nil || t.isGone() {
		return mime.Address{}, err
	}
	last, known, err := unlessMissing(tx.SentAs(a))
	if err != nil || !known {
		return mime.Address{}, err
	}
	return last.Account, nil
}
