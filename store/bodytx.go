package store

import (
	"errors"
	"fmt"
	"math"
)

// A bodyUse is what one transaction did to a body.
type bodyUse struct {
	record bodyRecord
	fresh  bool // put by this transaction
}

// PutBody implements BodyTx.
func (t *tx) PutBody(bw BodyWriter) (BodyID, error) {
	w, ok := bw.(*bodyWriter)
	if !ok || w.db != t.db {
		return 0, errors.New("the body was written to another store")
	}
	err := t.write(0)
	switch {
	case err != nil:
		return 0, err
	case w.err != nil:
		return 0, fmt.Errorf("the body is incomplete: %w", w.err)
	case w.discarded:
		return 0, errors.New("the body was discarded")
	}
	if t.exists(bucketBodies, u64(uint64(w.id))) {
		return w.id, nil // put before
	}
	if w.kept.Load() {
		return 0, fmt.Errorf("body %d: %w", w.id, ErrNotFound) // and gone since
	}
	w.finish()
	err = errors.Join(
		t.reserveBody(w.id),
		t.putChunk(w.id, w.chunks, w.sealed),
		t.putUse(w.id, bodyUse{record: w.record, fresh: true}))
	if err != nil {
		return 0, fmt.Errorf("putting a body: %w", err)
	}
	t.then(func() { w.kept.Store(true) })
	if w.chunks == 0 {
		return w.id, nil
	}
	return w.id, t.remove(bucketLoose, u64(uint64(w.id)))
}

// reserveBody records that an id is used, so that it never is again.
func (t *tx) reserveBody(id BodyID) error {
	b := t.in(bucketBodies)
	if b.Sequence() >= uint64(id) {
		return nil
	}
	return b.SetSequence(uint64(id))
}

// chunkIDSize tells the key of a chunk from that of a record.
const chunkIDSize = 8 + 4

func chunkID(id BodyID, index uint32) []byte { return u64u32(uint64(id), index) }

func (t *tx) putChunk(id BodyID, index uint32, sealed []byte) error {
	key := chunkID(id, index)
	if t.in(bucketBodies).Bucket(key) != nil {
		return fmt.Errorf("chunk %d of body %d is there already", index, id)
	}
	return t.putAlone(bucketBodies, key, sealed)
}

// chunk returns a sealed chunk in place, or nil.
func (t *tx) chunk(id BodyID, index uint32) []byte {
	return t.alone(bucketBodies, chunkID(id, index))
}

func (t *tx) bodyRecord(id BodyID) (bodyRecord, error) {
	v := t.get(bucketBodies, u64(uint64(id)))
	if v == nil {
		return bodyRecord{}, fmt.Errorf("body %d: %w", id, ErrNotFound)
	}
	r, err := decodeBodyRecord(v)
	if err != nil {
		return r, fmt.Errorf("body %d: %w", id, err)
	}
	return r, nil
}

func (t *tx) use(id BodyID) (bodyUse, error) {
	u, ok := t.bodies[id]
	if ok {
		return u, nil
	}
	r, err := t.bodyRecord(id)
	return bodyUse{record: r}, err
}

// putUse stores the record of a body and remembers it until settleBodies.
func (t *tx) putUse(id BodyID, u bodyUse) error {
	if t.bodies == nil {
		t.bodies = make(map[BodyID]bodyUse)
	}
	t.bodies[id] = u
	return t.put(bucketBodies, u64(uint64(id)), u.record.encode())
}

// refBody counts one reference more.
func (t *tx) refBody(id BodyID) (bodyRecord, error) {
	u, err := t.use(id)
	if err != nil {
		return bodyRecord{}, err
	}
	if u.record.refs == math.MaxUint32 {
		return bodyRecord{}, fmt.Errorf("body %d has too many references", id)
	}
	u.record.refs++
	return u.record, t.putUse(id, u)
}

// unrefBody counts one reference less. The body goes at the end of the
// transaction, so that a reference can move within one.
func (t *tx) unrefBody(id BodyID) error {
	u, err := t.use(id)
	if err != nil {
		return err
	}
	if u.record.refs == 0 {
		return fmt.Errorf("%w: body %d has more references than it counts", ErrCorrupt, id)
	}
	u.record.refs--
	return t.putUse(id, u)
}

// setRefs sets how many references a body has: without any it goes.
func (t *tx) setRefs(id BodyID, refs uint32) error {
	u, err := t.use(id)
	if err != nil {
		return err
	}
	u.record.refs = refs
	return t.putUse(id, u)
}

// settleBodies removes the bodies that lost their last reference, and refuses
// those that never had one.
func (t *tx) settleBodies() error {
	for id, u := range t.bodies {
		if u.record.refs > 0 {
			continue
		}
		if u.fresh {
			return fmt.Errorf("body %d was put without a reference to it", id)
		}
		err := t.removeBody(id, u.record)
		if err != nil {
			return fmt.Errorf("removing body %d: %w", id, err)
		}
	}
	return nil
}

// removeBody removes a record and few chunks at once; many chunks become loose
// and go step by step.
func (t *tx) removeBody(id BodyID, r bodyRecord) error {
	err := errors.Join(
		t.remove(bucketBodies, u64(uint64(id))),
		t.remove(bucketStructures, u64(uint64(id))))
	if err != nil {
		return err
	}
	if r.chunks() > cleanStep {
		t.then(func() { t.db.clean.addBody(id) })
		return t.put(bucketLoose, u64(uint64(id)), nil)
	}
	for i := range r.chunks() {
		err := t.removeChunk(chunkID(id, i))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) removeChunk(key []byte) error {
	if t.in(bucketBodies).Bucket(key) == nil {
		return fmt.Errorf("%w: a chunk is missing", ErrCorrupt)
	}
	return t.removeAlone(bucketBodies, key)
}
