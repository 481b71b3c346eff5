package pop3

import (
	"context"
	"errors"
	"time"

	"postern/internal/login"
	"postern/pickup"
)

// ErrInUse says that another session of POP3 has the mailbox (RFC 2449 §8.1.1).
var ErrInUse = errors.New("the mailbox is in use")

// A Backend lets users in. Its errors are those of pickup: ErrAuthFailed is a wrong
// login, ErrUnavailable may work later, and any other is trouble of the server, which
// is logged and of which the client is told only that there was some.
type Backend = login.Backend[User]

// A User is an account with an INBOX.
type User interface {
	// Check says whether the login is still good; it is asked before every command.
	// pickup.ErrRevoked ends the session, and nothing is removed.
	Check(ctx context.Context) error
	// Take opens INBOX for one session alone. ErrInUse.
	Take(ctx context.Context) (Maildrop, error)
	// Retention is after what time the server removes messages that were read; 0 is
	// never.
	Retention(ctx context.Context) (time.Duration, error)
}

// A Maildrop is the INBOX of a user (RFC 1939 §3). Others may deliver to it, and
// remove from it by IMAP, all the while.
type Maildrop interface {
	// Snapshot returns the counts and all messages in the order of their UIDs, as of
	// one moment.
	Snapshot(ctx context.Context) (pickup.MailboxInfo, []pickup.Message, error)
	// Read notes that the owner is about to read the bodies of messages, and sets
	// \Seen if seen is given; those that are gone are skipped. Nothing of a body is
	// sent before it returned nil: what cannot be noted is not read.
	Read(ctx context.Context, uids []uint32, seen bool) error
	// Took notes that of messages, of which Read was told, all of the text was sent.
	Took(ctx context.Context, uids []uint32) error
	// Body opens the body of a message that is still there. pickup.ErrNoMessage.
	Body(ctx context.Context, m pickup.Message) (pickup.Body, error)
	// Remove removes messages, many of them step by step, each step wholly or not at
	// all, and returns how many are gone; those that were gone before count.
	Remove(ctx context.Context, uids []uint32) (int, error)
	// Release gives the mailbox free for other sessions. It may be called again.
	Release()
}
