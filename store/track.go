package store

import (
	"time"

	"postern/mime"
)

// A TrackID is our own name for a message: 26 characters, ordered by time.
type TrackID string

// A TrackState is where a message stands for one recipient.
type TrackState string

// States of a recipient, in the order they are usually passed.
const (
	TrackQueued    TrackState = "queued"    // accepted, not yet sealed or opened
	TrackSealed    TrackState = "sealed"    // waiting for relay
	TrackRelayed   TrackState = "relayed"   // taken by the far side
	TrackProcessed TrackState = "processed" // the far side's agent said so
	TrackDelivered TrackState = "delivered" // in a mailbox of ours
	TrackRefused   TrackState = "refused"   // an inbound message not believed
	TrackFailed    TrackState = "failed"    // the sender was told
)

// A Track is the life of one message: what it was and where it stands for each
// recipient. It names no subject and no content.
type Track struct {
	ID         TrackID          `json:"id"`
	MessageID  string           `json:"message_id"` // with angle brackets; "" while unknown
	Outbound   bool             `json:"outbound"`
	Automatic  bool             `json:"automatic"` // a notification
	Sender     mime.Address     `json:"sender"`    // of the envelope
	Author     mime.Address     `json:"author"`    // inbound: whom the believed signature speaks for
	Digest     string           `json:"digest"`    // inbound: SHA-256 of the message inside, hexadecimal
	Size       int64            `json:"size"`
	Received   time.Time        `json:"received"`
	Recipients []TrackRecipient `json:"recipients"`
}

// A TrackRecipient is one recipient's state.
type TrackRecipient struct {
	Address mime.Address `json:"address"`
	State   TrackState   `json:"state"`
	Reason  string       `json:"reason"` // a reason code
	Detail  string       `json:"detail"`
	Updated time.Time    `json:"updated"`
}

// An Event is one thing that happened to a message.
type Event struct {
	At        time.Time    `json:"at"`
	Stage     string       `json:"stage"`     // accept, discover, trust, seal, relay, open, deliver, notify
	Recipient mime.Address `json:"recipient"` // zero: all of them
	Reason    string       `json:"reason"`    // a reason code
	Detail    string       `json:"detail"`
}

// MaxTracks is how many tracks of one Message-ID are found.
const MaxTracks = 1000

// TrackTx holds tracks and their events.
type TrackTx interface {
	// PutTrack creates or replaces a track; its events stay.
	PutTrack(Track) error
	Track(id TrackID) (Track, error)
	// TracksByMessageID returns the tracks of a Message-ID, oldest first, and no
	// more than the first MaxTracks: a stranger may use one for all his messages.
	TracksByMessageID(messageID string) ([]Track, error)
	AddEvent(id TrackID, e Event) error
	Events(id TrackID) ([]Event, error) // in the order they were added
}
