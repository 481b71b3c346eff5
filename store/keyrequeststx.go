package store

import (
	"errors"
	"fmt"
	"strings"
)

// A keyRequestRecord is a KeyRequest at rest.
type keyRequestRecord struct {
	KeyRequest
	Sealed []byte `json:"sealed"`
}

// requestPurpose binds a sealed private key to this use of it.
const requestPurpose purpose = "key request"

// KeyRequest implements DirectoryTx.
func (t *tx) KeyRequest(id Fingerprint) (KeyRequest, error) {
	record, err := getRow[keyRequestRecord](t, bucketKeyRequests, id[:])
	if err != nil {
		return KeyRequest{}, fmt.Errorf("key request %s: %w", id, err)
	}
	return t.unsealRequest(record)
}

func (t *tx) unsealRequest(r keyRequestRecord) (KeyRequest, error) {
	pkcs8, err := t.db.ring.Load().openRecord(requestPurpose, r.ID[:], r.Sealed)
	if err != nil {
		return KeyRequest{}, fmt.Errorf("key request %s: %w", r.ID, err)
	}
	r.PKCS8 = pkcs8
	return r.KeyRequest, nil
}

// KeyRequests implements DirectoryTx.
func (t *tx) KeyRequests() ([]KeyRequest, error) {
	records, err := listRows(t, bucketKeyRequests, nil, damagedRequest)
	if err != nil {
		return nil, err
	}
	all := make([]KeyRequest, 0, len(records))
	for _, record := range records {
		r, err := t.unsealRequest(record)
		if errors.Is(err, ErrCorrupt) {
			r, err = record.KeyRequest, nil
			r.Damaged = true
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// PutKeyRequest implements DirectoryTx.
func (t *tx) PutKeyRequest(r KeyRequest) error {
	if !t.writable {
		return ErrReadOnly
	}
	r.Owner = strings.ToLower(r.Owner)
	err := checkText("the owner of a key request", r.Owner)
	if err != nil {
		return err
	}
	if r.Owner == "" || r.ID == (Fingerprint{}) || len(r.PKCS8) == 0 {
		return errors.New("a key request needs an id, an owner and a private key")
	}
	sealed, err := t.db.ring.Load().sealRecord(requestPurpose, r.ID[:], r.PKCS8)
	if err != nil {
		return fmt.Errorf("sealing the key of a request: %w", err)
	}
	r.Created = r.Created.UTC()
	return t.putDirectory(bucketKeyRequests, r.ID[:], keyRequestRecord{KeyRequest: r, Sealed: sealed})
}

// RemoveKeyRequest implements DirectoryTx.
func (t *tx) RemoveKeyRequest(id Fingerprint) error {
	err := t.removeDirectory(bucketKeyRequests, id[:])
	if err != nil {
		return fmt.Errorf("key request %s: %w", id, err)
	}
	return nil
}

// removeKeyRequests removes the requests of owners, as removeKeys does.
func (t *tx) removeKeyRequests(of func(owner string) bool) error {
	records, err := listRows(t, bucketKeyRequests, nil, damagedRequest)
	if err != nil {
		return err
	}
	for _, r := range records {
		if !of(r.Owner) {
			continue
		}
		err := t.RemoveKeyRequest(r.ID)
		if err != nil {
			return err
		}
	}
	return nil
}
