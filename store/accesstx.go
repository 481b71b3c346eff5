package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"postern/mime"
)

// An accessRecord is an Access at rest, with its keys sealed.
type accessRecord struct {
	Access
	Sealed []byte `json:"sealed,omitempty"` // ScramKeys; none of tokens and certificates
}

const (
	accessPurpose purpose = "access keys"
	loginPurpose  purpose = "login key"
)

// loginKeySize is that of LoginKey in octets.
const loginKeySize = 32

func accessKey(account mime.Address, id string) []byte { return joined(account.Key(), id) }

// Access implements AccessTx.
func (t *tx) Access(account mime.Address, id string) (Access, error) {
	record, err := getRow[accessRecord](t, bucketAccess, accessKey(account, id))
	if err != nil {
		return Access{}, fmt.Errorf("access %s of %s: %w", id, account, err)
	}
	return t.unsealAccess(record)
}

func (t *tx) unsealAccess(r accessRecord) (Access, error) {
	if len(r.Sealed) == 0 {
		return r.Access, nil
	}
	plain, err := t.db.ring.Load().openRecord(accessPurpose, accessKey(r.Account, r.ID), r.Sealed)
	if err == nil && json.Unmarshal(plain, &r.Keys) != nil {
		err = fmt.Errorf("%w: its keys", ErrCorrupt) // the decoder's words could tell of them
	}
	if err != nil {
		return Access{}, fmt.Errorf("access %s of %s: %w", r.ID, r.Account, err)
	}
	return r.Access, nil
}

// AccessesOf implements AccessTx.
func (t *tx) AccessesOf(account mime.Address) ([]Access, error) {
	return t.listAccesses(joined(account.Key(), ""))
}

// Accesses implements AccessTx.
func (t *tx) Accesses() ([]Access, error) { return t.listAccesses(nil) }

func (t *tx) listAccesses(prefix []byte) ([]Access, error) {
	records, err := listRows(t, bucketAccess, prefix, damagedAccess)
	if err != nil {
		return nil, err
	}
	var all []Access
	for _, r := range records {
		all = append(all, r.Access)
	}
	return all, nil
}

// PutAccess implements AccessTx.
func (t *tx) PutAccess(a Access) error {
	if !t.writable {
		return ErrReadOnly
	}
	err := checkText("the id of an access", a.ID)
	if err != nil {
		return err
	}
	if a.ID == "" || a.Account.IsZero() || a.Sum == (Fingerprint{}) || (a.ID == PasswordAccess) != (a.Kind == PasswordKind) {
		return errors.New("an access needs an id, an account, a kind and the sum of a secret")
	}
	if !t.exists(bucketAccounts, []byte(a.Account.Key())) {
		return fmt.Errorf("account %s: %w", a.Account, ErrNotFound)
	}
	err = t.checkAccessID(a)
	if err != nil {
		return err
	}
	key := accessKey(a.Account, a.ID)
	a.Created, a.Expires = a.Created.UTC(), a.Expires.UTC()
	record := accessRecord{Access: a}
	if len(a.Keys.StoredKey) > 0 {
		plain, err := json.Marshal(a.Keys)
		if err != nil {
			return errors.New("encoding the keys of an access")
		}
		record.Sealed, err = t.db.ring.Load().sealRecord(accessPurpose, key, plain)
		if err != nil {
			return fmt.Errorf("sealing the keys of an access: %w", err)
		}
	}
	return t.putDirectory(bucketAccess, key, record)
}

// checkAccessID keeps ids apart: a token names its own and no account.
func (t *tx) checkAccessID(a Access) error {
	if a.ID == PasswordAccess {
		return nil
	}
	all, err := t.Accesses()
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ID == a.ID && !other.Account.Same(a.Account) {
			return fmt.Errorf("an access %s of another account: %w", a.ID, ErrExists)
		}
	}
	return nil
}

// RemoveAccess implements AccessTx.
func (t *tx) RemoveAccess(account mime.Address, id string) error {
	key := accessKey(account, id)
	err := t.removeDirectory(bucketAccess, key)
	if err != nil {
		return fmt.Errorf("access %s of %s: %w", id, account, err)
	}
	return t.remove(bucketLastUse, key)
}

// removeAccesses removes all that lead into an account.
func (t *tx) removeAccesses(account mime.Address) error {
	all, err := t.AccessesOf(account) // also those that are damaged
	for _, a := range all {
		err = errors.Join(err, t.RemoveAccess(account, a.ID))
	}
	return errors.Join(err, t.remove(bucketLastUse, accessKey(account, PasswordAccess)))
}

// LastUse implements AccessTx.
func (t *tx) LastUse(account mime.Address, id string) (LastUse, error) {
	u, err := getRecord[LastUse](t, bucketLastUse, accessKey(account, id))
	if errors.Is(err, ErrNotFound) {
		return LastUse{}, nil
	}
	if err != nil {
		return LastUse{}, fmt.Errorf("the last use of %s of %s: %w", id, account, err)
	}
	return u, nil
}

// PutLastUse implements AccessTx.
func (t *tx) PutLastUse(account mime.Address, id string, u LastUse) error {
	key := accessKey(account, id)
	if id == PasswordAccess {
		if !t.exists(bucketAccounts, []byte(account.Key())) {
			return fmt.Errorf("account %s: %w", account, ErrNotFound)
		}
	} else if !t.exists(bucketAccess, key) {
		return fmt.Errorf("access %s of %s: %w", id, account, ErrNotFound)
	}
	u.At = u.At.UTC()
	return t.putRecord(bucketLastUse, key, u)
}

// LoginKey implements AccessTx.
func (t *tx) LoginKey() ([]byte, error) {
	sealed := t.get(bucketMeta, []byte(metaLoginKey))
	if sealed == nil && t.writable {
		return t.newLoginKey()
	}
	if sealed == nil {
		return nil, fmt.Errorf("the login key: %w", ErrNotFound)
	}
	key, err := t.db.ring.Load().openRecord(loginPurpose, nil, sealed)
	if err == nil && len(key) != loginKeySize {
		err = fmt.Errorf("%w: it has %d octets", ErrCorrupt, len(key))
	}
	if err != nil {
		return nil, fmt.Errorf("the login key: %w", err)
	}
	return key, nil
}

func (t *tx) newLoginKey() ([]byte, error) {
	key := make([]byte, loginKeySize)
	rand.Read(key) // never fails, as crypto/rand promises
	sealed, err := t.db.ring.Load().sealRecord(loginPurpose, nil, key)
	if err != nil {
		return nil, fmt.Errorf("sealing the login key: %w", err)
	}
	return key, t.put(bucketMeta, []byte(metaLoginKey), sealed)
}
