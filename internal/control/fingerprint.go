package control

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"postern/store"
)

// shortestPrefix is how much of a fingerprint must be given, in digits.
const shortestPrefix = 8

// parsePrefix reads a SHA-256 fingerprint or the start of one, with or without
// colons.
func parsePrefix(text, list string) (string, error) {
	prefix := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	_, err := hex.DecodeString(prefix[:len(prefix)&^1])
	if err != nil || len(prefix) < shortestPrefix {
		return "", invalid(fmt.Errorf("%q is no fingerprint", text),
			fmt.Sprintf("give at least %d digits of the SHA-256 that %s shows", shortestPrefix, list))
	}
	return prefix, nil
}

// byPrefix returns those of all whose fingerprint begins so.
func byPrefix[T any](all []T, prefix string, of func(T) store.Fingerprint) []T {
	var found []T
	for _, one := range all {
		if strings.HasPrefix(of(one).String(), prefix) {
			found = append(found, one)
		}
	}
	return found
}

// onlyOne returns what was found if it is one, and missing if it is nothing.
func onlyOne[T any](found []T, missing *Error) (one T, err error) {
	switch len(found) {
	case 0:
		return one, missing
	case 1:
		return found[0], nil
	}
	return one, invalid(errors.New("several begin so"), "give more digits")
}
