// Package store is Postern's durable state: domains, accounts, keys, anchors,
// mailboxes, the queue and the tracks of messages, with sealed bodies.
//
// [Store] says what is one transaction and what is promised; [Open] gives the
// implementation on bbolt, and store/storetest is the suite that any other
// implementation must pass.
//
// Private keys and bodies are sealed at rest under data keys that a master key
// wraps. Everything else is metadata: it names addresses, times and reasons,
// and never a subject, a body or a password.
package store

import (
	"context"
	"errors"
	"io"
	"time"

	"postern/internal/audit"
)

// Errors of the store. They are wrapped, with what was being done.
var (
	ErrNotFound  = errors.New("not found")
	ErrExists    = errors.New("exists already")
	ErrReadOnly  = errors.New("read-only transaction")
	ErrLocked    = errors.New("the store is in use by another process")
	ErrSchema    = errors.New("the store was written by a newer version")
	ErrMasterKey = errors.New("the master key does not fit this store")
	ErrCorrupt   = errors.New("the store is damaged")
	ErrCopy      = errors.New("the copy cannot be restored, and nothing was touched") // with the cause
	ErrFull      = errors.New("no space left for the store")
	ErrClosed    = errors.New("the store is closed")
	// ErrUnwritable says that the store was opened for reading alone, or that its disk
	// can only be read since, which is ErrFull as well: it may pass. With the cause.
	ErrUnwritable = errors.New("the store can only be read")
	// ErrPruned says that changes since a modification sequence are no longer
	// known one by one; the caller compares whole listings instead.
	ErrPruned = errors.New("older changes are no longer recorded")
)

// A Store is safe for use by many goroutines. No method of it may be called
// inside a function given to View or Update: that could wait for itself.
type Store interface {
	Queue

	// View calls fn with a consistent snapshot. Writing methods of its Tx
	// return ErrReadOnly. fn must be short: a snapshot holds back the reuse of
	// space.
	View(ctx context.Context, fn func(Tx) error) error

	// Update calls fn in a transaction and returns nil only after its commit
	// has reached the disk. If fn returns an error nothing of it is kept, and
	// Update returns that error. Transactions that wait together are committed
	// together, so fn may be called more than once: it must have no effect
	// outside tx, or overwrite what an earlier call left.
	Update(ctx context.Context, fn func(Tx) error) error

	// NewBody starts a body. What is written is sealed at once and, beyond one
	// chunk, put on disk; it becomes part of the store with Tx.PutBody and is
	// forgotten on Discard, on Close of the store and after a crash.
	NewBody(ctx context.Context) (BodyWriter, error)

	// OpenBody opens a stored body for reading, ErrNotFound if it is gone. A
	// body that goes while it is open makes further reads ErrNotFound.
	OpenBody(ctx context.Context, id BodyID) (Body, error)

	// Steady is the present by the clock by which jobs are due. It may be another
	// one than the wall clock (package steady).
	Steady() time.Time

	// Reusable is what is free within the store's file.
	Reusable() Within
	// WroteWithin reports whether a commit reached the disk in the last d of Steady,
	// and none failed since.
	WroteWithin(d time.Duration) bool

	// WaitMailbox blocks until the mailbox's ModSeq is greater than since, the
	// mailbox is gone (ErrNotFound) or ctx is done.
	WaitMailbox(ctx context.Context, id MailboxID, since uint64) error

	// Backup writes a consistent copy of the whole store to w while it is in
	// use, and returns how many bytes it wrote.
	Backup(ctx context.Context, w io.Writer) (int64, error)

	// Check reads everything and reports every inconsistency it finds.
	Check(ctx context.Context) (CheckReport, error)

	// CheckPages walks the pages that Open left for later, beside what else goes on
	// and at half the speed of one processor at most, and tells how far it is. Of
	// pages that are not sound the error is ErrCorrupt, and nothing is written to the
	// store any more. There is nothing to do when Open walked them all.
	CheckPages(ctx context.Context, told func(PageProgress)) error

	// Verify reads a file that Backup wrote as Check reads the store, and beside
	// its use. The copy is not changed.
	Verify(ctx context.Context, path string) (CheckReport, error)

	// Rotate wraps every data key by another master key, in one transaction, and
	// begins a new data key, which seals what is written from then on. What is
	// sealed stays as it is and is read as before. Readers and writers go on. When
	// it returns nil the store opens with the new master key alone; after an error
	// of the commit nobody knows with which.
	// The records go into the audit trail in the same transaction.
	Rotate(ctx context.Context, to KeyWrapper, records ...audit.Record) error

	// MasterKeyID is the KeyID of the master key that the data keys are wrapped by.
	MasterKeyID() string

	Close() error
}

// A CheckReport counts what Check read and lists what is wrong.
type CheckReport struct {
	Schema      int   `json:"schema"`
	Domains     int   `json:"domains"`
	Accounts    int   `json:"accounts"`
	Aliases     int   `json:"aliases"` // and groups
	Accesses    int   `json:"accesses"`
	Keys        int   `json:"keys"`
	Anchors     int   `json:"anchors"`
	KeyRequests int   `json:"key_requests"`
	Documents   int   `json:"documents"`
	Bundles     int   `json:"bundles"`
	Messages    int   `json:"messages"`
	Jobs        int   `json:"jobs"`
	Tracks      int   `json:"tracks"`
	Bodies      int   `json:"bodies"`
	Audit       int   `json:"audit"` // records of the audit trail
	Bytes       int64 `json:"bytes"` // of all bodies, before sealing
	// Problems are the damage, which Damage counts; after it the numbers that are not
	// what is counted, and the rows that are not as the audit trail says: the first 100
	// of Miscounted and of Differing, each with the number of the rest.
	Problems   []string `json:"problems"`
	Damage     int      `json:"damage"`
	Miscounted int      `json:"miscounted"`
	Differing  int      `json:"differing"`
}

// A BodyID names a stored body.
type BodyID uint64

// A BodyWriter takes a body of unknown length.
type BodyWriter interface {
	io.Writer
	// Size is the number of bytes written so far. After PutBody no more can be
	// written.
	Size() int64
	// Discard forgets the body unless a committed transaction holds it. It may
	// be called more than once and after PutBody; not to call it for a body
	// that was not put keeps its space until the store is opened again.
	Discard()
}

// A Body is a stored body. Reads may run side by side. Any change of the sealed
// bytes shows as an error that wraps ErrCorrupt, never as other bytes.
type Body interface {
	io.ReaderAt
	Size() int64
}

// A Tx is one transaction. Records it returns are copies. It must not be used
// after the function it was given to returns.
type Tx interface {
	DirectoryTx
	BundleTx
	MailboxTx
	FetchedTx
	QueueTx
	HookTx
	EdgeTx
	TrackTx
	DeliveredTx
	RequestTx
	CertCacheTx
	BodyTx
	StructureTx
	DocumentTx
	AuditTx
}

// BodyTx holds bodies. A body lives as long as a job or a mailbox message
// refers to it; the last reference takes it along.
type BodyTx interface {
	// PutBody makes what w took part of the store. A transaction that ends
	// without a reference to it fails.
	PutBody(w BodyWriter) (BodyID, error)
}
