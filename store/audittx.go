package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

// auditFill is how full the pages of the trail become. Its keys only grow, so that
// half-empty pages, which others insert into, would stay half empty.
const auditFill = 0.95

// Audit implements AuditTx. The record waits for the next one, or for the end of the
// transaction, so that it has what the deed left.
func (t *tx) Audit(r audit.Record) error {
	err := t.write(0)
	if err != nil {
		return err
	}
	if t.db.setBack {
		return fmt.Errorf("%w: the end of the audit trail is of another time: run postern audit verify", ErrCorrupt)
	}
	if t.pending != nil {
		err = t.settleAudit()
	}
	if err == nil {
		_, err = t.auditHead()
	}
	if err != nil {
		return err
	}
	if r.At.IsZero() {
		r.At = t.db.now()
	}
	r.At = r.At.UTC()
	r = r.Bound()
	t.pending = &r
	return nil
}

// settleAudit writes the record that waits, with what was left in the store since the
// one before it. What no record speaks of is noted.
func (t *tx) settleAudit() error {
	if !t.writable {
		return nil
	}
	t.left.forget(t.db.carried)
	if t.pending == nil && len(t.left.order) == 0 {
		return nil
	}
	head, err := t.auditHead()
	if t.pending == nil && (t.db.setBack || err != nil) {
		return nil // the trail has ended, which verify tells
	}
	if err == nil {
		err = t.takeStock()
	}
	for err == nil && (t.pending != nil || len(t.left.order) > 0) {
		r := t.pending
		if r == nil {
			r = &audit.Record{At: t.db.now().UTC(), Actor: audit.System, Action: audit.Noted}
		}
		r.Rows, t.pending = t.left.take(), nil
		err = t.appendAudit(&head, *r)
	}
	if err != nil {
		return err
	}
	return t.putAuditHead(head)
}

// appendAudit writes a record behind the end of the trail. The head is read for each
// transaction, so that those of one batch follow each other, and one that is rolled
// back leaves no gap.
func (t *tx) appendAudit(head *audit.Head, r audit.Record) error {
	stored, err := audit.Entry{Number: head.Number + 1, Prev: head.Hash, Record: r}.Encode()
	if err != nil {
		return err
	}
	head.Number++
	head.Hash = audit.HashOf(stored)
	t.in(bucketAudit).FillPercent = auditFill
	err = t.put(bucketAudit, u64(head.Number), stored)
	if err != nil {
		return err
	}
	if head.Number-head.Checkpoint >= audit.CheckpointEvery {
		_, err = t.sign(head)
	}
	return err
}

// EachAudit implements AuditTx.
func (t *tx) EachAudit(from uint64, fn func(number uint64, stored []byte) bool) error {
	err := t.settleAudit()
	if err != nil {
		return err
	}
	return t.each(bucketAudit, nil, u64(from), func(k, v []byte) (bool, error) {
		if len(k) != 8 {
			return false, fmt.Errorf("%w: a key of %s", ErrCorrupt, bucketAudit)
		}
		return fn(binary.BigEndian.Uint64(k), v), nil
	})
}

// AuditHead implements AuditTx. There is one in every store, from the first moment
// on; without it nothing can be recorded, and so nothing be done.
func (t *tx) AuditHead() (audit.Head, error) {
	err := t.settleAudit()
	if err != nil {
		return audit.Head{}, err
	}
	return t.auditHead()
}

func (t *tx) auditHead() (audit.Head, error) {
	head, err := t.db.ring.Load().openHead(t.get(bucketMeta, []byte(metaAuditHead)))
	if err != nil {
		return head, fmt.Errorf("%w: %w: run postern audit verify", ErrCorrupt, err)
	}
	return head, nil
}

func (t *tx) putAuditHead(head audit.Head) error {
	sealed, err := t.db.ring.Load().sealHead(head)
	if err != nil {
		return err
	}
	return t.put(bucketMeta, []byte(metaAuditHead), sealed)
}

// beginAudit puts the end of an empty trail into a store that has none.
func beginAudit(tx *bolt.Tx, ring *keyring) error {
	sealed, err := ring.sealHead(audit.Head{State: stateOf(tx)})
	if err != nil {
		return err
	}
	return in(tx, bucketMeta).Put([]byte(metaAuditHead), sealed)
}
