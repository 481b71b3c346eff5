package store

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

const seen = `\Seen`

// A messageRecord is a Message with what only the store needs.
type messageRecord struct {
	Message
	// Born is the ModSeq the message came with. It grows with the UID, so that
	// the messages that came since a ModSeq are found from the end and need no
	// place in bucketChanges until they change.
	Born uint64 `json:"born"`
}

// Append implements MailboxTx.
func (t *tx) Append(id MailboxID, m Message) (Message, error) {
	if !t.writable {
		return Message{}, ErrReadOnly
	}
	box, err := t.mailbox(id)
	if err != nil {
		return Message{}, err
	}
	if box.UIDNext == math.MaxUint32 {
		return Message{}, fmt.Errorf("mailbox %d: there is no UID left", id)
	}
	body, err := t.refBody(m.Body)
	if err != nil {
		return Message{}, err
	}
	m.Size = body.size
	m.Flags = cleanFlags(m.Flags)
	if m.Received.IsZero() {
		m.Received = t.db.now()
	}
	m.Received, m.Fetched = m.Received.UTC(), m.Fetched.UTC()
	m.UID = box.UIDNext
	box.UIDNext++
	count(&box, m, 1)
	box.ModSeq++
	m.ModSeq = box.ModSeq
	t.changed(id)
	t.left.is(bucketMessages, messageKey(id, m.UID), messageSum(m))
	return m, errors.Join(
		t.putRecord(bucketMessages, messageKey(id, m.UID), messageRecord{Message: m, Born: m.ModSeq}),
		t.indexFetched(id, m),
		t.putMailbox(box))
}

func (t *tx) changed(id MailboxID) { t.then(func() { t.db.watch.changed(id) }) }

// count adds m to, or takes it from, the counts of its mailbox.
func count(box *mailboxRecord, m Message, by int) {
	box.Messages += uint32(by)
	box.Bytes += int64(by) * m.Size
	if !isSeen(m.Flags) {
		box.Unseen += uint32(by)
	}
}

// System flags are compared without regard to case (RFC 9051 §2.3.2).
func isSeen(flags []string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, seen) })
}

func cleanFlags(flags []string) []string {
	sorted := slices.Clone(flags)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

func messageKey(id MailboxID, uid uint32) []byte   { return u64u32(uint64(id), uid) }
func changeKey(id MailboxID, modseq uint64) []byte { return u64u64(uint64(id), modseq) }
func (t *tx) boxed(id MailboxID) (exists bool)     { return t.exists(bucketMailboxes, u64(uint64(id))) }
func notInMailbox(id MailboxID, uid uint32) error {
	return fmt.Errorf("message %d of mailbox %d: %w", uid, id, ErrNotFound)
}

// Message implements MailboxTx.
func (t *tx) Message(id MailboxID, uid uint32) (Message, error) {
	if !t.boxed(id) {
		return Message{}, notInMailbox(id, uid)
	}
	m, err := t.message(id, uid)
	return m.Message, err
}

func (t *tx) message(id MailboxID, uid uint32) (messageRecord, error) {
	value, m, err := t.get(bucketMessages, messageKey(id, uid)), messageRecord{}, ErrNotFound
	if value != nil {
		m, err = decodeMessage(value)
	}
	if err != nil {
		return messageRecord{}, fmt.Errorf("message %d of mailbox %d: %w", uid, id, err)
	}
	return m, nil
}

// EachMessage implements MailboxTx.
func (t *tx) EachMessage(id MailboxID, from uint32, fn func(Message) bool) error {
	if !t.boxed(id) {
		return fmt.Errorf("mailbox %d: %w", id, ErrNotFound)
	}
	return t.each(bucketMessages, u64(uint64(id)), messageKey(id, from), func(_, v []byte) (bool, error) {
		m, err := decodeMessage(v)
		if err != nil {
			return false, err
		}
		return fn(m.Message), nil
	})
}

// SetFlags implements MailboxTx.
func (t *tx) SetFlags(id MailboxID, uid uint32, flags []string) (Message, error) {
	if !t.writable {
		return Message{}, ErrReadOnly
	}
	box, err := t.mailbox(id)
	if err != nil {
		return Message{}, err
	}
	m, err := t.message(id, uid)
	if err != nil {
		return Message{}, err
	}
	flags = cleanFlags(flags)
	if slices.Equal(flags, m.Flags) {
		return m.Message, nil
	}
	old := changeKey(id, m.ModSeq)
	count(&box, m.Message, -1)
	m.Flags = flags
	count(&box, m.Message, 1)
	box.ModSeq++
	m.ModSeq = box.ModSeq
	t.changed(id)
	return m.Message, errors.Join(
		t.remove(bucketChanges, old),
		t.put(bucketChanges, changeKey(id, m.ModSeq), u32(uid)),
		t.putRecord(bucketMessages, messageKey(id, uid), m),
		t.putMailbox(box))
}

// Expunge implements MailboxTx.
func (t *tx) Expunge(id MailboxID, uid uint32) error {
	if !t.writable {
		return ErrReadOnly
	}
	box, err := t.mailbox(id)
	if err != nil {
		return err
	}
	m, err := t.message(id, uid)
	if err != nil {
		return err
	}
	count(&box, m.Message, -1)
	box.ModSeq++
	box.Tombs++
	t.changed(id)
	t.left.gone(bucketMessages, messageKey(id, uid))
	err = errors.Join(
		t.unrefBody(m.Body),
		t.unindexFetched(id, m.Message),
		t.remove(bucketMessages, messageKey(id, uid)),
		t.remove(bucketChanges, changeKey(id, m.ModSeq)),
		t.put(bucketTombs, changeKey(id, box.ModSeq), u32(uid)),
		t.prune(&box))
	if err != nil {
		return err
	}
	return t.putMailbox(box)
}
