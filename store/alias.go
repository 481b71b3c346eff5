package store

import (
	"slices"
	"time"

	"postern/mime"
)

// MaxMembers bounds the accounts behind one address: all get their copy in one
// transaction.
const MaxMembers = 1000

// MaxSenders bounds the Senders of an account.
const MaxSenders = 1000

// An Alias is an address without mailboxes of its own. What is written to it goes to
// accounts: to one, which also sends as it, or to all members of a group.
type Alias struct {
	Address mime.Address `json:"address"`
	// Members are addresses of accounts, never of other aliases, so that nothing goes
	// in circles: at least one, of a group MaxMembers at most, no two the same, in the
	// order of their keys.
	Members []mime.Address `json:"members"`
	Group   bool           `json:"group,omitempty"`
	Created time.Time      `json:"created"`
	// Era is the one that the alias began. PutAlias gives it.
	Era Era `json:"era,omitempty"`
	// Damaged says that the record cannot be read: nobody knows who is behind the address,
	// or whether it is a group. Only a listing has such a one.
	Damaged bool `json:"-"`
}

// Has reports whether what comes to the alias goes to an account.
func (a Alias) Has(account mime.Address) bool {
	return slices.ContainsFunc(a.Members, account.Same)
}

// without returns the alias without a member.
func (a Alias) without(account mime.Address) Alias {
	a.Members = slices.DeleteFunc(slices.Clone(a.Members), account.Same)
	return a
}

// MaySendAs reports whether Senders name an address: itself, or with "@" in front its
// domain. The account's own address and its aliases do not stand there.
func (a Account) MaySendAs(from mime.Address) bool {
	return slices.ContainsFunc(a.Senders, func(s string) bool {
		return s == from.Key() || s == "@"+string(from.Domain())
	})
}

// A SentAs says which account sent last as an address that has no mailbox, so that
// what is told about its messages reaches somebody.
type SentAs struct {
	Address mime.Address `json:"address"`
	Account mime.Address `json:"account"`
	At      time.Time    `json:"at"` // to the hour: a busy address is written once
}

// AliasTx holds the addresses that are no accounts.
type AliasTx interface {
	// Aliases are found without regard to case.
	Alias(a mime.Address) (Alias, error)
	Aliases() ([]Alias, error)
	// PutAlias replaces or creates an alias; its members are brought into order. It is
	// ErrExists where the address is that of an account, as PutAccount is where it is an
	// alias, and ErrNotFound where a member is no account.
	PutAlias(Alias) error
	// RemoveAlias takes along the keys and key requests of the address, and what accounts
	// may send as it, which ends also when an alias is given to another.
	RemoveAlias(a mime.Address) error

	// SentAs returns who sent last as an address, or ErrNotFound.
	SentAs(a mime.Address) (SentAs, error)
	PutSentAs(SentAs) error
	// ForgetSentAs forgets those from before a time, at most so many, and returns how
	// many they were.
	ForgetSentAs(before time.Time, most int) (int, error)
}
