package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

func (c *checker) checkMailboxes() error {
	return walkRecords(c, bucketMailboxes, func(k []byte, m mailboxRecord) {
		if !bytes.Equal(k, u64(uint64(m.ID))) {
			c.problem("mailbox %d is stored under another id", m.ID)
			return
		}
		if !bytes.Equal(c.get(bucketMailboxNames, nameKey(m.Account, m.Name)), k) {
			c.problem("mailbox %d is missing in the index of names", m.ID)
		}
		counted, changed := c.countAnew(m)
		if n := c.checkChanges(m, bucketChanges); n != changed {
			c.problem("mailbox %d has %d changes of %d messages that changed", m.ID, n, changed)
		}
		counted.Tombs = c.checkChanges(m, bucketTombs)
		c.checkCounts(m, counted)
	})
}

// checkCounts compares the counts of a mailbox with what was counted in it.
func (c *checker) checkCounts(m, counted mailboxRecord) {
	set := func(m *mailboxRecord) {
		m.Messages, m.Unseen, m.Bytes, m.Tombs = counted.Messages, counted.Unseen, counted.Bytes, counted.Tombs
	}
	was := m
	set(&m)
	if m == was {
		return
	}
	c.miscounted(fmt.Sprintf("mailbox %d", m.ID), func(t *tx) error {
		m, err := t.mailbox(m.ID)
		if err != nil {
			return err
		}
		set(&m)
		return t.putMailbox(m)
	}, "mailbox %d counts %d messages, %d unseen, %d bytes, %d expunged and has %d, %d, %d, %d", m.ID,
		was.Messages, was.Unseen, was.Bytes, was.Tombs, m.Messages, m.Unseen, m.Bytes, m.Tombs)
}

// countAnew counts the messages of a mailbox, and those that changed since they came.
func (c *checker) countAnew(m mailboxRecord) (counted mailboxRecord, changed int) {
	born := uint64(0)
	err := c.each(bucketMessages, u64(uint64(m.ID)), nil, func(_, v []byte) (bool, error) {
		msg, err := decodeMessage(v)
		if err != nil {
			return false, err
		}
		count(&counted, msg.Message, 1)
		if msg.UID == 0 || msg.UID >= m.UIDNext || msg.ModSeq > m.ModSeq {
			c.problem("message %d of mailbox %d is ahead of its mailbox", msg.UID, m.ID)
		}
		if msg.Born <= born || msg.Born > msg.ModSeq {
			c.problem("message %d of mailbox %d came out of order", msg.UID, m.ID)
		}
		born = msg.Born
		if msg.ModSeq != msg.Born {
			changed++
		}
		return true, c.ctx.Err()
	})
	if err != nil {
		c.problem("mailbox %d: %v", m.ID, err)
	}
	return counted, changed
}

// checkChanges checks one half of the change log, and returns how long it is.
func (c *checker) checkChanges(m mailboxRecord, bucket string) int {
	changes, err := c.changesIn(bucket, m.ID, 0)
	if err != nil {
		c.problem("mailbox %d: %v", m.ID, err)
		return 0
	}
	for _, ch := range changes {
		msg, err := c.Message(m.ID, ch.UID)
		here := err == nil && msg.ModSeq == ch.ModSeq
		if here == ch.Expunged || ch.ModSeq > m.ModSeq || ch.UID >= m.UIDNext {
			c.problem("a change of message %d of mailbox %d is wrong", ch.UID, m.ID)
		}
	}
	return len(changes)
}

func (c *checker) checkMailboxNames() error {
	return c.walk(bucketMailboxNames, func(k, v []byte) {
		if len(v) != 8 {
			c.problem("index of mailbox names: %x is damaged", k)
			return
		}
		id := MailboxID(binary.BigEndian.Uint64(v))
		m, err := c.mailbox(id)
		if err != nil || !bytes.Equal(k, nameKey(m.Account, m.Name)) {
			c.problem("the index of names leads to mailbox %d, which is not so", id)
		}
	})
}

// checkMessages counts the references to bodies, also those of mailboxes that
// are being removed.
func (c *checker) checkMessages() error {
	return walkRecords(c, bucketMessages, func(k []byte, m Message) {
		c.report.Messages++
		c.refs[m.Body]++
		if len(k) != 12 || binary.BigEndian.Uint32(k[8:]) != m.UID {
			c.problem("message %x is stored under another UID", k)
			return
		}
		id := MailboxID(binary.BigEndian.Uint64(k))
		if !m.Fetched.IsZero() && c.boxed(id) && !c.exists(bucketFetched, fetchedKey(id, m)) {
			c.problem("message %x is missing in the index of what was read", k)
		}
		if !c.exists(bucketMailboxes, k[:8]) && !c.exists(bucketDoomed, k[:8]) {
			c.problem("message %x is in no mailbox", k)
		}
		r, err := c.bodyRecord(m.Body)
		if err != nil || r.size != m.Size {
			c.problem("message %x does not have the size of body %d", k, m.Body)
		}
	})
}

func (c *checker) checkDoomed() error {
	return c.walk(bucketDoomed, func(k, _ []byte) {
		if c.exists(bucketMailboxes, k) {
			c.problem("mailbox %x is there and being removed", k)
		}
	})
}
