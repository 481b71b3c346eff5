package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"
)

// A keyring holds the data keys, unwrapped. They are never changed: Rotate puts
// another in its place, which opens all that this one does.
type keyring struct {
	master KeyWrapper // that the data keys are wrapped by
	keys   map[uint32][]byte
	active uint32   // seals what is new
	heads  sync.Map // the keys derived by headKey so far, by the id of their data key
}

// A wrappedKey is a data key as it is stored.
type wrappedKey struct {
	MasterKey string `json:"master_key"` // id of the master key
	Wrapped   []byte `json:"wrapped"`
}

const checkValue = "postern store"

// stream returns the stream of an object sealed under the data key of an id.
func (k *keyring) stream(keyID uint32, salt []byte, use purpose, id []byte) (*stream, error) {
	key, ok := k.keys[keyID]
	if !ok {
		return nil, fmt.Errorf("%w: a record is sealed under the unknown data key %d", ErrCorrupt, keyID)
	}
	return newStream(key, salt, use, id)
}

// createKeyring puts the first data key and the check value into a new store.
func createKeyring(tx *bolt.Tx, master KeyWrapper) (*keyring, error) {
	ring := &keyring{master: master, keys: map[uint32][]byte{1: newDataKey()}, active: 1}
	return ring, writeKeyring(ring, in(tx, bucketDataKeys).Put, in(tx, bucketMeta).Put)
}

func newDataKey() []byte {
	key := make([]byte, keySize)
	rand.Read(key)
	return key
}

// writeKeyring puts every data key, wrapped by the master key of the ring, and
// what goes with them.
func writeKeyring(ring *keyring, putKey, putMeta func(k, v []byte) error) error {
	for id, key := range ring.keys {
		wrapped, err := ring.master.Wrap(key)
		if err != nil {
			return fmt.Errorf("wrapping a data key: %w", err)
		}
		record, err := json.Marshal(wrappedKey{MasterKey: ring.master.KeyID(), Wrapped: wrapped})
		if err != nil {
			return err
		}
		err = putKey(u32(id), record)
		if err != nil {
			return err
		}
	}
	check, err := ring.sealRecord(checkPurpose, nil, []byte(checkValue))
	if err != nil {
		return err
	}
	return errors.Join(putMeta([]byte(metaActiveKey), u32(ring.active)), putMeta([]byte(metaCheck), check))
}

// readKeyring unwraps the data keys and proves by the check value that they are
// those of this store.
func readKeyring(tx *bolt.Tx, master KeyWrapper) (*keyring, error) {
	ring := &keyring{master: master, keys: make(map[uint32][]byte)}
	err := in(tx, bucketDataKeys).ForEach(func(k, v []byte) error {
		key, err := unwrapKey(master, v)
		if err != nil {
			return err
		}
		if len(k) != 4 {
			return fmt.Errorf("%w: the id of a data key has %d bytes", ErrCorrupt, len(k))
		}
		ring.keys[binary.BigEndian.Uint32(k)] = key
		return nil
	})
	if err != nil {
		return nil, err
	}
	meta := in(tx, bucketMeta)
	active := meta.Get([]byte(metaActiveKey))
	if len(active) != 4 || ring.keys[binary.BigEndian.Uint32(active)] == nil {
		return nil, fmt.Errorf("%w: the active data key is missing", ErrCorrupt)
	}
	ring.active = binary.BigEndian.Uint32(active)
	check, err := ring.openRecord(checkPurpose, nil, meta.Get([]byte(metaCheck)))
	if err != nil || string(check) != checkValue {
		return nil, fmt.Errorf("%w: the check value does not open", ErrMasterKey)
	}
	return ring, nil
}

func unwrapKey(master KeyWrapper, record []byte) ([]byte, error) {
	var w wrappedKey
	err := json.Unmarshal(record, &w)
	if err != nil {
		return nil, fmt.Errorf("%w: reading a data key: %v", ErrCorrupt, err)
	}
	key, err := master.Unwrap(w.MasterKey, w.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterKey, err)
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("%w: a data key has %d bytes", ErrMasterKey, len(key))
	}
	return key, nil
}
