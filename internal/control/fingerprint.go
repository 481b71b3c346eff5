package control

import (
	"encoding/hex"
	"fmt"
	"strings"
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
