package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// FetchedTx holds which messages were read by the owners of their mailboxes.
type FetchedTx interface {
	// MarkFetched sets Fetched of a message that was not read before, and says
	// whether it did. Its ModSeq stays: no client sees the mark.
	MarkFetched(id MailboxID, uid uint32, at time.Time) (Message, bool, error)
	// EachFetched calls fn for the messages of a mailbox that were first read
	// before a time, those read first coming first, until it returns false. They
	// are found by an index. fn must not write.
	EachFetched(id MailboxID, before time.Time, fn func(Message) bool) error
}

// MarkFetched implements FetchedTx.
func (t *tx) MarkFetched(id MailboxID, uid uint32, at time.Time) (Message, bool, error) {
	if !t.writable {
		return Message{}, false, ErrReadOnly
	}
	if !t.boxed(id) {
		return Message{}, false, notInMailbox(id, uid)
	}
	m, err := t.message(id, uid)
	if err != nil || !m.Fetched.IsZero() {
		return m.Message, false, err
	}
	m.Fetched = at.UTC()
	return m.Message, true, errors.Join(
		t.putRecord(bucketMessages, messageKey(id, uid), m),
		t.indexFetched(id, m.Message))
}

// indexFetched has a message found by the time it was read.
func (t *tx) indexFetched(id MailboxID, m Message) error {
	if m.Fetched.IsZero() {
		return nil
	}
	return t.put(bucketFetched, fetchedKey(id, m), nil)
}

func (t *tx) unindexFetched(id MailboxID, m Message) error {
	if m.Fetched.IsZero() {
		return nil
	}
	return t.remove(bucketFetched, fetchedKey(id, m))
}

func fetchedKey(id MailboxID, m Message) []byte {
	return binary.BigEndian.AppendUint32(u64u64(uint64(id), sortableTime(m.Fetched)), m.UID)
}

// EachFetched implements FetchedTx.
func (t *tx) EachFetched(id MailboxID, before time.Time, fn func(Message) bool) error {
	end := u64u64(uint64(id), sortableTime(before))
	return t.each(bucketFetched, u64(uint64(id)), nil, func(k, _ []byte) (bool, error) {
		if bytes.Compare(k, end) >= 0 {
			return false, nil
		}
		if len(k) != 20 {
			return false, fmt.Errorf("%w: what was read of mailbox %d", ErrCorrupt, id)
		}
		m, err := t.message(id, binary.BigEndian.Uint32(k[16:]))
		if err != nil {
			return false, err
		}
		return fn(m.Message), nil
	})
}
