package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

// RestoreOptions are those of Restore.
type RestoreOptions struct {
	Options // of the store that Restore makes
	// Older are other master keys that the copy may be sealed for, such as those
	// that were in use before.
	Older []KeyWrapper
	// Record is written into the audit trail of the restored store.
	Record audit.Record
	// Accept has the audit trail vouch for rows that are not as it says: see accept.
	// Otherwise they are restored as they are.
	Accept bool
	// Via is a folder on another disk, for a store whose disk has no room for two: the
	// copy is made ready there and written over the store, of which nothing is kept.
	// What ends that in the middle leaves the one in Via alone: see Compact. No other
	// copy is restored then.
	Via string
}

// A Restoration is what Restore did.
type Restoration struct {
	Copy      CheckReport `json:"copy"`      // what is in it
	Mailboxes int         `json:"mailboxes"` // that have another UIDVALIDITY
	Held      int         `json:"held"`      // outgoing jobs that now wait for an operator
	Unknown   int         `json:"unknown"`   // messages that nobody waits for notifications about any more
	// Reopened are ways into accounts that were closed after the copy was made, as far as
	// the store that was replaced can tell.
	Reopened  []Reopened `json:"reopened"`
	Rewrapped bool       `json:"rewrapped"` // the copy was sealed for an older master key
	Kept      string     `json:"kept"`      // where the store that was replaced is; "" if there was none
}

// Restore puts a copy that Backup made in the place of the store at path, which
// nobody may use meanwhile (ErrLocked), also one that is damaged or not there. The
// copy is opened under the master key and checked whole before anything is
// touched; one of an earlier schema is carried on. Rows of it that are not as its
// audit trail says are restored as they are, and the record says so: see accept. The
// file of the copy stays as it is, and the old store is kept beside the new one,
// without o.Via.
//
// What happened after the copy was made is not in it, so that every mailbox gets a
// new UIDVALIDITY, for its UIDs may have been given to other messages (RFC 9051
// §2.3.1.1), outgoing jobs are held, for they may have been sent, and nobody waits for
// notifications any more, for they may have come. Accounts and accesses are as they were:
// see Restoration.Reopened. Errors:
// ErrLocked, an *ElsewhereError for a store that was being written over, unless from is
// the file that it is in, ErrInTheWay, and ErrCopy with ErrMasterKey, ErrCorrupt,
// ErrSchema, ErrFull or fs.ErrNotExist.
func Restore(ctx context.Context, path, from string, o RestoreOptions) (Restoration, error) {
	r, err := restore(ctx, path, from, o)
	if err != nil {
		return Restoration{}, fmt.Errorf("restoring %s: %w", from, err)
	}
	return r, nil
}

func restore(ctx context.Context, path, from string, o RestoreOptions) (r Restoration, err error) {
	h, err := hold(path, o.Options)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, h.release()) }()
	if !h.there() {
		o.Via = "" // nothing takes its room
	}
	if h.broken != nil {
		if !sameFile(from, h.broken.Path) {
			return r, h.broken
		}
		c, err := h.goOn(ctx, CompactOptions{Options: o.Options, Record: o.Record, Accept: o.Accept})
		return Restoration{Copy: c.Store}, err
	}
	_, err = os.Stat(from)
	if err == nil && sameFile(from, h.path+restoreEnd) {
		err = fmt.Errorf("%s is where a copy is made ready: give it another name", from)
	}
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrCopy, err)
	}
	next, err := makeNext(h.path, o.Via, restoreEnd)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, removeUnless(next, err)) }()
	err = copyFile(ctx, next, from)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrCopy, err)
	}
	o.apart, o.frame = true, true
	o.Reading = func(PageProgress) error { return ctx.Err() }
	r, end, err := prepareCopy(ctx, next, h, o)
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrCopy, err)
	}
	if o.Via == "" {
		r.Kept, err = h.keep(keptName(h.path, nowOf(o.Options)))
	}
	if err != nil {
		return r, err
	}
	err = replaceWitnessed(h, next, h.witness, end)
	return r, err
}

// replaceWitnessed puts the file at next in place of the store. What was beside the
// old one goes before: a crash in between leaves a store without a witness, and
// none with that of another. That the new one cannot be written is no failure of
// what is done by then; the next checkpoint tries again.
func replaceWitnessed(h *held, next, witness string, end []byte) error {
	err := removeLeft(witness)
	if err != nil {
		return err
	}
	err = syncDir(filepath.Dir(witness))
	if err != nil {
		return err
	}
	err = h.put(next)
	if err == nil {
		_ = writeWitness(witness, end)
	}
	return err
}

func nowOf(o Options) time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// sameFile reports whether both names are there and lead to one file.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// copyFile copies a file to an empty one, as far as it is long when it begins.
func copyFile(ctx context.Context, to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", from)
	}
	err = needSpace(filepath.Dir(to), info.Size())
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(&contextWriter{ctx: ctx, w: out}, in)
	if err == nil {
		err = out.Sync()
	}
	err = errors.Join(err, out.Close())
	if err == nil {
		err = giveAway(to)
	}
	return ofDisk(err)
}

