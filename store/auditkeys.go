package store

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"postern/internal/audit"
)

const (
	// auditPurpose binds the sealed signing key of checkpoints to this use of it.
	auditPurpose purpose = "audit key"
	// auditHeadInfo derives the key of the head's MAC from a data key.
	auditHeadInfo = "postern audit head, version 1"
)

// sealHead returns a head with the id of the data key that its MAC is under.
func (k *keyring) sealHead(head audit.Head) ([]byte, error) {
	key, err := k.headKey(k.active)
	if err != nil {
		return nil, err
	}
	return append(u32(k.active), head.Seal(key)...), nil
}

// openHead reads what sealHead made; errors are audit.ErrHead.
func (k *keyring) openHead(sealed []byte) (audit.Head, error) {
	if len(sealed) < 4 {
		return audit.Head{}, audit.ErrHead
	}
	key, err := k.headKey(binary.BigEndian.Uint32(sealed))
	if err != nil {
		return audit.Head{}, err
	}
	return audit.OpenHead(key, sealed[4:])
}

func (k *keyring) headKey(id uint32) ([]byte, error) {
	known, ok := k.heads.Load(id)
	if ok {
		return known.([]byte), nil
	}
	key, ok := k.keys[id]
	if !ok {
		return nil, audit.ErrHead
	}
	sub, err := hkdf.Key(sha256.New, key, nil, auditHeadInfo, keySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	k.heads.Store(id, sub)
	return sub, nil
}

// signingKey returns the key of the checkpoints, ErrNotFound while there is none.
func (t *tx) signingKey() (ed25519.PrivateKey, error) {
	sealed := t.get(bucketMeta, []byte(metaAuditKey))
	if sealed == nil {
		return nil, fmt.Errorf("the signing key of the audit trail: %w", ErrNotFound)
	}
	seed, err := t.db.ring.Load().openRecord(auditPurpose, nil, sealed)
	if err == nil && len(seed) != ed25519.SeedSize {
		err = fmt.Errorf("%w: it has %d octets", ErrCorrupt, len(seed))
	}
	if err != nil {
		return nil, fmt.Errorf("the signing key of the audit trail: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// needSigningKey makes the key when it is first needed.
func (t *tx) needSigningKey() (ed25519.PrivateKey, error) {
	key, err := t.signingKey()
	if !errors.Is(err, ErrNotFound) {
		return key, err
	}
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails, as crypto/rand promises
	sealed, err := t.db.ring.Load().sealRecord(auditPurpose, nil, seed)
	if err != nil {
		return nil, fmt.Errorf("sealing the signing key of the audit trail: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), t.put(bucketMeta, []byte(metaAuditKey), sealed)
}

// AuditKey implements AuditTx.
func (t *tx) AuditKey() (ed25519.PublicKey, error) {
	key, err := t.signingKey()
	if err != nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), nil
}
