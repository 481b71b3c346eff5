package pickup

import (
	"context"
	"errors"
	"io"
	"time"

	"postern/internal/login"
)

// Errors a Backend returns, wrapped or bare. Any other error is trouble of the
// server: it is logged, and the client is told only that there was some.
var (
	// ErrAuthFailed says that the user name and password are not a pair. It
	// never says which of the two is wrong.
	ErrAuthFailed = errors.New("authentication failed")
	// ErrRevoked says that the account is closed, or that what it logged in with is
	// no longer good: another password was set, an access was revoked.
	ErrRevoked = errors.New("the login is no longer good")
	// ErrNoMailbox says that a mailbox does not exist, or no longer.
	ErrNoMailbox = errors.New("no such mailbox")
	// ErrNoMessage says that a message does not exist, or no longer.
	ErrNoMessage = errors.New("no such message")
	// ErrExists says that a mailbox of that name is there already.
	ErrExists = errors.New("the mailbox exists already")
	// ErrHasChildren says that a mailbox cannot go while others are below it.
	ErrHasChildren = errors.New("the mailbox has mailboxes below it")
	// ErrRefused says that the operation is not possible on that mailbox.
	ErrRefused = errors.New("not possible for that mailbox")
	// ErrLimit says that a limit on counts or lengths was met.
	ErrLimit = errors.New("a limit was reached")
	// ErrOverQuota says that the mailboxes of the user are full (RFC 9208 §4.3.1).
	ErrOverQuota = errors.New("the quota is reached")
	// ErrUnavailable says that it may work later: the disk is full, or the
	// server is going down.
	ErrUnavailable = errors.New("temporarily not available")
	// ErrPruned is returned by Mailbox.Changes when the changes asked for are
	// no longer known one by one.
	ErrPruned = errors.New("older changes are no longer recorded")
)

// A Backend lets users in. It is safe for use by many goroutines, and so are
// the users and mailboxes it gives. Its errors are those of this package:
// ErrAuthFailed and ErrUnavailable.
type Backend interface{ login.Backend[User] }

// A User is an account with mailboxes. Every operation is one transaction, unless
// it says otherwise: when it returns nil it is durable, when it returns an error it
// left nothing.
// INBOX exists always. Levels of names are separated by "/".
type User interface {
	// Check says whether the login is still good; it is asked before every
	// command that touches the account, and while idling. ErrRevoked ends the
	// session.
	Check(ctx context.Context) error
	Mailboxes(ctx context.Context) ([]MailboxInfo, error) // by name, INBOX first
	// Create makes a mailbox and the missing ones above it. ErrExists.
	Create(ctx context.Context, name string) error
	// CreateFor is Create, for a special use such as "\Sent" (RFC 6154).
	CreateFor(ctx context.Context, name, use string) error
	// Delete removes a mailbox and its messages. ErrNoMailbox, ErrHasChildren,
	// ErrRefused for INBOX.
	Delete(ctx context.Context, name string) error
	// Rename renames a mailbox and those below it. ErrNoMailbox, ErrExists. Of INBOX it
	// makes a mailbox and moves there what INBOX holds, which stays, as do those below
	// it; many messages go step by step.
	Rename(ctx context.Context, from, to string) error
	// Subscribe sets or clears the subscribed mark. ErrNoMailbox.
	Subscribe(ctx context.Context, name string, on bool) error
	// Quota says what the mailboxes hold and may hold.
	Quota(ctx context.Context) (Quota, error)
	// Open finds a mailbox by name; the Mailbox follows it through renames.
	Open(ctx context.Context, name string) (Mailbox, error)
	// Append reads body to its end and stores it as a new message, byte for
	// byte. ErrNoMailbox.
	Append(ctx context.Context, name string, m NewMessage, body io.Reader) (AppendResult, error)
}

// MailboxInfo is what a mailbox counts.
type MailboxInfo struct {
	Name        string
	UIDValidity uint32
	UIDNext     uint32
	ModSeq      uint64 // of the latest change
	Messages    uint32
	Unseen      uint32
	Bytes       int64
	Subscribed  bool
	Use         string // what it was created for, as "\Sent"; "" for nothing special
}

