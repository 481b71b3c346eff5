package store

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// sealVersion is the version of everything in this file; it stands first in
// each sealed record and is bound into its key.
const sealVersion = 1

const (
	saltSize    = 16
	tagSize     = 16
	sealedStart = 1 + 4 + saltSize // version, data key id, salt
)

// A purpose keeps what is sealed for one use from being read as another.
type purpose string

const (
	bodyPurpose  purpose = "body"
	keyPurpose   purpose = "private key"
	checkPurpose purpose = "check"
)

// Parts of a sealed object. They are the last byte of the nonce.
const (
	partMiddle byte = iota // a chunk that others follow
	partLast               // the last chunk
	partHeader             // what is known when the last chunk is: the size
)

// A stream seals the chunks of one object in the STREAM way (Hoang, Reyhanitabar,
// Rogaway and Vizár 2015): the nonce counts the chunks and marks the last, so
// that none can be changed, moved, dropped or cut off unseen. The key is used
// for this object alone, which is why the nonce needs no random part.
type stream struct {
	aead cipher.AEAD
	aad  []byte
}

// newStream derives the key of the object named by id from a data key.
func newStream(key []byte, salt []byte, use purpose, id []byte) (*stream, error) {
	info := fmt.Sprintf("postern sealed %s, version %d", use, sealVersion)
	sub, err := hkdf.Key(sha256.New, key, salt, info, keySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	aead, err := newGCM(sub)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	return &stream{aead: aead, aad: append([]byte(info+"\x00"), id...)}, nil
}

func nonce(index uint32, part byte) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint32(n[7:], index)
	n[11] = part
	return n
}

// seal appends the sealed form of plain to dst. The same index and part must
// never be given another plain.
func (s *stream) seal(dst, plain []byte, index uint32, part byte) []byte {
	return s.aead.Seal(dst, nonce(index, part), plain, s.aad)
}

// open appends what was sealed to dst.
func (s *stream) open(dst, sealed []byte, index uint32, part byte) ([]byte, error) {
	plain, err := s.aead.Open(dst, nonce(index, part), sealed, s.aad)
	if err != nil {
		return nil, fmt.Errorf("%w: a sealed record was changed", ErrCorrupt)
	}
	return plain, nil
}

// headerTag authenticates header, which belongs to the object but is stored in
// the clear.
func (s *stream) headerTag(header []byte) []byte {
	return s.aead.Seal(nil, nonce(0, partHeader), nil, append(s.aad[:len(s.aad):len(s.aad)], header...))
}

func (s *stream) checkHeader(header, tag []byte) error {
	_, err := s.aead.Open(nil, nonce(0, partHeader), tag, append(s.aad[:len(s.aad):len(s.aad)], header...))
	if err != nil {
		return fmt.Errorf("%w: a sealed record was changed", ErrCorrupt)
	}
	return nil
}

func newSalt() []byte {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return salt
}

// sealRecord seals a small record in one piece.
func (k *keyring) sealRecord(use purpose, id, plain []byte) ([]byte, error) {
	salt := newSalt()
	s, err := newStream(k.keys[k.active], salt, use, id)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, sealedStart+len(plain)+tagSize)
	out = append(out, sealVersion)
	out = binary.BigEndian.AppendUint32(out, k.active)
	out = append(out, salt...)
	return s.seal(out, plain, 0, partLast), nil
}

// openRecord opens what sealRecord made.
func (k *keyring) openRecord(use purpose, id, sealed []byte) ([]byte, error) {
	if len(sealed) < sealedStart+tagSize {
		return nil, fmt.Errorf("%w: a sealed record is too short", ErrCorrupt)
	}
	if sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: a sealed record of unknown version %d", ErrCorrupt, sealed[0])
	}
	s, err := k.stream(binary.BigEndian.Uint32(sealed[1:]), sealed[5:sealedStart], use, id)
	if err != nil {
		return nil, err
	}
	return s.open(nil, sealed[sealedStart:], 0, partLast)
}
