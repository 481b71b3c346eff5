package store

import (
	"bytes"
	"errors"
	"fmt"

	"postern/mime"
)

// A row is a record of the directory, which says itself what key it stands under. One that
// stands under another is damaged like one that cannot be decoded.
type row interface{ rowKey() []byte }

func (d Domain) rowKey() []byte           { return []byte(d.Name) }
func (a Account) rowKey() []byte          { return []byte(a.Address.Key()) }
func (a Alias) rowKey() []byte            { return []byte(a.Address.Key()) }
func (s SentAs) rowKey() []byte           { return []byte(s.Address.Key()) }
func (a Anchor) rowKey() []byte           { return anchorKey(a.Source, a.Domain, a.Fingerprint) }
func (b Bundle) rowKey() []byte           { return []byte(b.Name) }
func (r accessRecord) rowKey() []byte     { return accessKey(r.Account, r.ID) }
func (r hookRecord) rowKey() []byte       { return hookKey(r.Account, r.ID) }
func (r edgeRecord) rowKey() []byte       { return []byte(r.Owner) }
func (r keyRecord) rowKey() []byte        { return r.Fingerprint[:] }
func (r keyRequestRecord) rowKey() []byte { return r.ID[:] }

// getRow returns ErrNotFound when there is none, and ErrCorrupt when it is damaged.
func getRow[T row](t *tx, bucket string, key []byte) (T, error) {
	value := t.get(bucket, key)
	if value == nil {
		var zero T
		return zero, ErrNotFound
	}
	return decodeRow[T](bucket, key, value)
}

func decodeRow[T row](bucket string, key, value []byte) (T, error) {
	var none T
	r, err := decodeRecord[T](bucket, value)
	switch {
	case err != nil:
		return none, err
	case !bytes.Equal(r.rowKey(), key):
		return none, fmt.Errorf("%w: a record of %s stands under another name", ErrCorrupt, bucket)
	}
	return r, nil
}

// listRows returns the rows whose keys begin with prefix, in order. In the place of one
// that is damaged is what is said of it by its key: one bit must not stop what the others
// are for. Where that says nothing, it is of nobody.
func listRows[T row](t *tx, bucket string, prefix []byte, damaged func(key []byte) (T, bool)) ([]T, error) {
	var all []T
	err := t.each(bucket, prefix, nil, func(k, v []byte) (bool, error) {
		r, err := decodeRow[T](bucket, k, v)
		known := true
		if errors.Is(err, ErrCorrupt) {
			r, known = damaged(bytes.Clone(k))
			err = nil
		}
		if known {
			all = append(all, r)
		}
		return true, err
	})
	return all, err
}

// namedRow reads a key of an address and an id.
func namedRow(key []byte) (account mime.Address, id string, ok bool) {
	text, rest, found := bytes.Cut(key, []byte{0})
	account, err := mime.ParseAddress(string(text))
	return account, string(rest), found && err == nil
}

// damagedDomain is one that is ours for its key.
func damagedDomain(key []byte) (Domain, bool) {
	name, err := mime.ParseDomain(string(key))
	return Domain{Name: name, Damaged: true}, err == nil
}

// damagedAccount is one that nobody gets into, and that nobody speaks for.
func damagedAccount(key []byte) (Account, bool) {
	a, err := mime.ParseAddress(string(key))
	return Account{Address: a, Disabled: true, Patient: true, CertificateRequired: true, Damaged: true}, err == nil
}

func damagedAlias(key []byte) (Alias, bool) {
	a, err := mime.ParseAddress(string(key))
	return Alias{Address: a, Damaged: true}, err == nil
}

func damagedAccess(key []byte) (accessRecord, bool) {
	account, id, ok := namedRow(key)
	a := Access{Account: account, ID: id, Damaged: true}
	if id == PasswordAccess {
		a.Kind = PasswordKind
	}
	return accessRecord{Access: a}, ok
}

func damagedHook(key []byte) (hookRecord, bool) {
	account, id, ok := namedRow(key)
	return hookRecord{Hook: Hook{Account: account, ID: id, Disabled: HookDamaged}}, ok
}

func damagedEdge(key []byte) (edgeRecord, bool) {
	return edgeRecord{Edge: Edge{Owner: string(key), Damaged: true}}, true
}

func damagedBundle(key []byte) (Bundle, bool) {
	return Bundle{Name: string(key), Damaged: true}, CheckBundleName(string(key)) == nil
}

// damagedAnchor is one of no direction and without a certificate, which nothing is
// believed for.
func damagedAnchor(key []byte) (Anchor, bool) {
	parts := bytes.SplitN(key, []byte{0}, 3)
	if len(parts) != 3 {
		return Anchor{}, false
	}
	a := Anchor{Source: string(parts[0]), Domain: mime.Domain(parts[1]), Damaged: true}
	f, err := fingerprintAt(parts[2], 0)
	a.Fingerprint = f
	return a, err == nil
}

// damagedKey finds out whose it is by the index of owners.
func (t *tx) damagedKey(key []byte) (keyRecord, bool) {
	f, err := fingerprintAt(key, 0)
	if err != nil {
		return keyRecord{}, false
	}
	k := Key{Fingerprint: f, Damaged: true}
	err = t.each(bucketKeyOwners, nil, nil, func(indexed, _ []byte) (bool, error) {
		owner, whose, _ := bytes.Cut(indexed, []byte{0})
		if bytes.Equal(whose, key) {
			k.Owner = string(owner)
		}
		return k.Owner == "", nil
	})
	return keyRecord{Key: k}, err == nil
}

func damagedRequest(key []byte) (keyRequestRecord, bool) {
	f, err := fingerprintAt(key, 0)
	return keyRequestRecord{KeyRequest: KeyRequest{ID: f, Damaged: true}}, err == nil
}
