package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// A Row is what a deed left in one place of the store.
type Row struct {
	Name string // kind and identity, such as "account nurse@b.example"
	Is   *Sum   // of what is there now; nil if nothing is
}

// A Sum is the first half of a SHA-256. Each record of a message has some, so that it
// is short: who puts another row in the place of one needs a second preimage, against
// which 128 bits are enough.
type Sum [sha256.Size / 2]byte

// SumOf returns the sum of what is stored of a row.
func SumOf(stored []byte) Sum {
	hash := sha256.Sum256(stored)
	return Sum(hash[:])
}

// String writes 22 characters of base64 (RFC 4648 §5).
func (s Sum) String() string { return base64.RawURLEncoding.EncodeToString(s[:]) }

// nothing stands in the place of a sum where nothing is.
const nothing = "-"

// MarshalText writes the sum, or a hyphen, and the name behind a blank.
func (r Row) MarshalText() ([]byte, error) {
	is := nothing
	if r.Is != nil {
		is = r.Is.String()
	}
	return []byte(is + " " + r.Name), nil
}

// UnmarshalText reads what MarshalText writes.
func (r *Row) UnmarshalText(text []byte) error {
	is, name, _ := strings.Cut(string(text), " ")
	*r = Row{Name: name}
	if is == nothing {
		return nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(is)
	if err != nil || len(raw) != len(r.Is) {
		return errors.New("a row of an audit record begins with 22 characters of base64, or a hyphen")
	}
	sum := Sum(raw)
	r.Is = &sum
	return nil
}
