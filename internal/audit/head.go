package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// A Head is where the trail ends. It is kept apart from the trail under a key
// that only the holder of the master key has, so that a tail that was cut off,
// or a chain that was made anew, does not end where it says.
type Head struct {
	Number     uint64 // of the last entry; 0 before the first
	Hash       Hash   // of that entry
	Checkpoint uint64 // number of the last checkpoint; 0 before the first
	// State is of what is kept beside the trail, as it was when the head was sealed:
	// an end of an earlier time does not fit the rest. What goes into it is known to
	// who seals.
	State Hash
}

const (
	headVersion = 2
	headSize    = 1 + 8 + sha256.Size + 8 + sha256.Size
)

// ErrHead says that a head was not sealed with this key.
var ErrHead = errors.New("the end of the audit trail is not authentic")

// Seal returns the head with its HMAC-SHA-256 under key.
func (h Head) Seal(key []byte) []byte {
	out := make([]byte, 0, headSize+sha256.Size)
	out = append(out, headVersion)
	out = binary.BigEndian.AppendUint64(out, h.Number)
	out = append(out, h.Hash[:]...)
	out = binary.BigEndian.AppendUint64(out, h.Checkpoint)
	out = append(out, h.State[:]...)
	return append(out, headMAC(key, out)...)
}

// OpenHead reads what Seal wrote, and returns ErrHead for anything else.
func OpenHead(key, sealed []byte) (Head, error) {
	if len(sealed) != headSize+sha256.Size || sealed[0] != headVersion ||
		!hmac.Equal(sealed[headSize:], headMAC(key, sealed[:headSize])) {
		return Head{}, ErrHead
	}
	h := Head{
		Number:     binary.BigEndian.Uint64(sealed[1:]),
		Checkpoint: binary.BigEndian.Uint64(sealed[9+sha256.Size:]),
	}
	copy(h.Hash[:], sealed[9:])
	copy(h.State[:], sealed[headSize-sha256.Size:])
	return h, nil
}

func headMAC(key, head []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(head)
	return m.Sum(nil)
}
