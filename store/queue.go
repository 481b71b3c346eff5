package store

import (
	"context"
	"time"

	"postern/mime"
)

// A JobID names a job; later jobs have greater ones.
type JobID uint64

// A JobKind is the step a job waits for.
type JobKind string

// Steps of the two ways (docs/architecture.md).
const (
	SealJob  JobKind = "seal"  // an accepted submission: discover, trust, seal
	RelayJob JobKind = "relay" // a sealed message for one destination
	OpenJob  JobKind = "open"  // a message from the backbone: decrypt, verify, deliver
	WatchJob JobKind = "watch" // the deadline of a message's notifications; it has no body
	PushJob  JobKind = "push"  // an opened message, or a notice of ours, for the edge of its recipient
	HookJob  JobKind = "hook"  // an event for the web hook of an account; it has no body
	KeptJob  JobKind = "kept"  // the sealed original of a message that was refused, for an operator to look into, and dropped when due
)

// Steps are the kinds of jobs that are steps of a message under way, in the order
// that it meets them.
func Steps() []JobKind { return []JobKind{SealJob, RelayJob, OpenJob, PushJob, HookJob} }

// A Job is a message at one step of its way. The queue holds it from the
// commit that accepted it to the commit that ends it.
type Job struct {
	ID          JobID          `json:"id"`
	Kind        JobKind        `json:"kind"`
	Track       TrackID        `json:"track"`
	Body        BodyID         `json:"body"`
	Size        int64          `json:"size"`
	Sender      mime.Address   `json:"sender"`      // envelope sender; zero is the null reverse-path
	Recipients  []mime.Address `json:"recipients"`  // still to be served at this step
	Blind       []mime.Address `json:"blind"`       // those of Recipients that no header names
	Destination mime.Domain    `json:"destination"` // of a RelayJob; of a PushJob and a HookJob what the lane is
	// Automatic marks a notification: nothing automatic ever answers it (AS-86).
	Automatic bool `json:"automatic"`
	// Lane names what the job waits for, such as its destination: jobs of one
	// lane are held up together. Flow names whose job it is: flows take turns.
	Lane string `json:"lane,omitempty"`
	Flow string `json:"flow,omitempty"`
	// Date is, of a SealJob, the Date that its message is sent with where it is not the one
	// in its body; zero if it is.
	Date time.Time `json:"date,omitzero"`
	// Trace is the Received field of the session that brought an OpenJob, without its
	// name (RFC 5321 §4.4); "" if none did.
	Trace string `json:"trace,omitempty"`
	// Next is a job that is to go on when this one has ended, however it did. That
	// one Waits until then, and is not due.
	Next  JobID `json:"next,omitempty"`
	Waits bool  `json:"waits,omitempty"`
	// Era is when its message was taken: Now where it is taken with the job, and else that
	// of the job or the track which this one is made of. It stays. A PushJob is of the Era
	// that it is made in, in which its account has the message.
	Era      Era       `json:"era,omitempty"`
	Created  time.Time `json:"created"`
	Due      time.Time `json:"due"`
	Expires  time.Time `json:"expires"` // after it no retry is made
	Attempts int       `json:"attempts"`
	// Ordered is how many of the attempts an operator ordered before their time, or
	// the destination put off for its rate: they make no later wait longer.
	Ordered int `json:"ordered,omitempty"`

	Held   bool   `json:"held"`   // by the operator; never due
	Reason string `json:"reason"` // of the last failed attempt: a reason code
	Detail string `json:"detail"` // of the last failed attempt, for our eyes

	// Kept is, of the original of a refused message that is judged again, how it is
	// kept if it is refused once more.
	Kept Keeping `json:"kept,omitzero"`

	// Hook and Event are those of a HookJob, whose Sender is the account.
	Hook  string    `json:"hook,omitempty"`
	Event HookEvent `json:"event,omitzero"`
	// Push is how far a PushJob is.
	Push Push `json:"push,omitzero"`
}

// A Push is what a PushJob does beside handing its message over.
type Push struct {
	// Account is who gets the message: the recipient, or who stands behind it.
	Account mime.Address `json:"account,omitzero"`
	// Answers says that the sender of the message gets notifications of ours about it,
	// and Timely that he asks for that of final delivery (DN-1). Notice is the track of
	// the processed one, which others follow (DN-10); "" if there is none.
	Answers bool    `json:"answers,omitempty"`
	Timely  bool    `json:"timely,omitempty"`
	Notice  TrackID `json:"notice,omitempty"`
	// Also are other addresses that the message reached the account under while it
	// waits, whose senders are answered as well.
	Also []PushName `json:"also,omitempty"`
	// Known is the delivery by which the message is known when it comes again; zero if it
	// is not.
	Known DeliveryKey `json:"known,omitzero"`
	// Ended is what became of the message where its answer is still to be given:
	// TrackDelivered or TrackFailed.
	Ended TrackState `json:"ended,omitempty"`
}

