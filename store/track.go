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
	TrackQueued     TrackState = "queued"     // accepted, not yet sealed or opened, or opened and waiting for an edge
	TrackSealed     TrackState = "sealed"     // waiting for relay
	TrackRelayed    TrackState = "relayed"    // taken by the far side
	TrackProcessed  TrackState = "processed"  // the far side's agent said so
	TrackDispatched TrackState = "dispatched" // handed to its final destination, as the far side said
	TrackOverdue    TrackState = "overdue"    // nothing was heard in time, and the sender was told
	TrackDelivered  TrackState = "delivered"  // in a mailbox of ours, or taken by an edge
	TrackSuppressed TrackState = "suppressed" // a notification that its addressee is not shown
	TrackRefused    TrackState = "refused"    // an inbound message not believed, or any that was not taken
	TrackFailed     TrackState = "failed"     // the sender was told
)

// TrackStates are all states.
func TrackStates() []TrackState {
	return []TrackState{TrackQueued, TrackSealed, TrackRelayed, TrackProcessed, TrackDispatched, TrackOverdue,
		TrackDelivered, TrackSuppressed, TrackRefused, TrackFailed}
}

// A Track is the life of one message: what it was and where it stands for each
// recipient. It names no subject and no content.
type Track struct {
	ID        TrackID      `json:"id"`
	MessageID string       `json:"message_id"` // with angle brackets; "" while unknown
	Outbound  bool         `json:"outbound"`
	Automatic bool         `json:"automatic"` // a notification
	Sender    mime.Address `json:"sender"`    // of the envelope
	// Account is who handed it in, where that is not the Sender.
	Account mime.Address `json:"account,omitzero"`
	Author  mime.Address `json:"author"` // inbound: whom the believed signature speaks for
	Digest  string       `json:"digest"` // SHA-256, hexadecimal: of the message inside, or as a client handed it in
	// Dated is the Date that an outgoing message was given; zero if it had one.
	Dated time.Time `json:"dated,omitzero"`
	// AnswersTo are addresses other than the sender's to which he wants notifications
	// to go (AS-92).
	AnswersTo []mime.Address `json:"answers_to,omitempty"`
	// Replies is set where a notification is the first about an automatic reply: the
	// Message-ID, in lower case, of the message of ours that this replies to, or "?".
	Replies string `json:"replies,omitempty"`
	// Timely says that the sender asks for notice of final delivery (DN-1).
	Timely bool `json:"timely,omitempty"`
	// Watch is the job that ends the wait for notifications; 0 if none does.
	Watch JobID `json:"watch,omitempty"`
	// EnvelopeID is what its client calls the message in notices (RFC 3461 §4.4), or "".
	EnvelopeID string           `json:"envelope_id,omitempty"`
	Size       int64            `json:"size"`
	Received   time.Time        `json:"received"`
	Recipients []TrackRecipient `json:"recipients"`
	// Era is when the message was taken: its addresses are those who held them then. It
	// is that of the message which this one is made of, and Now where it is made of none;
	// and it stays.
	Era Era `json:"era,omitempty"`
}

// A TrackRecipient is one recipient's state.
type TrackRecipient struct {
	Address mime.Address `json:"address"`
	State   TrackState   `json:"state"`
	Reason  string       `json:"reason"` // a reason code
	Detail  string       `json:"detail"`
	Updated time.Time    `json:"updated"`
	// Relayed is when it was handed over, by the clock that jobs are due by; zero
	// before.
	Relayed time.Time `json:"relayed,omitzero"`
	// Delayed is when its sender was told that it is late; zero if he was not.
	Delayed time.Time `json:"delayed,omitzero"`
	// Passed is when its sender was told that it was handed over; zero if he was not.
	Passed time.Time `json:"passed,omitzero"`
	Asked
	// Told is the final answer that the sender got; nothing contrary is shown
	// to him after it (DN-21).
	Told Answer `json:"told,omitempty"`
	// Pushing is how many edges are still to take the message for him.
	Pushing int `json:"pushing,omitempty"`
	// Announced is the last that the sender's web hooks were told of him, if there were
	// any then.
	Announced HookEventType `json:"announced,omitempty"`
}

// Asked is what the sender of a message asked for of notices about a recipient (RFC
// 3461). The zero Asked is nothing.
type Asked struct {
	Original  string `json:"original,omitempty"`   // ORCPT, such as "rfc822;bob@b.example"
	NoFailure bool   `json:"no_failure,omitempty"` // none of failures
	NoDelay   bool   `json:"no_delay,omitempty"`   // none of delays
	Success   bool   `json:"success,omitempty"`    // one when the message was handed over
}

