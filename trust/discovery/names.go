package discovery

import (
	"errors"
	"fmt"
	"strings"

	"postern/mime"
)

// errNoOwnName is for a local part that DNS cannot carry; the domain's
// certificate may still serve.
var errNoOwnName = errors.New("the local part cannot be a DNS name")

// AddressName returns the DNS name at which an address has its certificates,
// without the final dot: the local part's labels before the domain's (CD-1).
// Labels may hold every character of a dot-atom, since DNS carries any octet;
// local parts that would need more, or empty or long labels, have no name.
func AddressName(a mime.Address) (string, error) {
	local := a.Local()
	for _, label := range strings.Split(local, ".") {
		if label == "" || len(label) > 63 { // RFC 1035 §2.3.4
			return "", fmt.Errorf("%w: it has an empty or a long label", errNoOwnName)
		}
	}
	for i := 0; i < len(local); i++ {
		if local[i] != '.' && !isAtext(local[i]) {
			return "", fmt.Errorf("%w: it has a character outside of RFC 5322's atext", errNoOwnName)
		}
	}
	name := local + "." + a.Domain().String()
	if wireName(name) == "" {
		return "", fmt.Errorf("%w: with the domain it is too long", errNoOwnName)
	}
	return name, nil
}

// isAtext reports the characters of RFC 5322 §3.2.3. None of them has a meaning
// of its own in the text form of a name (RFC 1035 §5.1), but for the dot.
func isAtext(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
