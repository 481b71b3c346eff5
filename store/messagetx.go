package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

const seen = `\Seen`

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
	m.Received = m.Received.UTC()
	m.UID = box.UIDNext
	box.UIDNext++
	count(&box, m, 1)
	return t.putMessage(&box, m)
}

// putMessage stores m as the latest change of its mailbox.
func (t *tx) putMessage(box *mailboxRecord, m Message) (Message, error) {
	box.ModSeq++
	m.ModSeq = box.ModSeq
	err := errors.Join(
		t.putRecord(bucketMessages, messageKey(box.ID, m.UID), m),
		t.put(bucketChanges, changeKey(box.ID, m.ModSeq), u32(m.UID)),
		t.putMailbox(*box))
	t.changed(box.ID)
	return m, err
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
	m, err := getRecord[Message](t, bucketMessages, messageKey(id, uid))
	if err != nil {
		return Message{}, fmt.Errorf("message %d of mailbox %d: %w", uid, id, err)
	}
	return m, nil
}

// EachMessage implements MailboxTx.
func (t *tx) EachMessage(id MailboxID, from uint32, fn func(Message) bool) error {
	if !t.boxed(id) {
		return fmt.Errorf("mailbox %d: %w", id, ErrNotFound)
	}
	return t.each(bucketMessages, u64(uint64(id)), messageKey(id, from), func(_, v []byte) (bool, error) {
		m, err := decodeRecord[Message](bucketMessages, v)
		if err != nil {
			return false, err
		}
		return fn(m), nil
	})
}

// SetFlags implements MailboxTx.
func (t *tx) SetFlags(id MailboxID, uid uint32, flags []string) (Message, error) {
	if !t.writable {
		return Message{}, ErrReadOnly
	}
	m, err := t.Message(id, uid)
	if err != nil {
		return Message{}, err
	}
	flags = cleanFlags(flags)
	if slices.Equal(flags, m.Flags) {
		return m, nil
	}
	box, err := t.mailbox(id)
	if err != nil {
		return Message{}, err
	}
	err = t.remove(bucketChanges, changeKey(id, m.ModSeq))
	if err != nil {
		return Message{}, err
	}
	count(&box, m, -1)
	m.Flags = flags
	count(&box, m, 1)
	return t.putMessage(&box, m)
}

// Expunge implements MailboxTx.
func (t *tx) Expunge(id MailboxID, uid uint32) error {
	if !t.writable {
		return ErrReadOnly
	}
	m, err := t.Message(id, uid)
	if err != nil {
		return err
	}
	box, err := t.mailbox(id)
	if err != nil {
		return err
	}
	count(&box, m, -1)
	box.ModSeq++
	box.Tombs++
	t.changed(id)
	err = errors.Join(
		t.unrefBody(m.Body),
		t.remove(bucketMessages, messageKey(id, uid)),
		t.remove(bucketChanges, changeKey(id, m.ModSeq)),
		t.put(bucketTombs, changeKey(id, box.ModSeq), u32(uid)),
		t.prune(&box))
	if err != nil {
		return err
	}
	return t.putMailbox(box)
}

// maxTombs is how many expunged messages a mailbox remembers.
const maxTombs = 10_000

// prune forgets the oldest tomb when there are too many.
func (t *tx) prune(box *mailboxRecord) error {
	if box.Tombs <= maxTombs {
		return nil
	}
	keys := t.firstKeys(bucketTombs, u64(uint64(box.ID)), 1)
	if len(keys) == 0 || len(keys[0]) != 16 {
		return fmt.Errorf("%w: the changes of mailbox %d", ErrCorrupt, box.ID)
	}
	box.Tombs--
	box.Pruned = binary.BigEndian.Uint64(keys[0][8:])
	return t.remove(bucketTombs, keys[0])
}

// Changes implements MailboxTx.
func (t *tx) Changes(id MailboxID, since uint64) ([]Change, error) {
	box, err := t.mailbox(id)
	if err != nil {
		return nil, err
	}
	if since < box.Pruned {
		return nil, fmt.Errorf("mailbox %d: %w", id, ErrPruned)
	}
	if since >= box.ModSeq {
		return nil, nil
	}
	live, err := t.changesIn(bucketChanges, id, since)
	if err != nil {
		return nil, err
	}
	gone, err := t.changesIn(bucketTombs, id, since)
	if err != nil {
		return nil, err
	}
	all := append(live, gone...)
	slices.SortFunc(all, func(a, b Change) int {
		if a.ModSeq < b.ModSeq {
			return -1
		}
		return 1 // no two changes of a mailbox have one ModSeq
	})
	return all, nil
}

func (t *tx) changesIn(bucket string, id MailboxID, since uint64) ([]Change, error) {
	var all []Change
	err := t.each(bucket, u64(uint64(id)), changeKey(id, since+1), func(k, v []byte) (bool, error) {
		if len(k) != 16 || len(v) != 4 {
			return false, fmt.Errorf("%w: the changes of mailbox %d", ErrCorrupt, id)
		}
		all = append(all, Change{
			ModSeq:   binary.BigEndian.Uint64(k[8:]),
			UID:      binary.BigEndian.Uint32(v),
			Expunged: bucket == bucketTombs,
		})
		return true, nil
	})
	return all, err
}
