package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// A keyring holds the data keys, unwrapped. It does not change while the store
// is open.
type keyring struct {
	keys   map[uint32][]byte
	active uint32 // seals what is new
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
func createKeyring(tx *bolt.Tx, master KeyWrapper) error {
	key := make([]byte, keySize)
	rand.Read(key)
	wrapped, err := master.Wrap(key)
	if err != nil {
		return fmt.Errorf("wrapping a data key: %w", err)
	}
	record, err := json.Marshal(wrappedKey{MasterKey: master.KeyID(), Wrapped: wrapped})
	if err != nil {
		return err
	}
	ring := keyring{keys: map[uint32][]byte{1: key}, active: 1}
	check, err := ring.sealRecord(checkPurpose, nil, []byte(checkValue))
	if err != nil {
		return err
	}
	meta := in(tx, bucketMeta)
	return errors.Join(
		in(tx, bucketDataKeys).Put(u32(1), record),
		meta.Put([]byte(metaActiveKey), u32(1)),
		meta.Put([]byte(metaCheck), check))
}

// readKeyring unwraps the data keys and proves by the check value that they are
// those of this store.
func readKeyring(tx *bolt.Tx, master KeyWrapper) (*keyring, error) {
	ring := &keyring{keys: make(map[uint32][]byte)}
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
