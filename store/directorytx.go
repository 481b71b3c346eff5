package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"postern/internal/audit"
	"postern/mime"
)

// A keyRecord is a Key at rest.
type keyRecord struct {
	Key
	Sealed []byte `json:"sealed"`
}

// Generation implements DirectoryTx.
func (t *tx) Generation() (uint64, error) {
	v := t.get(bucketMeta, []byte(metaGeneration))
	if v == nil {
		return 0, nil
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("%w: the generation of the directory", ErrCorrupt)
	}
	return binary.BigEndian.Uint64(v), nil
}

func (t *tx) nextGeneration() error {
	n, err := t.Generation()
	if err != nil {
		return err
	}
	return t.put(bucketMeta, []byte(metaGeneration), u64(n+1))
}

// putDirectory and removeDirectory are the changes of the directory.
func (t *tx) putDirectory(bucket string, key []byte, record any) error {
	before := bytes.Clone(t.get(bucket, key))
	err := t.putRecord(bucket, key, record)
	if err != nil {
		return err
	}
	if after := t.get(bucket, key); !bytes.Equal(after, before) {
		t.left.is(bucket, key, audit.SumOf(after))
	}
	return t.nextGeneration()
}

func (t *tx) removeDirectory(bucket string, key []byte) error {
	if !t.writable {
		return ErrReadOnly
	}
	if !t.exists(bucket, key) {
		return ErrNotFound
	}
	err := t.remove(bucket, key)
	if err != nil {
		return err
	}
	t.left.gone(bucket, key)
	return t.nextGeneration()
}

// Domain implements DirectoryTx.
func (t *tx) Domain(name mime.Domain) (Domain, error) {
	d, err := getRow[Domain](t, bucketDomains, []byte(name))
	if err != nil {
		return Domain{}, fmt.Errorf("domain %s: %w", name, err)
	}
	return d, nil
}

// Domains implements DirectoryTx.
func (t *tx) Domains() ([]Domain, error) { return listRows(t, bucketDomains, nil, damagedDomain) }

// PutDomain implements DirectoryTx.
func (t *tx) PutDomain(d Domain) error {
	if d.Name == "" {
		return errors.New("a domain needs a name")
	}
	d.Created = d.Created.UTC()
	return t.putDirectory(bucketDomains, []byte(d.Name), d)
}

// RemoveDomain implements DirectoryTx.
func (t *tx) RemoveDomain(name mime.Domain) error {
	err := t.removeDirectory(bucketDomains, []byte(name))
	if err != nil {
		return fmt.Errorf("domain %s: %w", name, err)
	}
	err = t.removeKeys(func(owner string) bool {
		return owner == string(name) || strings.HasSuffix(owner, "@"+string(name))
	})
	if err != nil {
		return err
	}
	err = t.leaveDomain(name)
	if err != nil {
		return err
	}
	anchors, err := t.Anchors()
	if err != nil {
		return err
	}
	for _, a := range anchors {
		if a.Domain != name {
			continue
		}
		err := t.RemoveAnchor(a.Source, a.Domain, a.Fingerprint)
		if err != nil {
			return err
		}
	}
	err = t.dropEdge(string(name))
	if err != nil {
		return err
	}
	return t.detachBundles(name)
}

// removeKeys removes the keys of owners, and those that wait for a certificate.
// It opens none, so that one whose seal is damaged can be removed too.
func (t *tx) removeKeys(of func(owner string) bool) error {
	records, err := listRows(t, bucketKeys, nil, t.damagedKey)
	if err != nil {
		return err
	}
	for _, r := range records {
		if !of(r.Owner) {
			continue
		}
		err := t.RemoveKey(r.Fingerprint)
		if err != nil {
			return err
		}
	}
	return t.removeKeyRequests(of)
}

// Account implements DirectoryTx.
func (t *tx) Account(a mime.Address) (Account, error) {
	account, err := getRow[Account](t, bucketAccounts, []byte(a.Key()))
	if err != nil {
		return Account{}, fmt.Errorf("account %s: %w", a, err)
	}
	return account, nil
}

