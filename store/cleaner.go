package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// cleanStep bounds how many chunks or messages one transaction removes.
const cleanStep = 64

// A cleaner removes, in small transactions, what is too much for one: the
// chunks of bodies that are gone or were never finished, and the messages of
// removed mailboxes. What is to be done stands in the store itself; the lists
// only say where.
type cleaner struct {
	mu        sync.Mutex
	bodies    []BodyID
	mailboxes []MailboxID
	kick      chan struct{} // of capacity 1
	stalled   atomic.Bool   // by an error
}

func (c *cleaner) wake() { signal(c.kick) }

// resume is called after every commit: an error for want of space may be over.
func (c *cleaner) resume() {
	if c.stalled.Load() {
		c.wake()
	}
}

func (c *cleaner) addBody(id BodyID) {
	c.mu.Lock()
	c.bodies = append(c.bodies, id)
	c.mu.Unlock()
	c.wake()
}

func (c *cleaner) addMailbox(id MailboxID) {
	c.mu.Lock()
	c.mailboxes = append(c.mailboxes, id)
	c.mu.Unlock()
	c.wake()
}

// load lists what the last process left: bodies it had begun, and what it had
// not cleaned yet.
func (c *cleaner) load(tx *bolt.Tx) error {
	read := func(bucket string, add func(id uint64)) error {
		return in(tx, bucket).ForEach(func(k, _ []byte) error {
			if len(k) != 8 {
				return fmt.Errorf("%w: a key of %s", ErrCorrupt, bucket)
			}
			add(binary.BigEndian.Uint64(k))
			return nil
		})
	}
	err := read(bucketLoose, func(id uint64) { c.bodies = append(c.bodies, BodyID(id)) })
	if err != nil {
		return err
	}
	return read(bucketDoomed, func(id uint64) { c.mailboxes = append(c.mailboxes, MailboxID(id)) })
}

// next returns one thing to do.
func (c *cleaner) next() (body BodyID, mailbox MailboxID, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.bodies) > 0 {
		return c.bodies[0], 0, true
	}
	if len(c.mailboxes) > 0 {
		return 0, c.mailboxes[0], true
	}
	return 0, 0, false
}

func (c *cleaner) done(body BodyID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if body != 0 {
		c.bodies = c.bodies[1:]
		return
	}
	c.mailboxes = c.mailboxes[1:]
}

// cleanLoop does what there is to do when it is woken. After an error it waits
// until a commit succeeds.
func (db *DB) cleanLoop() {
	defer db.running.Done()
	for {
		select {
		case <-db.clean.kick:
		case <-db.closing:
			return
		}
		for db.cleanSome() {
		}
	}
}

// cleanSome does one step and says whether to go on.
func (db *DB) cleanSome() bool {
	body, mailbox, ok := db.clean.next()
	if !ok {
		return false
	}
	finished := false
	err := db.update(context.Background(), func(t *tx) (err error) {
		if body != 0 {
			finished, err = t.cleanBody(body)
		} else {
			finished, err = t.cleanMailbox(mailbox)
		}
		return err
	})
	db.clean.stalled.Store(err != nil)
	if err != nil {
		return false
	}
	if body != 0 {
		forgetMapping(db.bolt)
	}
	if finished {
		db.clean.done(body)
	}
	return true
}

// cleanBody removes some chunks of a loose body.
func (t *tx) cleanBody(id BodyID) (done bool, err error) {
	key := u64(uint64(id))
	if !t.exists(bucketLoose, key) {
		return true, nil // its commit went through after all
	}
	keys := t.firstKeys(bucketBodies, key, cleanStep) // no record: chunks alone
	for _, k := range keys {
		err := t.removeChunk(k)
		if err != nil {
			return false, err
		}
	}
	if len(keys) == cleanStep {
		return false, nil
	}
	return true, t.remove(bucketLoose, key)
}

// cleanMailbox removes some of what was in a removed mailbox.
func (t *tx) cleanMailbox(id MailboxID) (done bool, err error) {
	done, err = t.emptyMailbox(id)
	if err != nil || !done {
		return false, err
	}
	return true, t.remove(bucketDoomed, u64(uint64(id)))
}
