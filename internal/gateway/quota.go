package gateway

import (
	"postern/internal/gateway/mailbox"
	"postern/mime"
	"postern/store"
)

// noticeReserve is how far beyond its quota a mailbox takes notifications that
// come from outside. They are small, nothing may answer them (AS-86), and each
// tells what became of a message, so that none should be dropped for the want of
// a few bytes.
const noticeReserve = 16 << 20

// overQuota reports whether a mailbox is too full for a message of so many bytes.
// It is asked when a message is delivered and not at RCPT TO: whoever we believe
// learns at once, by a failed notification, what he would otherwise wait for until
// his server gives up (DN-8); a stranger learns nothing.
// Failure notices of our own ask nobody: each answers a message that the account
// itself handed in, and must not get lost.
func (c *Core) overQuota(tx store.Tx, account mime.Address, bytes int64) (bool, error) {
	return mailbox.OverQuota(tx, account, mailbox.LoadOf(bytes), c.MailboxBytes)
}

// overNoticeQuota is overQuota for a notification that came from outside.
func (c *Core) overNoticeQuota(tx store.Tx, account mime.Address, bytes int64) (bool, error) {
	more := mailbox.LoadOf(bytes)
	more.Bytes -= noticeReserve
	more.Messages -= noticeReserve >> 10
	return mailbox.OverQuota(tx, account, more, c.MailboxBytes)
}
