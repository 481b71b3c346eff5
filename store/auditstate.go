package store

import (
	"crypto/sha256"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

// stateOf is what the end of the trail says of the rest of the store: the number
// of the transaction, which each commit raises, the generation of the directory,
// and the counters of all buckets. The end is sealed again with each commit, so that
// one of an earlier time, such as free pages still hold, does not fit.
func stateOf(tx *bolt.Tx) audit.Hash { return stateAt(tx, tx.ID()) }

// stateAt is the state at a transaction: a transaction that has written nothing yet
// has that of the one before it. A store of an earlier schema lacks some buckets.
func stateAt(tx *bolt.Tx, id int) audit.Hash {
	sum := sha256.New()
	sum.Write(u64(uint64(id)))
	sum.Write(in(tx, bucketMeta).Get([]byte(metaGeneration)))
	sum.Write(in(tx, bucketMeta).Get([]byte(metaStock)))
	for _, name := range buckets() {
		if b := in(tx, name); b != nil {
			sum.Write(append([]byte(name), u64(b.Sequence())...))
		}
	}
	return audit.Hash(sum.Sum(nil))
}

// headFits reports whether the end of the trail is authentic and of a state.
func (k *keyring) headFits(tx *bolt.Tx, state audit.Hash) bool {
	head, err := k.openHead(in(tx, bucketMeta).Get([]byte(metaAuditHead)))
	return err == nil && head.State == state
}

// resealHead puts the state into the end of the trail. One that is not authentic
// stays as it is.
func (k *keyring) resealHead(tx *bolt.Tx) error {
	meta := in(tx, bucketMeta)
	head, err := k.openHead(meta.Get([]byte(metaAuditHead)))
	if err != nil {
		return nil // Audit refuses, and verify tells
	}
	head.State = stateOf(tx)
	sealed, err := k.sealHead(head)
	if err != nil {
		return err
	}
	return meta.Put([]byte(metaAuditHead), sealed)
}

// sealTrail ends a transaction.
func (w *writer) sealTrail(b *bolt.Tx) error {
	if w.db.setBack {
		return nil
	}
	return w.db.ring.Load().resealHead(b)
}

// loadTrail finds out whether the end of the trail fits the rest of the store, and what
// is kept beside it.
func (db *DB) loadTrail(tx *bolt.Tx) {
	ring := db.ring.Load()
	head, err := ring.openHead(in(tx, bucketMeta).Get([]byte(metaAuditHead)))
	db.setBack = err == nil && head.State != stateOf(tx)
	db.witness.load(tx, ring, head, err == nil && !db.setBack)
}
