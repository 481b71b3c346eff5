package gateway

import (
	"context"

	"postern/internal/gateway/mailbox"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// noticeReserve is how far beyond its quota a mailbox takes notifications that
// come from outside. They are small, nothing may answer them (AS-86), and each
// tells what became of a message, so that none should be dropped for the want of
// a few bytes.
const noticeReserve = 16 << 20

// overQuota reports whether a mailbox is too full for a message of so many bytes.
// Failure notices of our own ask nobody: each answers a message that the account
// itself handed in, and must not get lost.
func (c *Core) overQuota(tx store.Tx, account mime.Address, bytes int64) (bool, error) {
	return mailbox.OverQuota(tx, account, bytes, c.MailboxBytes)
}

// overNoticeQuota is overQuota for a notification that came from outside.
func (c *Core) overNoticeQuota(tx store.Tx, account mime.Address, bytes int64) (bool, error) {
	return mailbox.OverQuota(tx, account, bytes-noticeReserve, c.MailboxBytes)
}

// roomFor refuses mail to an account of ours whose mailboxes are full, so that
// its sender's server keeps it until there is room.
func (c *Core) roomFor(ctx context.Context, to mime.Address) error {
	full := false
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		full, err = c.overQuota(tx, to, 1)
		return err
	})
	if err != nil {
		return reason.New(reason.Internal, "%w", err)
	}
	if full {
		return reason.New(reason.MailboxFull, "the mailboxes of %s are full", to)
	}
	return nil
}
