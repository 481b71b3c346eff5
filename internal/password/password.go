// Package password keeps passwords as argon2id hashes (RFC 9106) in the PHC
// string format, and verifies them in bounded memory and in a time that does
// not tell whether an account exists.
package password

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Lengths of a password in bytes (NIST SP 800-63B §5.1.1.2 asks for at least 8
// characters). The upper bound is there for the work that hashing it takes.
const (
	MinLength = 8
	MaxLength = 1024
)

// Parameters of new hashes, as the OWASP Password Storage Cheat Sheet has them:
// 19 MiB, two passes, one lane.
const (
	hashMemory = 19 * 1024 // KiB
	hashPasses = 2
	hashLanes  = 1
	hashSalt   = 16 // bytes, RFC 9106 §3.1
	hashLength = 32 // bytes
)

// Errors of Check and Hash, and of Verify about a hash.
var (
	ErrShort      = fmt.Errorf("the password is too short: at least %d bytes are needed", MinLength)
	ErrLong       = fmt.Errorf("the password is too long: at most %d bytes are taken", MaxLength)
	ErrCharacters = errors.New("the password has characters that mail programs cannot send: no line ends, no NUL, UTF-8 only")
	ErrHash       = errors.New("the stored password hash is damaged: set a new password")
)

// Check says whether password may be a new password.
func Check(password []byte) error {
	if len(password) < MinLength {
		return ErrShort
	}
	if len(password) > MaxLength {
		return ErrLong
	}
	if !utf8.Valid(password) { // RFC 4616 §2
		return ErrCharacters
	}
	for _, c := range password {
		if c == 0 || c == '\r' || c == '\n' { // RFC 4616 §2; RFC 9051 §4.3, quoted strings
			return ErrCharacters
		}
	}
	return nil
}

// Hash returns the PHC string of a password that passes Check, with a salt read
// from rand.
func Hash(password []byte, rand io.Reader) (string, error) {
	err := Check(password)
	if err != nil {
		return "", err
	}
	h := phc{memory: hashMemory, passes: hashPasses, lanes: hashLanes, salt: make([]byte, hashSalt)}
	_, err = io.ReadFull(rand, h.salt)
	if err != nil {
		return "", fmt.Errorf("reading a salt: %w", err)
	}
	h.hash = h.derive(password, hashLength)
	return h.String(), nil
}

// Verify reports whether password is the one behind the PHC string. An empty
// string admits nobody. A string that is no hash of ours wraps ErrHash.
func Verify(stored string, password []byte) (bool, error) {
	if stored == "" || len(password) > MaxLength {
		return false, nil
	}
	h, err := parsePHC(stored)
	if err != nil {
		return false, err
	}
	return h.matches(password), nil
}

// matches compares in constant time.
func (h phc) matches(password []byte) bool {
	derived := h.derive(password, uint32(len(h.hash)))
	return subtle.ConstantTimeCompare(derived, h.hash) == 1
}

func (h phc) derive(password []byte, length uint32) []byte {
	return argon2.IDKey(password, h.salt, h.passes, h.memory, h.lanes, length)
}