// An Answer is what the sender of a message was told of a recipient.
type Answer string

// Final answers. The zero Answer is none.
const (
	ToldSuccess Answer = "success"
	ToldFailure Answer = "failure"
	ToldUnasked Answer = "unasked" // nothing, because he asked for nothing (RFC 3461)
	ToldSilent  Answer = "silent"  // nothing, because an operator wanted it so; no answer follows
)

// Stages of a message's life, in the order they are usually passed.
const (
	StageAccept   = "accept"
	StageDiscover = "discover" // the look-ups for a recipient
	StageTrust    = "trust"    // what was made of the certificates found
	StageSeal     = "seal"
	StageRelay    = "relay"
	StageOpen     = "open"
	StageDeliver  = "deliver"
	StagePush     = "push"    // attempts to hand the message to the recipient's edge
	StageNotify   = "notify"  // notifications that came or went
	StageMonitor  = "monitor" // deadlines of notifications
	StageQueue    = "queue"   // what an operator did
	StagePickup   = "pickup"  // read by the owner of the mailbox
)

// An Event is one thing that happened to a message.
type Event struct {
	At        time.Time    `json:"at"`
	Stage     string       `json:"stage"`     // one of those above
	Recipient mime.Address `json:"recipient"` // zero: all of them
	Reason    string       `json:"reason"`    // a reason code
	Detail    string       `json:"detail"`
	// Omitted is how many events before this one are no longer kept: of a track
	// with more than MaxEvents the first half stays, and the latest.
	Omitted uint32 `json:"omitted,omitempty"`
}

// What is kept of a track and its events.
const (
	MaxEvents      = 8192 // of one track; a message to 1,000 recipients has some 6,000
	MaxEventDetail = 2000 // bytes; longer ones are cut
)

// A TrackClass is whose word a message's Message-ID is.
type TrackClass string

// Classes of messages. What came in is claimed until it is opened and believed:
// until then, and if it is refused, anybody may have given it any Message-ID.
const (
	TrackSent     TrackClass = "sent"
	TrackBelieved TrackClass = "believed"
	TrackClaimed  TrackClass = "claimed"
)

// TrackClasses are all of them, those whose word counts most first.
func TrackClasses() []TrackClass { return []TrackClass{TrackSent, TrackBelieved, TrackClaimed} }

// Class is whose word the Message-ID is.
func (k Track) Class() TrackClass {
	switch {
	case k.Outbound:
		return TrackSent
	case !k.Author.IsZero():
		return TrackBelieved
	}
	return TrackClaimed
}

// A TrackQuery says which tracks are asked for. The zero value is all of them.
type TrackQuery struct {
	MessageID string       // with angle brackets, in any case (DN-12); "" is any
	Class     TrackClass   // of a MessageID: the others are not read; "" is all
	Address   mime.Address // of the sender, who handed it in, the author or a recipient; zero is anybody
	// SentBy asks for the outgoing messages of a Message-ID that this address sent,
	// AnsweredTo for those that have it among their AnswersTo. No others are read. Zero
	// is anybody's, of both ways.
	SentBy, AnsweredTo mime.Address
	// Digest asks, of what SentBy sent and is not automatic, for the messages that are
	// the same. No others are read. "" is all.
	Digest string
	// Since and Until bound when the message was received, by its id: to the
	// millisecond, without Until itself. Zero is no bound.
	Since, Until time.Time
	// After goes on behind this track in the order of the walk; "" begins it.
	After  TrackID
	Oldest bool // the oldest first; otherwise the newest
}

// TrackTx holds tracks and their events.
type TrackTx interface {
	// PutTrack creates or replaces a track; its events stay.
	PutTrack(Track) error
	Track(id TrackID) (Track, error)
	// EachTrack calls fn for the tracks that q asks for, found by an index, until
	// fn returns false. fn must not write.
	EachTrack(q TrackQuery, fn func(Track) bool) error
	// RemoveTrack forgets a track with its events, and returns how many those were.
	RemoveTrack(id TrackID) (events int, err error)
	CountTracks() (int, error)

	// AddEvent stores an event behind those of its track.
	AddEvent(id TrackID, e Event) error
	Events(id TrackID) ([]Event, error) // in the order they were added
}