// A Keeping is how the original of a refused message is kept.
type Keeping struct {
	Until time.Time `json:"until"`
	Held  bool      `json:"held"` // until it is released, then as Until says
}

// Idle reports whether a job is never due as it is: it is held, or waits for another.
func (j Job) Idle() bool { return j.Held || j.Waits }

// QueueTx holds jobs. Due work is found by an index, never by a scan.
type QueueTx interface {
	// Enqueue stores j, which must have Kind, Due and, unless it is a WatchJob or a
	// HookJob, Body. It gives it an ID and takes a reference to its body. A zero Size
	// becomes that of the body.
	Enqueue(j Job) (JobID, error)
	Job(id JobID) (Job, error)
	// FirstJob returns the job of a kind that is due first, of those not held;
	// ErrNotFound if there is none.
	FirstJob(kind JobKind) (Job, error)
	// EachJob calls fn in order of ID, from the one given; fn returning false
	// ends it. fn must not write.
	EachJob(from JobID, fn func(Job) bool) error
	// Reschedule replaces a stored job, due at its Due. If it is claimed it is
	// handed out again after Release, not before.
	Reschedule(j Job) error
	// Finish removes the job and its reference to the body.
	Finish(id JobID) error
	// JobTotals returns how much there is of each kind of which there are jobs.
	JobTotals() (map[JobKind]JobTotal, error)
	// PushTotal returns how much waits for the edge of an account, not what came for
	// somebody who had its address before, and not what is only
	// to be answered yet.
	PushTotal(Account) (JobTotal, error)
}

// A Queue hands out jobs that are due, each to one worker at a time.
//
// Its order is fair, and not exact: jobs of one flow and lane come in the order
// of their due times, flows take turns, and notifications (Job.Automatic) go
// before others, but not in every turn. An implementation for several nodes must
// promise the same for the jobs that it hands out, and that no job is with two
// workers; pauses and limits may count for each node by itself.
type Queue interface {
	// Claim blocks until a job of the kind is due, free and within limits, and
	// hands it out. It is handed to nobody else until it is released or this
	// process ends. A job becomes due within a second of its time by the store's
	// clock, or two if that clock was set.
	//
	// A due job that is past its Expires is handed out even while its lane is
	// paused, with no regard to limits: its time has come to be ended.
	Claim(ctx context.Context, kind JobKind) (Job, error)

	// Release ends a claim. The job is then as the transactions since its claim
	// have left it.
	Release(id JobID)

	// Limit says how many jobs of a kind are handed out at once; before, there is
	// no limit. It counts for what is claimed afterwards.
	Limit(kind JobKind, l Limits)

	// Pause hands out no job of a lane before a time by the store's clock, and
	// then one at a time, until Resume or another Pause. It does not outlive the
	// process, nor the last job of its lane after that time.
	Pause(kind JobKind, lane string, until time.Time)

	// Resume ends a pause and what follows it.
	Resume(kind JobKind, lane string)

	// Pace hands out no job of a flow in a lane before a time by the store's clock,
	// and then one in each step, until it is called without a time. Those that are past
	// their time wait for no pace, and others of the lane go on. It goes with the last job
	// of the lane.
	Pace(kind JobKind, lane, flow string, until time.Time, step time.Duration)

	// Waits reports whether a job of a lane waits or is in work. Held ones do not
	// count.
	Waits(kind JobKind, lane string) bool
}

// Limits bound how many jobs of a kind are in work at once. The zero Limits bound
// nothing.
type Limits struct {
	// Lane returns what a job of a lane takes room in; nil takes none. A lane
	// must always get the same, narrowest first, and a Slot of one name always
	// has the same width. It must not call the store.
	Lane func(lane string) []Slot
	// Moving says that a lane may get other slots from Lane than before. It is asked
	// again of a lane whose turn comes while none of its jobs is in work.
	Moving bool
	// Flow is how many jobs of one flow may be in work at once, notifications
	// and others each; 0 is any number.
	Flow int
}

// A Slot is room for so many jobs at once, which lanes may share.
type Slot struct {
	Name  string
	Width int // from 1
}
