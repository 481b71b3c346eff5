package store

import (
	"time"

	"postern/mime"
)

// A MailboxID names a mailbox for as long as it lives, through renames.
type MailboxID uint64

// Inbox is the name of the mailbox that mail is delivered to. It is matched
// without regard to case (RFC 9051 §5.1).
const Inbox = "INBOX"

// A Mailbox is a folder of an account. Its counts are kept with it, so that
// STATUS and SELECT do not walk its messages.
type Mailbox struct {
	ID          MailboxID    `json:"id"`
	Account     mime.Address `json:"account"`
	Name        string       `json:"name"` // levels separated by "/"
	UIDValidity uint32       `json:"uidvalidity"`
	UIDNext     uint32       `json:"uidnext"`
	ModSeq      uint64       `json:"modseq"` // of the latest change, from 1
	Messages    uint32       `json:"messages"`
	Unseen      uint32       `json:"unseen"`
	Bytes       int64        `json:"bytes"`
	Subscribed  bool         `json:"subscribed"`
	Use         string       `json:"use,omitempty"` // what its owner made it for, as "\Sent"; "" for nothing special
}

// A Message is a body in a mailbox.
type Message struct {
	UID      uint32    `json:"uid"`
	ModSeq   uint64    `json:"modseq"`
	Body     BodyID    `json:"body"`
	Size     int64     `json:"size"`
	Flags    []string  `json:"flags"`            // system flags as "\Seen", keywords as they came; sorted, no duplicates
	Received time.Time `json:"received"`         // INTERNALDATE
	Fetched  time.Time `json:"fetched,omitzero"` // when its body was first read by its owner
	Track    TrackID   `json:"track"`            // of the message it came from; "" for APPEND
}

// A Change is the latest thing that happened to one UID of a mailbox.
type Change struct {
	ModSeq   uint64
	UID      uint32
	Expunged bool // gone; otherwise new or with other flags: read the message
}

// MailboxTx holds mailboxes and their messages. UIDs grow by one and are never
// used again (RFC 9051 §2.3.1.1).
type MailboxTx interface {
	Mailbox(id MailboxID) (Mailbox, error)
	MailboxByName(account mime.Address, name string) (Mailbox, error)
	Mailboxes(account mime.Address) ([]Mailbox, error) // by name, INBOX first
	CreateMailbox(account mime.Address, name string) (Mailbox, error)
	// RenameMailbox renames with the mailboxes below it. INBOX is refused, and
	// a new name below the old one.
	RenameMailbox(id MailboxID, name string) error
	// RemoveMailbox removes with its messages, not with the mailboxes below it.
	// INBOX is refused: it goes with its account.
	RemoveMailbox(id MailboxID) error
	SubscribeMailbox(id MailboxID, on bool) error
	// UseMailbox sets what a mailbox is for.
	UseMailbox(id MailboxID, use string) error

	// Append stores m with the next UID, a new ModSeq and the Size of its body,
	// and returns it so. A zero Received becomes the present.
	Append(id MailboxID, m Message) (Message, error)
	Message(id MailboxID, uid uint32) (Message, error)
	// EachMessage calls fn in order of UID, from the UID given; fn returning
	// false ends it. fn must not write.
	EachMessage(id MailboxID, from uint32, fn func(Message) bool) error
	// SetFlags replaces the flags of a message; equal flags change nothing.
	SetFlags(id MailboxID, uid uint32, flags []string) (Message, error)
	Expunge(id MailboxID, uid uint32) error
	// Changes returns what changed after since, in order of ModSeq, one entry
	// a UID. ErrPruned: since is too long ago.
	Changes(id MailboxID, since uint64) ([]Change, error)
}