// prepareCopy checks a copy and makes it fit to take the place of the store that h holds.
func prepareCopy(ctx context.Context, path string, h *held, o RestoreOptions) (r Restoration, end []byte, err error) {
	db, older, err := openCopy(path, o)
	if err != nil {
		return r, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	r.Rewrapped = older
	r.Reopened, err = h.reopened(db, nowOf(o.Options))
	if err != nil {
		return r, nil, err
	}
	var found findings
	r.Copy, found, err = db.examine(ctx, nil)
	if err == nil {
		err = r.Copy.Damaged("the copy")
	}
	if err == nil && !o.Accept {
		err = db.carry(ctx, found.rows)
	}
	if err == nil {
		err = db.recount(ctx, found.counts)
	}
	if err != nil {
		return r, nil, err
	}
	if older {
		err = db.Rotate(ctx, o.MasterKey)
		if err != nil {
			return r, nil, err
		}
	}
	if o.Record.At.IsZero() {
		o.Record.At = nowOf(o.Options)
	}
	r.Mailboxes, err = db.renewUIDValidities(ctx, h.lastUIDValidity())
	if err != nil {
		return r, nil, err
	}
	r.Held, err = db.holdOutgoing(ctx, o.Record)
	if err != nil {
		return r, nil, err
	}
	r.Unknown, err = db.endWatches(ctx, nowOf(o.Options))
	if err != nil {
		return r, nil, err
	}
	err = db.accept(ctx, found, o.Record, o.Accept)
	if err != nil {
		return r, nil, err
	}
	end, _, err = db.end()
	return r, end, err
}

// openCopy opens a copy under the master key, or under an older one.
func openCopy(path string, o RestoreOptions) (db *DB, older bool, err error) {
	db, err = Open(path, o.Options)
	for _, key := range o.Older {
		if !errors.Is(err, ErrMasterKey) {
			break
		}
		with := o.Options
		with.MasterKey = key
		var other error
		db, other = Open(path, with)
		if other == nil || !errors.Is(other, ErrMasterKey) {
			err, older = other, true
		}
	}
	return db, older, err
}

// lastUIDValidity is the greatest UIDVALIDITY that the store gave, as far as it
// can be read.
func (h *held) lastUIDValidity() (last uint64) {
	if h.bolt == nil || h.bad {
		return 0
	}
	_, err := guarded(func() (struct{}, error) {
		return struct{}{}, h.bolt.View(func(tx *bolt.Tx) error {
			names := in(tx, bucketMailboxNames)
			if names != nil {
				last = names.Sequence()
			}
			return nil
		})
	})
	if err != nil {
		return 0 // a damaged store has nothing to tell; the clock is ahead of it
	}
	return min(last, 1<<32-1)
}

// restoreStep bounds what one transaction of a restore changes.
const restoreStep = 500

// renewUIDValidities gives every mailbox a UIDVALIDITY greater than any that was
// given before.
func (db *DB) renewUIDValidities(ctx context.Context, beyond uint64) (int, error) {
	var all []MailboxID
	err := db.view(func(t *tx) error {
		return t.each(bucketMailboxes, nil, nil, func(k, v []byte) (bool, error) {
			m, err := decodeRecord[mailboxRecord](bucketMailboxes, v)
			all = append(all, m.ID)
			return true, err
		})
	})
	if err != nil {
		return 0, err
	}
	return len(all), inSteps(ctx, db, all, func(t *tx, id MailboxID) error {
		names := t.in(bucketMailboxNames)
		if names.Sequence() < beyond {
			err := names.SetSequence(beyond)
			if err != nil {
				return err
			}
		}
		m, err := t.mailbox(id)
		if err != nil {
			return err
		}
		m.UIDValidity, err = t.nextUIDValidity()
		if err != nil {
			return err
		}
		return t.putMailbox(m)
	})
}

// heldByRestore tells an operator why a job is held.
const heldByRestore = "held by store restore: it may have been sent after the copy was made"

// holdOutgoing holds what is on its way out, each with an event in its track and a
// record, at the time and by whom r says.
func (db *DB) holdOutgoing(ctx context.Context, r audit.Record) (int, error) {
	var all []JobID
	err := db.view(func(t *tx) error {
		return t.EachJob(0, func(j Job) bool {
			if (j.Kind == SealJob || j.Kind == RelayJob || j.Kind == PushJob) && !j.Held {
				all = append(all, j.ID)
			}
			return true
		})
	})
	if err != nil {
		return 0, err
	}
	return len(all), inSteps(ctx, db, all, func(t *tx, id JobID) error {
		j, err := t.Job(id)
		if err != nil {
			return err
		}
		j.Held = true
		if j.Attempts == 0 { // otherwise it has the last words of the far side
			j.Detail = heldByRestore
		}
		err = t.Reschedule(j)
		if err != nil {
			return err
		}
		err = t.AddEvent(j.Track, Event{At: r.At, Stage: StageQueue, Detail: heldByRestore})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		return t.Audit(audit.Record{
			At: r.At, Actor: r.Actor, Action: audit.Changed, Object: fmt.Sprintf("%s job %d", j.Kind, j.ID),
			Track: string(j.Track), Detail: heldByRestore,
		})
	})
}

// inSteps calls fn for each, some in a transaction.
func inSteps[T any](ctx context.Context, db *DB, all []T, fn func(*tx, T) error) error {
	for len(all) > 0 {
		n := min(len(all), restoreStep)
		err := db.update(ctx, func(t *tx) error {
			for _, one := range all[:n] {
				err := fn(t, one)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}
