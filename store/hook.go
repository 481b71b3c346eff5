package store

import (
	"fmt"
	"time"

	"postern/mime"
)

// A HookEventType is what an account may be told of at a URL of its own.
type HookEventType string

// Types of events.
const (
	HookArrived   HookEventType = "arrived"   // a message was put into the account's INBOX
	HookDelivered HookEventType = "delivered" // a recipient of a message that the account sent has it, as far as its sender is told
	HookFailed    HookEventType = "failed"    // he was told of a recipient that the message failed, or that nothing was heard in time
	HookPing      HookEventType = "ping"      // a test that somebody asked for; nobody subscribes to it
)

// HookEventTypes are those that a hook may ask for.
func HookEventTypes() []HookEventType {
	return []HookEventType{HookArrived, HookDelivered, HookFailed}
}

// ParseHookEventType reads arrived, delivered or failed.
func ParseHookEventType(s string) (HookEventType, error) {
	for _, t := range HookEventTypes() {
		if string(t) == s {
			return t, nil
		}
	}
	return "", fmt.Errorf("%q is no event: arrived, delivered or failed", s)
}

// A Hook is a URL that is told of what happens to the mail of an account.
type Hook struct {
	ID      string          `json:"id"`
	Account mime.Address    `json:"account"`
	URL     string          `json:"url"`
	Events  []HookEventType `json:"events"`
	// Secret is the key that events are signed by; sealed at rest. Previous is the one
	// before it, which signs beside it until PreviousUntil.
	Secret        []byte    `json:"-"`
	Previous      []byte    `json:"-"`
	PreviousUntil time.Time `json:"previous_until,omitzero"`
	// Disabled is why nothing is sent any more: a word of ours; "" is active.
	Disabled string    `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
}

// What Disabled may be.
const (
	HookGone    = "gone"    // its receiver said that it is gone (410)
	HookDamaged = "damaged" // its record or its secrets cannot be read; only listings have such a one
)

// A HookState is how the deliveries to a hook go.
type HookState struct {
	// Waiting is how many events wait or are in work. The store counts them.
	Waiting   int    `json:"waiting"`
	Delivered uint64 `json:"delivered"`
	// Lost counts events that were never taken: for their age, or because too many
	// waited. LostAt is when that happened last.
	Lost   uint64    `json:"lost"`
	LostAt time.Time `json:"lost_at,omitzero"`
	// Of the latest attempt: when, what HTTP status came, 0 for none, and the
	// reason code of what went wrong: the account sees it.
	LastAt     time.Time `json:"last_at,omitzero"`
	LastStatus int       `json:"last_status,omitempty"`
	LastError  string    `json:"last_error,omitempty"`
	// FailingSince is when the first attempt failed since one succeeded.
	FailingSince time.Time `json:"failing_since,omitzero"`
}

// A HookEvent is one thing that a hook is told. It names no subject and no content.
type HookEvent struct {
	ID   string        `json:"id"` // the same in each attempt
	Type HookEventType `json:"type"`
	At   time.Time     `json:"at"`
	// Message is our id of the message, and Recipient whom it is about.
	Message   TrackID      `json:"message,omitempty"`
	Recipient mime.Address `json:"recipient,omitzero"`
	Reason    string       `json:"reason,omitempty"` // a reason code, of a failure
	// UID is where in INBOX what arrived is, and UIDValidity that of INBOX then.
	UID         uint32 `json:"uid,omitempty"`
	UIDValidity uint32 `json:"uidvalidity,omitempty"`
	// Notification says that what arrived is an MDN or a DSN.
	Notification bool `json:"notification,omitempty"`
}

// HookTx holds web hooks. Put replaces or creates; what is not there is ErrNotFound.
type HookTx interface {
	// Hook returns a hook with its secrets; listings have none, and have one that is damaged
	// as HookDamaged.
	Hook(account mime.Address, id string) (Hook, error)
	HooksOf(account mime.Address) ([]Hook, error)
	Hooks() ([]Hook, error)
	PutHook(Hook) error
	// RemoveHook takes the state along. Events that wait stay in the queue.
	RemoveHook(account mime.Address, id string) error

	// HookState is zero for a hook that was never used.
	HookState(account mime.Address, id string) (HookState, error)
	// PutHookState stores all but Waiting.
	PutHookState(account mime.Address, id string, s HookState) error
}
