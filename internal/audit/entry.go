package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A Hash is the SHA-256 of an entry's stored octets. The zero Hash comes before
// the first entry.
type Hash [sha256.Size]byte

// HashOf returns the hash of an entry as it is stored.
func HashOf(stored []byte) Hash { return sha256.Sum256(stored) }

// String writes lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes what String writes.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (h *Hash) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(h) {
		return errors.New("a hash is 64 hexadecimal digits")
	}
	copy(h[:], raw)
	return nil
}

// An Entry is a record in its place in the trail.
type Entry struct {
	Number uint64 `json:"n"`    // from 1, without gaps
	Prev   Hash   `json:"prev"` // of the entry before
	Record
}

// MaxEntry bounds the stored octets of an entry. What Bound lets through is
// always below it.
const MaxEntry = 16 << 20

// Encode returns an entry as it is stored: one line of JSON without its end. The
// hash is over exactly these octets, and they are never encoded again, so that
// another version's encoder cannot break the chain.
func (e Entry) Encode() ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(e)
	if err != nil {
		return nil, fmt.Errorf("encoding an audit record: %w", err)
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n")), nil
}

// ParseEntry reads what Encode wrote. It knows every field: one that it does not
// know was not written by us.
func ParseEntry(stored []byte) (Entry, error) {
	var e Entry
	if len(stored) > MaxEntry {
		return e, fmt.Errorf("an audit record of %d octets", len(stored))
	}
	decoder := json.NewDecoder(bytes.NewReader(stored))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&e)
	if err == nil {
		_, err = decoder.Token()
		if err == io.EOF {
			return e, nil
		}
		err = errors.New("something follows it")
	}
	return Entry{}, fmt.Errorf("reading an audit record: %w", err)
}
