package store

import (
	"errors"
	"fmt"
	"time"

	"postern/internal/audit"
)

// sign puts a checkpoint at the end of the trail and into its head, which is then
// to be written.
func (t *tx) sign(head *audit.Head) (audit.Checkpoint, error) {
	key, err := t.needSigningKey()
	if err != nil {
		return audit.Checkpoint{}, err
	}
	c := audit.Checkpoint{
		Mark: audit.Point, Number: head.Number, Hash: head.Hash, After: head.Checkpoint, At: t.db.now(),
	}.Sign(key)
	head.Checkpoint = head.Number
	// That it cannot be written must not end what goes on; the next one, or the stop,
	// tries again, and the stop tells.
	t.then(func() { _ = t.db.renewWitness(false) })
	return c, t.put(bucketCheckpoints, u64(c.Number), []byte(c.String()))
}

// Checkpoint implements AuditTx.
func (t *tx) Checkpoint() (audit.Checkpoint, error) {
	head, err := t.AuditHead()
	if err != nil {
		return audit.Checkpoint{}, err
	}
	if head.Number == head.Checkpoint {
		return t.LastCheckpoint()
	}
	c, err := t.sign(&head)
	if err != nil {
		return c, err
	}
	return c, t.putAuditHead(head)
}

// LastCheckpoint implements AuditTx.
func (t *tx) LastCheckpoint() (audit.Checkpoint, error) {
	err := t.settleAudit()
	if err != nil {
		return audit.Checkpoint{}, err
	}
	_, line := t.in(bucketCheckpoints).Cursor().Last()
	if line == nil {
		return audit.Checkpoint{}, fmt.Errorf("the last checkpoint: %w", ErrNotFound)
	}
	return readCheckpoint(line)
}

// AuditBase implements AuditTx.
func (t *tx) AuditBase() (audit.Checkpoint, error) {
	line := t.get(bucketMeta, []byte(metaAuditBase))
	if line == nil {
		return audit.Checkpoint{}, fmt.Errorf("the base of the audit trail: %w", ErrNotFound)
	}
	return readCheckpoint(line)
}

// EachCheckpoint implements AuditTx.
func (t *tx) EachCheckpoint(from uint64, fn func(audit.Checkpoint) bool) error {
	err := t.settleAudit()
	if err != nil {
		return err
	}
	return t.each(bucketCheckpoints, nil, u64(from), func(_, line []byte) (bool, error) {
		c, err := readCheckpoint(line)
		return err == nil && fn(c), err
	})
}

func readCheckpoint(line []byte) (audit.Checkpoint, error) {
	c, err := audit.ParseCheckpoint(line)
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return c, nil
}

// PruneAudit implements AuditTx. Records are in the order in which they were
// written: the first that is not old enough ends it, whatever the clock did.
func (t *tx) PruneAudit(before time.Time, limit int) (int, error) {
	if !t.writable {
		return 0, ErrReadOnly
	}
	old, last, err := t.oldAudit(before, limit)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	err = t.carryRows(old)
	if err != nil {
		return 0, err
	}
	err = t.putBase(last)
	for _, key := range old {
		err = errors.Join(err, t.remove(bucketAudit, key))
	}
	for _, key := range t.checkpointsUntil(last.Number) {
		err = errors.Join(err, t.remove(bucketCheckpoints, key))
	}
	if err != nil {
		return 0, fmt.Errorf("pruning the audit trail: %w", err)
	}
	return len(old), t.Audit(audit.Record{
		Actor: audit.System, Action: audit.Pruned, Object: "audit trail",
		Detail: fmt.Sprintf("%d records, the last of them number %d", len(old), last.Number),
	})
}

// oldAudit returns the keys of the records that are to go, and a base that stands
// in for them.
func (t *tx) oldAudit(before time.Time, limit int) (keys [][]byte, base audit.Checkpoint, err error) {
	err = t.EachAudit(0, func(number uint64, stored []byte) bool {
		entry, broken := audit.ParseEntry(stored)
		// What cannot be read is not thrown away: it is evidence.
		if len(keys) >= limit || broken != nil || !entry.At.Before(before) {
			return false
		}
		keys = append(keys, u64(number))
		base = audit.Checkpoint{Mark: audit.Base, Number: number, Hash: audit.HashOf(stored)}
		return true
	})
	return keys, base, err
}

func (t *tx) putBase(base audit.Checkpoint) error {
	key, err := t.needSigningKey()
	if err != nil {
		return err
	}
	base.At = t.db.now()
	return t.put(bucketMeta, []byte(metaAuditBase), []byte(base.Sign(key).String()))
}

func (t *tx) checkpointsUntil(number uint64) [][]byte {
	var keys [][]byte
	c := t.in(bucketCheckpoints).Cursor()
	for k, _ := c.First(); k != nil && string(k) <= string(u64(number)); k, _ = c.Next() {
		keys = append(keys, append([]byte(nil), k...))
	}
	return keys
}
