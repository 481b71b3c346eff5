package gateway

import (
	"math"

	"postern/mime"
	"postern/store"
)

// present is later than every era: what is found then is there now.
const present store.Era = math.MaxUint64

// bookIn is the address book for what was taken in an era: an account or an alias that
// was made later is not in it, whoever had the address before.
func (c *Core) bookIn(tx store.Tx, e store.Era) addressBook { return txBook{tx, c.Subaddress, e} }

// eraOf is when a job was taken, or its message, where that was earlier.
func eraOf(tx store.Tx, job store.Job) (store.Era, error) {
	t, known, err := trackOf(tx, job.Track)
	if known {
		return min(job.Era, t.Era), err
	}
	return job.Era, err
}

// holderIn returns the account of an address if it was there in an era already.
func holderIn(tx store.Tx, a mime.Address, e store.Era) (store.Account, bool, error) {
	account, known, err := unlessMissing(tx.Account(a))
	return account, known && account.HeldIn(e), err
}

// pushHolder returns the account that a push is for, unless it was removed since.
func pushHolder(tx store.Tx, job store.Job) (store.Account, bool, error) {
	e, err := eraOf(tx, job)
	if err != nil {
		return store.Account{}, false, err
	}
	return holderIn(tx, job.Push.Account, e)
}
