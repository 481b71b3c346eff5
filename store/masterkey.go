package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A KeyWrapper keeps the master key. Data keys are wrapped by it and stored
// beside what they seal, so that a change of the master key wraps them anew
// and touches no body.
type KeyWrapper interface {
	// KeyID names the master key that Wrap uses. It is stored in the clear.
	KeyID() string
	// Wrap seals a data key of 32 bytes.
	Wrap(key []byte) ([]byte, error)
	// Unwrap opens what Wrap made under the master key of that id. It fails
	// for another key id and for changed bytes.
	Unwrap(keyID string, wrapped []byte) ([]byte, error)
}

// A MasterKey is a KeyWrapper with the key in memory.
type MasterKey struct{ key [keySize]byte }

const (
	keySize         = 32 // AES-256
	masterKeyPrefix = "postern-master-key-1:"
	wrapLabel       = "postern wrapped data key, version 1"
)

// NewMasterKey returns a new random master key.
func NewMasterKey() *MasterKey {
	k := new(MasterKey)
	rand.Read(k.key[:]) // never fails, as crypto/rand promises
	return k
}

// FileMasterKey reads a master key that WriteMasterKey wrote. A file that
// everybody may read, or the group may change, is refused.
func FileMasterKey(path string) (*MasterKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	if info.Mode().Perm()&0o027 != 0 {
		return nil, fmt.Errorf("the master key %s has mode %04o: run chmod 600", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	k, err := parseMasterKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// parseMasterKey never quotes what it read: it may be a key.
func parseMasterKey(text string) (*MasterKey, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), masterKeyPrefix)
	if !ok {
		return nil, fmt.Errorf("not a master key file: it must begin with %q", masterKeyPrefix)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != keySize {
		return nil, fmt.Errorf("not a master key file: %d bytes in base64 are expected", keySize)
	}
	k := new(MasterKey)
	copy(k.key[:], raw)
	return k, nil
}

// WriteMasterKey writes k to a new file of mode 0600. It never replaces a file:
// a lost master key is a lost store.
func WriteMasterKey(path string, k *MasterKey) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the master key: %w", err)
	}
	_, err = f.WriteString(masterKeyPrefix + base64.StdEncoding.EncodeToString(k.key[:]) + "\n")
	err = errors.Join(err, f.Sync(), f.Close(), giveAway(path))
	if err != nil {
		return fmt.Errorf("writing the master key: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// KeyID is a digest of the key, which tells keys apart and nothing else.
func (k *MasterKey) KeyID() string {
	sum := sha256.Sum256(append([]byte("postern master key id\x00"), k.key[:]...))
	return hex.EncodeToString(sum[:8])
}

// Wrap seals with AES-256-GCM under a random nonce.
func (k *MasterKey) Wrap(key []byte) ([]byte, error) {
	aead, err := newGCM(k.key[:])
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(key)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, key, []byte(wrapLabel)), nil
}

// Unwrap opens what Wrap sealed.
func (k *MasterKey) Unwrap(keyID string, wrapped []byte) ([]byte, error) {
	if keyID != k.KeyID() {
		return nil, fmt.Errorf("the store is sealed for master key %s, this is %s", keyID, k.KeyID())
	}
	aead, err := newGCM(k.key[:])
	if err != nil {
		return nil, err
	}
	if len(wrapped) < aead.NonceSize() {
		return nil, errors.New("the wrapped data key is too short")
	}
	nonce, sealed := wrapped[:aead.NonceSize()], wrapped[aead.NonceSize():]
	return aead.Open(nil, nonce, bytes.Clone(sealed), []byte(wrapLabel))
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// syncDir makes a new name in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing the directory: %w", err)
	}
	err = errors.Join(d.Sync(), d.Close())
	if err != nil {
		return fmt.Errorf("syncing the directory %s: %w", dir, err)
	}
	return nil
}