// Accounts implements DirectoryTx.
func (t *tx) Accounts() ([]Account, error) {
	return listRows(t, bucketAccounts, nil, damagedAccount)
}

// PutAccount implements DirectoryTx.
func (t *tx) PutAccount(a Account) error {
	if a.Address.IsZero() {
		return errors.New("an account needs an address")
	}
	if t.exists(bucketAliases, []byte(a.Address.Key())) {
		return fmt.Errorf("an alias %s: %w", a.Address, ErrExists)
	}
	err := checkSenders(a)
	if err != nil {
		return err
	}
	a.Era, err = t.accountEra(a)
	if err != nil {
		return err
	}
	a.Created = a.Created.UTC()
	err = t.putDirectory(bucketAccounts, []byte(a.Address.Key()), a)
	if err != nil {
		return err
	}
	_, err = t.CreateMailbox(a.Address, Inbox)
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// RemoveAccount implements DirectoryTx.
func (t *tx) RemoveAccount(a mime.Address) error {
	_, err := t.leaveAccount(a)
	if err != nil {
		return err
	}
	names, err := t.leaveAliases(a)
	if err != nil {
		return err
	}
	all := map[string]bool{a.Key(): true}
	for _, n := range names {
		all[n.Key()] = true
	}
	gone := func(name string) bool { return all[name] }
	err = errors.Join(
		t.removeDirectory(bucketAccounts, []byte(a.Key())),
		t.removeKeys(gone), t.withdrawSenders(gone),
		t.removeSentAs(func(s SentAs) bool { return s.Account.Same(a) }))
	if err != nil {
		return err
	}
	err = errors.Join(t.removeHooks(a), t.dropEdge(a.Key()), t.removeAccesses(a))
	if err != nil {
		return err
	}
	boxes, err := t.Mailboxes(a)
	if err != nil {
		return err
	}
	for _, m := range boxes {
		err := t.removeMailbox(m)
		if err != nil {
			return err
		}
	}
	return nil
}

// Key implements DirectoryTx.
func (t *tx) Key(f Fingerprint) (Key, error) {
	record, err := getRow[keyRecord](t, bucketKeys, f[:])
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", f, err)
	}
	return t.unsealKey(record)
}

// readKey is Key for a listing.
func (t *tx) readKey(r keyRecord) (Key, error) {
	k, err := t.unsealKey(r)
	if errors.Is(err, ErrCorrupt) {
		r.Damaged = true
		return r.Key, nil
	}
	return k, err
}

func (t *tx) unsealKey(r keyRecord) (Key, error) {
	pkcs8, err := t.db.ring.Load().openRecord(keyPurpose, r.Fingerprint[:], r.Sealed)
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", r.Fingerprint, err)
	}
	r.PKCS8 = pkcs8
	return r.Key, nil
}

