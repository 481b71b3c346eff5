package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

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
	all, err := t.newcomers(id, since)
	if err != nil {
		return nil, err
	}
	for _, bucket := range []string{bucketChanges, bucketTombs} {
		more, err := t.changesIn(bucket, id, since)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	slices.SortFunc(all, func(a, b Change) int { return cmp.Compare(a.ModSeq, b.ModSeq) })
	return all, nil
}

// newcomers returns the messages that came after since and did not change. It
// walks from the end to the first that came before.
func (t *tx) newcomers(id MailboxID, since uint64) ([]Change, error) {
	var all []Change
	prefix := u64(uint64(id))
	c := t.in(bucketMessages).Cursor()
	step := c.Prev
	k, _ := c.Seek(u64(uint64(id) + 1))
	if k == nil {
		step = c.Last
	}
	k, v := step()
	for ; bytes.HasPrefix(k, prefix); k, v = c.Prev() {
		m, err := decodeMessage(v)
		if err != nil {
			return nil, err
		}
		if m.Born <= since {
			break
		}
		if m.ModSeq == m.Born {
			all = append(all, Change{ModSeq: m.ModSeq, UID: m.UID})
		}
	}
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
