// Package audit is the audit trail: who did what, to what, and how it ended. It
// is apart from the log: a record is written in the transaction of the deed, so
// that neither is there without the other, and each is bound to all before it.
//
// A record names addresses, ids, fingerprints and reasons, and never a subject,
// a body, a file name or a password.
package audit

import (
	"fmt"
	"time"
)

// An Action is what was done. The set is closed.
type Action string

// What happens to messages.
const (
	Accepted  Action = "accepted"  // taken from a user or another gateway, answered 250
	Refused   Action = "refused"   // at the door: recipients that nobody could take a message for
	Sealed    Action = "sealed"    // signed and encrypted for those recipients that passed
	Opened    Action = "opened"    // decrypted, verified and judged for each recipient
	Relayed   Action = "relayed"   // an attempt to hand over has ended for some recipients
	Delivered Action = "delivered" // put into a mailbox of ours: messages and notices
	Notified  Action = "notified"  // a notification of ours is on its way
	Answered  Action = "answered"  // a notification about a message of ours came in
	Overdue   Action = "overdue"   // no notification came in time
	Fetched   Action = "fetched"   // read by the owner of a mailbox; taken, sealed, by an operator
	Searched  Action = "searched"  // bodies, by the owner of a mailbox
	Removed   Action = "removed"   // from a mailbox: by its owner or for its age
	Dropped   Action = "dropped"   // from the queue, by an operator or for its age
)

// What happens to the house.
const (
	LoggedIn   Action = "logged-in"
	LoginWrong Action = "login-failed"
	Changed    Action = "changed" // by an operator: Object says what, Detail how
	Used       Action = "key-used"
	Started    Action = "started"
	Stopped    Action = "stopped"
	Backup     Action = "backup"
	Restored   Action = "restored"
	Pruned     Action = "pruned" // the oldest records of this trail, for their age
	Noted      Action = "noted"  // rows of the store that no other record has
)

// Actions are all actions.
func Actions() []Action {
	return []Action{
		Accepted, Refused, Sealed, Opened, Relayed, Delivered, Notified, Answered, Overdue, Fetched, Searched, Removed, Dropped,
		LoggedIn, LoginWrong, Changed, Used, Started, Stopped, Backup, Restored, Pruned, Noted,
	}
}

// Duplicate is the State of a recipient who was not given a message again.
const Duplicate = "duplicate"

// A Part is how a deed ended for one recipient.
type Part struct {
	Recipient string `json:"recipient"`
	State     string `json:"state,omitempty"`  // where its track stands then, or Duplicate
	Reason    string `json:"reason,omitempty"` // a reason code; "" is ok
}

// A Record is one deed.
type Record struct {
	At     time.Time `json:"at"`     // zero becomes the present
	Actor  string    `json:"actor"`  // see Operator, Account, Peer and System
	Action Action    `json:"action"` // one of the above
	Object string    `json:"object,omitempty"`
	Track  string    `json:"track,omitempty"`  // of the message it is about
	Reason string    `json:"reason,omitempty"` // a reason code; "" is ok
	Detail string    `json:"detail,omitempty"` // in our own words, never content
	Keys   []string  `json:"keys,omitempty"`   // SHA-256 of the certificates whose private keys were used
	Parts  []Part    `json:"parts,omitempty"`
	// Rows are what the store holds after the deed, of what it changed. The store
	// sets them.
	Rows []Row `json:"rows,omitempty"`
	// Cut names what Bound left out of the record; "" is nothing.
	Cut string `json:"cut,omitempty"`
}

// System is the actor of what the gateway does by itself.
const System = "system"

// Operator is the actor of a command, by the user id behind the control socket.
func Operator(uid int) string { return fmt.Sprintf("operator:%d", uid) }

// Account is the actor that logged in with an address.
func Account(address string) string { return "account:" + address }

// Peer is another gateway, by its IP address.
func Peer(address string) string { return "peer:" + address }