// A Message is a message of a mailbox without its body.
type Message struct {
	UID      uint32
	ModSeq   uint64 // of its latest change
	Size     int64
	Flags    []string // system flags as "\Seen", keywords as they came; sorted
	Received time.Time
	Body     uint64 // the backend's own name for the body
}

// A NewMessage says how to store a message.
type NewMessage struct {
	Flags    []string
	Received time.Time // zero: now
}

// An AppendResult says where a message was stored (RFC 9051 §7.1, APPENDUID).
type AppendResult struct {
	UIDValidity uint32
	UID         uint32
}

// A CopyResult says which messages were copied, and to what UIDs, in the same
// order (RFC 9051 §7.1, COPYUID).
type CopyResult struct {
	UIDValidity uint32 // of the destination
	From, To    []uint32
}

// Changes is what happened in a mailbox since a modification sequence.
type Changes struct {
	ModSeq   uint64    // of the latest change: ask from here the next time
	Expunged []uint32  // UIDs that are gone
	Messages []Message // new, or with other flags
}

// A Mailbox is one mailbox of a user. Messages that are gone are skipped by
// operations on several of them. Any method may return ErrNoMailbox.
type Mailbox interface {
	// Snapshot returns the counts and all messages in the order of their UIDs,
	// as of one moment.
	Snapshot(ctx context.Context) (MailboxInfo, []Message, error)
	// Changes returns what changed after since, as of one moment. ErrPruned.
	Changes(ctx context.Context, since uint64) (Changes, error)
	// Wait blocks until there is a change after since, or ctx is done.
	Wait(ctx context.Context, since uint64) error
	// Read notes that the owner is about to read the bodies of messages, and adds
	// flags to those that lack them; it returns those that had not all of them, as
	// they are after it. Nothing of a body is sent before it returned nil: what
	// cannot be noted is not read.
	Read(ctx context.Context, uids []uint32, add []string) ([]Message, error)
	// Took notes that of messages, of which Read was told, all of the text was sent:
	// from then on they count as read by their owner.
	Took(ctx context.Context, uids []uint32) error
	// Searching notes that the owner is about to search the bodies of so many
	// messages, of which he learns what is in them. Nothing is searched before it
	// returned nil.
	Searching(ctx context.Context, messages int) error
	// Turn waits until a search may look into messages, until done is called: it bounds
	// how many searches do so at once, of the user and of all, and whoever waits longest
	// is next. Its error is that of ctx.
	Turn(ctx context.Context) (done func(), err error)
	// Body opens the body of a message that is still there: one that was moved away is
	// read where it is. ErrNoMessage.
	Body(ctx context.Context, m Message) (Body, error)
	// Outlines returns what KeepOutlines kept, by Message.Body. Those of which nothing
	// is kept are missing.
	Outlines(ctx context.Context, bodies []uint64) (map[uint64][]byte, error)
	// KeepOutlines keeps what Outliner made of messages, by Message.Body, for whoever
	// has them; those that are gone are passed over. ErrUnavailable: there is no room.
	KeepOutlines(ctx context.Context, outlines map[uint64][]byte) error
	// SetFlags changes the flags of messages and returns these as they are
	// after it, in the order of uids. Many are changed step by step; with an error
	// it returns those that were, and without one those that c is for.
	SetFlags(ctx context.Context, uids []uint32, c FlagChange) ([]Message, error)
	// Expunge removes those of the messages that have the \Deleted flag at
	// that moment, many of them step by step.
	Expunge(ctx context.Context, uids []uint32) error
	// Copy copies messages with flags and dates to another mailbox.
	// ErrNoMailbox: there is no mailbox of the name dest. ErrLimit: they are too many
	// to be copied at once.
	Copy(ctx context.Context, uids []uint32, dest string) (CopyResult, error)
	// Move is Copy, and removes the originals with it (RFC 6851 §3.3).
	Move(ctx context.Context, uids []uint32, dest string) (CopyResult, error)
}

// A Body is the bytes of a message as they were delivered. Reads may run side
// by side, and go on working after the message was removed as far as the
// backend can; an error then is ErrNoMessage.
type Body interface {
	io.ReaderAt
	Size() int64
}
