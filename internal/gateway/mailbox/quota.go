package mailbox

import (
	"context"
	"fmt"

	"postern/mime"
	"postern/pickup"
	"postern/store"
)

// quota refuses what is too much for an account.
func (o Options) quota(tx store.Tx, account mime.Address, bytes int64) error {
	over, err := OverQuota(tx, account, bytes, o.Bytes)
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
	return translate(u.store.View(ctx, func(tx store.Tx) error { return u.options.quota(tx, u.account, 1) }))
}

// noRoom gives a want of space its name; the details are not for users.
func noRoom(err error) error {
	if err != nil {
		return pickup.ErrUnavailable
	}
	return nil
}

// OverQuota reports whether so many bytes more are too much for an account: its
// own quota counts, or standard where it has none. A quota of 0 or less is no
// limit. A mailbox that is just full is over its quota for 1 byte.
func OverQuota(tx store.Tx, account mime.Address, bytes, standard int64) (bool, error) {
	used, limit, err := Usage(tx, account, standard)
	if err != nil {
		return false, err
	}
	return limit > 0 && used > limit-bytes, nil
}

// Usage returns how many bytes the mailboxes of an account hold and may hold;
// a limit of 0 is none.
func Usage(tx store.Tx, account mime.Address, standard int64) (used, limit int64, err error) {
	a, err := tx.Account(account)
	if err != nil {
		return 0, 0, fmt.Errorf("reading a quota: %w", err)
	}
	boxes, err := tx.Mailboxes(account)
	if err != nil {
		return 0, 0, fmt.Errorf("reading a quota: %w", err)
	}
	for _, m := range boxes {
		used += m.Bytes
	}
	limit = a.Quota
	if limit == 0 {
		limit = standard
	}
	return used, max(limit, 0), nil
}
