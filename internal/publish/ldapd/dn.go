package ldapd

import (
	"encoding/hex"
	"errors"
	"strings"
)

// errDN is what parseDN returns for text that is not a DN.
var errDN = errors.New("not a distinguished name")

// A dnKey is a DN in a form that is equal for equal names: attributes by their
// canonical name, values folded, each RDN after a separator. The name of the root
// is "".
type dnKey string

const (
	rdnSeparator = "\x00" // ends each RDN; in no value, see parseDN
	otherForm    = "\x01" // stands for forms that no entry here has in its name
)

// under reports whether k is base or below it.
func (k dnKey) under(base dnKey) bool {
	return strings.HasSuffix(string(rdnSeparator+k), string(rdnSeparator+base))
}

// depth is the number of RDNs.
func (k dnKey) depth() int { return strings.Count(string(k), rdnSeparator) }

// parseDN reads a DN (RFC 4514 §3). Spaces around separators are taken as RFC
// 2253 §4 tells.
func parseDN(s string) (dnKey, error) {
	if strings.Trim(s, " ") == "" {
		return "", nil
	}
	var key strings.Builder
	for more := true; more; {
		kind, rest, found := strings.Cut(s, "=")
		kind = fold(kind)
		if !found || !isAttributeType(kind) {
			return "", errDN
		}
		var value string
		var err error
		value, s, more, err = parseValue(rest)
		if err != nil {
			return "", err
		}
		name := canonical(kind)
		if name == "" {
			name = kind
		}
		key.WriteString(name + "=" + fold(value) + rdnSeparator)
	}
	return dnKey(key.String()), nil
}

// isAttributeType reports whether s, in lower case, is a descr or a numericoid
// (RFC 4512 §1.4), more or less.
func isAttributeType(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return false
		}
	}
	return s != ""
}

// parseValue reads an attribute value, unescaped, and what follows it; more says
// that this is another RDN.
func parseValue(s string) (value, rest string, more bool, err error) {
	var b strings.Builder
	if strings.HasPrefix(strings.TrimLeft(s, " "), "#") {
		b.WriteString(otherForm) // a value in hexadecimal BER
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ',':
			return b.String(), s[i+1:], true, nil
		case '+':
			b.WriteString(otherForm) // an RDN of several attributes
		case '"', ';', '<', '>', 0, 1:
			return "", "", false, errDN
		case '\\':
			raw, n, err := unescape(s[i+1:])
			if err != nil {
				return "", "", false, err
			}
			b.WriteByte(raw)
			i += n
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", false, nil
}

// unescape reads what follows a backslash and says how many octets it took.
func unescape(s string) (byte, int, error) {
	if s == "" {
		return 0, 0, errDN
	}
	if strings.IndexByte(`"+,;<>\ #=`, s[0]) >= 0 {
		return s[0], 1, nil
	}
	if len(s) < 2 {
		return 0, 0, errDN
	}
	raw, err := hex.DecodeString(s[:2])
	if err != nil || raw[0] <= 1 {
		return 0, 0, errDN
	}
	return raw[0], 2, nil
}
