package store

import (
	"fmt"
)

// MaxStructure is how many octets are kept of the structure of a body.
const MaxStructure = 64 << 10

const structurePurpose purpose = "structure"

// StructureTx keeps, beside a body, what its readers found out about it, so that they
// need not read it again. To the store they are octets; they are sealed, for they hold
// subjects and names. They go with the body, and can always be made anew.
type StructureTx interface {
	// PutStructure keeps up to MaxStructure octets for a body, in place of others.
	// ErrNotFound: there is no such body.
	PutStructure(id BodyID, structure []byte) error
	// Structure returns what is kept for a body. ErrNotFound: nothing is. ErrCorrupt: it
	// was changed, and is to be made anew.
	Structure(id BodyID) ([]byte, error)
}

// PutStructure implements StructureTx.
func (t *tx) PutStructure(id BodyID, structure []byte) error {
	key := u64(uint64(id))
	switch {
	case !t.writable:
		return ErrReadOnly
	case len(structure) > MaxStructure:
		return fmt.Errorf("the structure of body %d has %d octets", id, len(structure))
	case !t.exists(bucketBodies, key):
		return fmt.Errorf("keeping the structure of body %d: %w", id, ErrNotFound)
	}
	sealed, err := t.db.ring.Load().sealRecord(structurePurpose, key, structure)
	if err != nil {
		return fmt.Errorf("keeping the structure of body %d: %w", id, err)
	}
	return t.put(bucketStructures, key, sealed)
}

// Structure implements StructureTx.
func (t *tx) Structure(id BodyID) ([]byte, error) {
	key := u64(uint64(id))
	sealed := t.get(bucketStructures, key)
	if sealed == nil {
		return nil, fmt.Errorf("the structure of body %d: %w", id, ErrNotFound)
	}
	plain, err := t.db.ring.Load().openRecord(structurePurpose, key, sealed)
	if err != nil {
		return nil, fmt.Errorf("the structure of body %d: %w", id, err)
	}
	return plain, nil
}
