package mailbox

import (
	"context"
	"fmt"

	"postern/mime"
	"postern/pickup"
	"postern/store"
)

// A message costs more than its octets: its record, its places in indexes, its
// line in every client's list.
const (
	leastWeight = 1 << 10 // octets that the smallest message counts as
	// MaxMessages is how many messages the mailboxes of an account hold, also
	// without a quota.
	MaxMessages = 1_000_000
)

// A Load is messages with the octets that a quota counts for them.
type Load struct {
	Messages int64
	Bytes    int64
}

// LoadOf is one message of a size.
func LoadOf(size int64) Load { return Load{1, max(size, leastWeight)} }

// quota refuses what is too much for an account.
func (o Options) quota(tx store.Tx, account mime.Address, more Load) error {
	over, err := OverQuota(tx, account, more, o.Bytes)
	if err == nil && over {
		err = pickup.ErrOverQuota
	}
	return err
}

// room refuses a message before it is taken.
func (u *user) room(ctx context.Context) error {
	err := noRoom(u.options.Room())
	if err != nil {
		return err
	}
	return translate(u.store.View(ctx, func(tx store.Tx) error { return u.options.quota(tx, u.account, LoadOf(0)) }))
}

// noRoom gives a want of space its name; the details are not for users.
func noRoom(err error) error {
	if err != nil {
		return pickup.ErrUnavailable
	}
	return nil
}

// OverQuota reports whether so much more is too much for an account: its own quota
// counts, or standard where it has none. A quota of 0 or less is no limit of the
// octets. What more holds may be below 0, for what is let in beyond a quota.
func OverQuota(tx store.Tx, account mime.Address, more Load, standard int64) (bool, error) {
	used, limit, err := usage(tx, account, standard)
	if err != nil {
		return false, err
	}
	return used.Messages > MaxMessages-more.Messages || limit > 0 && used.Bytes > limit-more.Bytes, nil
}

// Usage returns how many bytes the mailboxes of an account hold, as a quota counts
// them, and may hold; a limit of 0 is none.
func Usage(tx store.Tx, account mime.Address, standard int64) (used, limit int64, err error) {
	load, limit, err := usage(tx, account, standard)
	return load.Bytes, limit, err
}

func usage(tx store.Tx, account mime.Address, standard int64) (used Load, limit int64, err error) {
	a, err := tx.Account(account)
	if err != nil {
		return used, 0, fmt.Errorf("reading a quota: %w", err)
	}
	boxes, err := tx.Mailboxes(account)
	if err != nil {
		return used, 0, fmt.Errorf("reading a quota: %w", err)
	}
	for _, m := range boxes {
		used.Messages += int64(m.Messages)
		used.Bytes += max(m.Bytes, leastWeight*int64(m.Messages))
	}
	limit = a.Quota
	if limit == 0 {
		limit = standard
	}
	return used, max(limit, 0), nil
}

// Quota implements pickup.User.
func (u *user) Quota(ctx context.Context) (pickup.Quota, error) {
	var q pickup.Quota
	err := u.store.View(ctx, func(tx store.Tx) error {
		used, limit, err := usage(tx, u.account, u.options.Bytes)
		q = pickup.Quota{Bytes: used.Bytes, BytesLimit: limit, Messages: used.Messages, MessagesLimit: MaxMessages}
		return err
	})
	return q, translate(err)
}
