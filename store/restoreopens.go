package store

import (
	"bytes"
	"maps"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"postern/mime"
)

// A Reopened is a way into an account that was closed after a copy was made, or an address
// that it got mail at, or sent as, until then, in a store that the copy takes the place of.
type Reopened struct {
	Account mime.Address `json:"account"`
	Access  string       `json:"access,omitempty"`  // its id; "" is the account itself
	Name    string       `json:"name,omitempty"`    // of the access
	Address string       `json:"address,omitempty"` // the sender, the alias or the group
	Closed  string       `json:"closed"`            // how: one of those below
}

// How ways into accounts are closed, and addresses withdrawn.
const (
	ClosedRevoked  = "revoked"          // the access
	ClosedRemoved  = "removed"          // the account
	ClosedDisabled = "disabled"         // the account
	ClosedPassword = "another password" // in place of the one that is good again
	ClosedRequired = "certificate"      // required beside the password
	ClosedSender   = "sender"           // the account may not send as it any more
	ClosedAlias    = "alias"            // is not the account's any more
	ClosedGroup    = "group"            // the account is not in it any more
)

// An entrance is what accounts are there, and the ways into them, by their keys.
type entrance struct {
	accounts map[string]Account
	accesses map[string]Access
	aliases  map[string]Alias
}

// entranceOf reads what can be read.
func entranceOf(tx *bolt.Tx) entrance {
	return entrance{readable[Account](tx, bucketAccounts), readable[Access](tx, bucketAccess), readable[Alias](tx, bucketAliases)}
}

// readable are the records of a bucket that can be read, none of one that a store of an
// earlier schema lacks.
func readable[T any](tx *bolt.Tx, bucket string) map[string]T {
	all := make(map[string]T)
	b := in(tx, bucket)
	if b == nil {
		return all
	}
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		record, err := decodeRecord[T](bucket, v)
		if err == nil {
			all[string(k)] = record
		}
	}
	return all
}

// reopened tells what a copy opens again, as far as the store that it is to replace can be
// read, and is what became of that of which the copy is: then the end of the copy's audit
// trail is in its own.
func (h *held) reopened(db *DB, now time.Time) (all []Reopened, err error) {
	if h.bolt == nil || h.bad {
		return nil, nil
	}
	var was entrance
	var number, last []byte
	err = db.view(func(t *tx) error {
		number, last = t.in(bucketAudit).Cursor().Last()
		number, last = bytes.Clone(number), bytes.Clone(last)
		was = entranceOf(t.bolt)
		return nil
	})
	if err != nil || number == nil {
		return nil, err
	}
	all, err = guarded(func() (found []Reopened, err error) {
		err = h.bolt.View(func(tx *bolt.Tx) error {
			trail := in(tx, bucketAudit)
			if trail != nil && bytes.Equal(trail.Get(number), last) {
				found = was.closedIn(entranceOf(tx), now)
			}
			return nil
		})
		return found, err
	})
	if err != nil {
		return nil, nil // a damaged store has nothing to tell
	}
	return all, nil
}

// closedIn lists what is open here and not there: of accounts, and then of the accesses,
// the senders and the aliases of those that are open in both.
func (e entrance) closedIn(there entrance, now time.Time) (all []Reopened) {
	open := make(map[string]bool)
	for _, key := range slices.Sorted(maps.Keys(e.accounts)) {
		was := e.accounts[key]
		is, known := there.accounts[key]
		closed := ""
		switch {
		case was.Disabled:
			continue
		case !known, is.Era != was.Era:
			closed = ClosedRemoved
		case is.Disabled:
			closed = ClosedDisabled
		case is.Password != was.Password:
			closed = ClosedPassword
		case is.CertificateRequired && !was.CertificateRequired:
			closed = ClosedRequired
		}
		open[key] = closed != ClosedRemoved && closed != ClosedDisabled
		if closed != "" {
			all = append(all, Reopened{Account: was.Address, Closed: closed})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e.accesses)) {
		a := e.accesses[key]
		_, known := there.accesses[key]
		if open[a.Account.Key()] && !known && a.Kind != PasswordKind && !a.Ended(now) {
			all = append(all, Reopened{Account: a.Account, Access: a.ID, Name: a.Name, Closed: ClosedRevoked})
		}
	}
	return append(all, e.withdrawnIn(there, open)...)
}

// withdrawnIn lists what accounts that are open in both send as and get mail at here and
// not there.
func (e entrance) withdrawnIn(there entrance, open map[string]bool) (all []Reopened) {
	for _, key := range slices.Sorted(maps.Keys(open)) {
		was, is := e.accounts[key], there.accounts[key]
		for _, s := range was.Senders {
			if open[key] && !slices.Contains(is.Senders, s) {
				all = append(all, Reopened{Account: was.Address, Address: s, Closed: ClosedSender})
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e.aliases)) {
		was, is := e.aliases[key], there.aliases[key] // nobody is behind one that is not there
		closed := ClosedAlias
		if was.Group {
			closed = ClosedGroup
		}
		for _, m := range was.Members {
			if open[m.Key()] && !(is.Has(m) && is.Group == was.Group) {
				all = append(all, Reopened{Account: m, Address: was.Address.String(), Closed: closed})
			}
		}
	}
	return all
}
