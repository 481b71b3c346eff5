package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// A RequestKey names a request that may come again.
type RequestKey [sha256.Size]byte

// NewRequestKey names the request of an account by the key that its client gave it.
// Whoever has the address later has no part in it.
func NewRequestKey(account Account, key string) RequestKey {
	h := sha256.New()
	var n [8]byte
	for _, s := range []string{account.Address.Key(), key} {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	if account.Era != 0 { // of earlier versions none has it
		binary.BigEndian.PutUint64(n[:], uint64(account.Era))
		h.Write(n[:])
	}
	return RequestKey(h.Sum(nil))
}

// A Request is one that was answered, with what makes the answer once more.
type Request struct {
	Digest    Fingerprint `json:"digest"` // SHA-256 of what was asked
	At        time.Time   `json:"at"`     // by Steady
	Track     TrackID     `json:"track"`  // of the message that was taken
	MessageID string      `json:"message_id"`
}

// RequestTx holds the requests that are known when they come again. None of it is
// part of the directory's generation.
type RequestTx interface {
	// Request returns a request, or ErrNotFound.
	Request(k RequestKey) (Request, error)
	// PutRequest remembers a request, in place of an earlier one of its key.
	PutRequest(k RequestKey, r Request) error
	// ForgetRequests forgets requests from before a time, the oldest first and at
	// most so many, and returns how many they were.
	ForgetRequests(before time.Time, most int) (int, error)
}
