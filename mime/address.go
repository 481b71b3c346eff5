package mime

import (
	"errors"
	"fmt"
	"strings"
)

// Size limits of RFC 5321 §4.5.3.1, in octets.
const (
	MaxLocalPart = 64
	MaxDomain    = 255
	MaxAddress   = 254 // a path of 256 less its angle brackets
)

// ErrAddress is wrapped by every error of ParseAddress and ParseDomain.
var ErrAddress = errors.New("not a Direct address")

// A Domain is a fully qualified DNS name in lower case, without a final dot
// (a Health Domain Name, AS-2). The zero Domain is no domain.
type Domain string

// String returns the domain as it is written in an address.
func (d Domain) String() string { return string(d) }

// ParseDomain reads a DNS name of at least two labels of letters, digits and
// hyphens (RFC 1123 §2.1; underscores are refused) and folds it to lower case.
func ParseDomain(s string) (Domain, error) {
	name := strings.TrimSuffix(s, ".")
	if name == "" {
		return "", fmt.Errorf("%w: the domain is missing", ErrAddress)
	}
	if len(name) > MaxDomain {
		return "", fmt.Errorf("%w: the domain is longer than %d octets", ErrAddress, MaxDomain)
	}
	labels := strings.Split(name, ".")
	if len(labels) < 2 {
		return "", fmt.Errorf("%w: %q is not a fully qualified domain", ErrAddress, name)
	}
	for _, label := range labels {
		if !validLabel(label) {
			return "", fmt.Errorf("%w: %q is not a domain name", ErrAddress, name)
		}
	}
	return Domain(strings.ToLower(name)), nil
}

func validLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// An Address is a Direct address, an RFC 5322 addr-spec. It is comparable with
// ==, which is case-sensitive in the local part; Same and Key are not.
// The zero Address stands for the null reverse-path <> of RFC 5321.
type Address struct {
	local  string // unquoted, in the case it came in (AS-5)
	domain Domain
}

// ParseAddress reads an addr-spec: a dot-atom or quoted-string local part, an
// at sign and a domain. Display names, angle brackets, comments, routes and
// domain literals are refused, as is anything outside ASCII.
func ParseAddress(s string) (Address, error) {
	if len(s) > MaxAddress+2 {
		return Address{}, fmt.Errorf("%w: longer than %d octets", ErrAddress, MaxAddress)
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return Address{}, fmt.Errorf("%w: %q has no @ and domain", ErrAddress, s)
	}
	local, err := parseLocal(s[:at])
	if err != nil {
		return Address{}, err
	}
	domain, err := ParseDomain(s[at+1:])
	if err != nil {
		return Address{}, err
	}
	return Address{local: local, domain: domain}, nil
}

// NewAddress joins an unquoted local part and a domain.
func NewAddress(local string, domain Domain) (Address, error) {
	err := checkLocal(local)
	if err != nil {
		return Address{}, err
	}
	d, err := ParseDomain(string(domain))
	if err != nil {
		return Address{}, err
	}
	return Address{local: local, domain: d}, nil
}

func parseLocal(s string) (string, error) {
	if len(s) < 2 || s[0] != '"' {
		if !isDotAtom(s) {
			return "", fmt.Errorf("%w: %q is not a local part", ErrAddress, s)
		}
		return s, checkLocal(s)
	}
	if s[len(s)-1] != '"' {
		return "", fmt.Errorf("%w: unfinished quoted local part", ErrAddress)
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		switch s[i] {
		case '"':
			return "", fmt.Errorf("%w: stray quote in the local part", ErrAddress)
		case '\\':
			i++
			if i == len(s)-1 {
				return "", fmt.Errorf("%w: unfinished quoted local part", ErrAddress)
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), checkLocal(b.String())
}

func checkLocal(s string) error {
	if s == "" {
		return fmt.Errorf("%w: the local part is missing", ErrAddress)
	}
	if len(s) > MaxLocalPart {
		return fmt.Errorf("%w: the local part is longer than %d octets", ErrAddress, MaxLocalPart)
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return fmt.Errorf("%w: the local part has an octet that is not printable ASCII", ErrAddress)
		}
	}
	return nil
}

// isDotAtom reports whether s is a dot-atom-text of RFC 5322 §3.2.3.
func isDotAtom(s string) bool {
	dot := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0) {
			return false
		}
		dot = false
	}
	return !dot
}

// Local returns the local part, unquoted, in the case it came in.
func (a Address) Local() string { return a.local }

// Domain returns the domain in lower case.
func (a Address) Domain() Domain { return a.domain }

// IsZero reports whether a is the null address.
func (a Address) IsZero() bool { return a == Address{} }

// String returns the addr-spec, quoted where RFC 5322 needs it, and "" for the
// null address.
func (a Address) String() string {
	if a.IsZero() {
		return ""
	}
	if isDotAtom(a.local) {
		return a.local + "@" + string(a.domain)
	}
	q := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(a.local)
	return `"` + q + `"@` + string(a.domain)
}

// Key returns the form under which addresses are compared and stored: the
// addr-spec in lower case (AS-4).
func (a Address) Key() string { return strings.ToLower(a.String()) }

// Same reports whether a and b are one address without regard to case (AS-4).
func (a Address) Same(b Address) bool { return a.Key() == b.Key() }

// MarshalText writes the addr-spec; the null address is the empty text.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	parsed, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