// Keys implements DirectoryTx.
func (t *tx) Keys() ([]Key, error) {
	records, err := listRows(t, bucketKeys, nil, t.damagedKey)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(records))
	for _, r := range records {
		k, err := t.readKey(r)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// KeysOf implements DirectoryTx.
func (t *tx) KeysOf(owner string) ([]Key, error) {
	var keys []Key
	prefix := joined(strings.ToLower(owner), "")
	err := t.each(bucketKeyOwners, prefix, nil, func(k, _ []byte) (bool, error) {
		f, err := fingerprintAt(k, len(prefix))
		if err != nil {
			return false, err
		}
		r, err := getRow[keyRecord](t, bucketKeys, f[:])
		if errors.Is(err, ErrCorrupt) {
			r, err = keyRecord{Key: Key{Fingerprint: f, Owner: strings.ToLower(owner)}}, nil
		}
		if err != nil {
			return false, fmt.Errorf("key %s: %w", f, err)
		}
		key, err := t.readKey(r)
		keys = append(keys, key)
		return true, err
	})
	return keys, err
}

func fingerprintAt(key []byte, start int) (f Fingerprint, err error) {
	if copy(f[:], key[start:]) != len(key)-start || len(key)-start != len(f) {
		return f, fmt.Errorf("%w: an index of fingerprints", ErrCorrupt)
	}
	return f, nil
}

// PutKey implements DirectoryTx.
func (t *tx) PutKey(k Key) error {
	if !t.writable {
		return ErrReadOnly
	}
	k.Owner = strings.ToLower(k.Owner)
	err := checkText("the owner of a key", k.Owner)
	if err != nil {
		return err
	}
	if k.Owner == "" || FingerprintOf(k.Certificate) != k.Fingerprint {
		return errors.New("a key needs an owner and the fingerprint of its certificate")
	}
	k.Era, err = t.keyEra(k)
	if err != nil {
		return err
	}
	err = t.disown(k.Fingerprint)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	sealed, err := t.db.ring.Load().sealRecord(keyPurpose, k.Fingerprint[:], k.PKCS8)
	if err != nil {
		return fmt.Errorf("sealing a key: %w", err)
	}
	k.Created, k.Retired = k.Created.UTC(), k.Retired.UTC()
	err = t.put(bucketKeyOwners, ownerKey(k), nil)
	if err != nil {
		return err
	}
	return t.putDirectory(bucketKeys, k.Fingerprint[:], keyRecord{Key: k, Sealed: sealed})
}

// keyEra is that of a key which is stored: the one it has, or the present one.
func (t *tx) keyEra(k Key) (Era, error) {
	old, err := getRow[keyRecord](t, bucketKeys, k.Fingerprint[:])
	if err == nil && old.Owner == k.Owner {
		return old.Era, nil
	}
	return t.Era()
}

func ownerKey(k Key) []byte { return append(joined(k.Owner, ""), k.Fingerprint[:]...) }

// RemoveKey implements DirectoryTx.
func (t *tx) RemoveKey(f Fingerprint) error {
	err := t.disown(f)
	if err != nil {
		return fmt.Errorf("key %s: %w", f, err)
	}
	return t.removeDirectory(bucketKeys, f[:])
}

// disown takes a key out of the index of owners.
func (t *tx) disown(f Fingerprint) error {
	old, err := getRow[keyRecord](t, bucketKeys, f[:])
	if errors.Is(err, ErrCorrupt) {
		old, _ = t.damagedKey(f[:])
		err = nil
	}
	if err != nil {
		return err
	}
	return t.remove(bucketKeyOwners, ownerKey(old.Key))
}

// Anchors implements DirectoryTx.
func (t *tx) Anchors() ([]Anchor, error) {
	return listRows(t, bucketAnchors, nil, damagedAnchor)
}

// PutAnchor implements DirectoryTx.
func (t *tx) PutAnchor(a Anchor) error {
	err := errors.Join(checkText("the source of an anchor", a.Source), checkText("a domain", string(a.Domain)))
	if err != nil {
		return err
	}
	if a.Source == "" || FingerprintOf(a.Certificate) != a.Fingerprint {
		return errors.New("an anchor needs a source and the fingerprint of its certificate")
	}
	_, err = ParseDirection(string(a.Direction))
	if err != nil {
		return err
	}
	a.Created = a.Created.UTC()
	return t.putDirectory(bucketAnchors, anchorKey(a.Source, a.Domain, a.Fingerprint), a)
}

func anchorKey(source string, domain mime.Domain, f Fingerprint) []byte {
	return append(joined(source, string(domain), ""), f[:]...)
}

// RemoveAnchor implements DirectoryTx.
func (t *tx) RemoveAnchor(source string, domain mime.Domain, f Fingerprint) error {
	err := t.removeDirectory(bucketAnchors, anchorKey(source, domain, f))
	if err != nil {
		return fmt.Errorf("anchor %s of source %s: %w", f, source, err)
	}
	return nil
}
