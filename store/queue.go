package store

import (
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
)

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
	Destination mime.Domain    `json:"destination"` // of a RelayJob
	// Automatic marks a notification: nothing automatic ever answers it (AS-86).
	Automatic bool `json:"automatic"`
	// Lane names what the job waits for, such as its destination: jobs of one
	// lane are held up together. Flow names whose job it is: flows take turns.
	Lane string `json:"lane,omitempty"`
	Flow string `json:"flow,omitempty"`
	// Next is a held job that is to go on when this one has ended, however it did.
	Next     JobID     `json:"next,omitempty"`
	Created  time.Time `json:"created"`
	Due      time.Time `json:"due"`
	Expires  time.Time `json:"expires"` // after it no retry is made
	Attempts int       `json:"attempts"`
	Held     bool      `json:"held"`   // by the operator; never due
	Reason   string    `json:"reason"` // of the last failed attempt: a reason code
	Detail   string    `json:"detail"` // of the last failed attempt, for our eyes
}

// QueueTx holds jobs. Due work is found by an index, never by a scan.
type QueueTx interface {
	// Enqueue stores j, which must have Kind, Body and Due, gives it an ID and
	// takes a reference to its body. A zero Size becomes that of the body.
	Enqueue(j Job) (JobID, error)
	Job(id JobID) (Job, error)
	// EachJob calls fn in order of ID; fn returning false ends it. fn must not
	// write.
	EachJob(fn func(Job) bool) error
	// Reschedule replaces a stored job, due at its Due; a claim on it ends.
	Reschedule(j Job) error
	// Finish removes the job and its reference to the body; a claim on it ends.
	Finish(id JobID) error
	// CountJobs returns how many jobs there are of each kind.
	CountJobs() (map[JobKind]int, error)
}
