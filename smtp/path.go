package smtp

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"

	"postern/mime"
)

// maxPath is the octets of a path with its angle brackets (RFC 5321 §4.5.3.1.3).
const maxPath = 256

var (
	errPath     = errors.New("not a path")
	errNotASCII = errors.New("a path outside of ASCII")
)

// A path is what stands in MAIL FROM:<> or RCPT TO:<> (RFC 5321 §4.1.2). The zero
// path is the null reverse-path.
type path struct {
	local   string // unquoted
	domain  string // as it was written; of <postmaster> none
	literal bool   // the domain is an address literal
	ascii   bool
}

// isPostmaster reports whether the path is <postmaster>, which needs no domain and
// has no case (RFC 5321 §4.1.1.3).
func (p path) isPostmaster() bool { return p.domain == "" && strings.EqualFold(p.local, "postmaster") }

// address is the Direct address of a path. A path may be as RFC 5321 has it and yet
// no Direct address: in a literal, or in a domain of one label (AS-2).
func (p path) address() (mime.Address, error) {
	if !p.ascii {
		return mime.Address{}, errNotASCII
	}
	d, err := mime.ParseDomain(p.domain)
	if err != nil {
		return mime.Address{}, err
	}
	return mime.NewAddress(p.local, d)
}

// cutPath reads a path at the beginning of s, and returns what stands behind it. A
// source route is read over (RFC 5321 §4.1.1.3 and appendix C).
func cutPath(s string) (p path, rest string, err error) {
	inside, rest, ok := cutBrackets(s)
	if !ok || len(inside)+2 > maxPath || !utf8.ValidString(inside) {
		return path{}, "", errPath
	}
	if inside == "" {
		return path{ascii: true}, rest, nil
	}
	inside, ok = withoutRoute(inside)
	if !ok {
		return path{}, "", errPath
	}
	p, err = parseMailbox(inside)
	return p, rest, err
}

// cutBrackets finds the end of a path, which a quoted local part may hold as a
// character of its own.
func cutBrackets(s string) (inside, rest string, ok bool) {
	if s == "" || s[0] != '<' {
		return "", "", false
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '>' && !quoted:
			return s[1:i], s[i+1:], true
		}
	}
	return "", "", false
}

// withoutRoute leaves out "@one.example,@two.example:".
func withoutRoute(s string) (string, bool) {
	if s[0] != '@' {
		return s, true
	}
	route, mailbox, ok := strings.Cut(s, ":")
	if !ok {
		return "", false
	}
	for hop := range strings.SplitSeq(route, ",") {
		if len(hop) < 2 || hop[0] != '@' || !isDomain(hop[1:]) {
			return "", false
		}
	}
	return mailbox, true
}

// parseMailbox reads Local-part "@" ( Domain / address-literal ), or the one local
// part that needs no domain.
func parseMailbox(s string) (path, error) {
	local, rest, ok := cutLocal(s)
	if !ok || local == "" || len(local) > mime.MaxLocalPart {
		return path{}, errPath
	}
	p := path{local: local, ascii: isASCII(s)}
	if rest == "" {
		if !p.isPostmaster() {
			return path{}, errPath
		}
		return p, nil
	}
	p.domain = rest[1:]
	p.literal = isLiteral(p.domain)
	if rest[0] != '@' || len(p.domain) > mime.MaxDomain || !p.literal && !isDomain(p.domain) {
		return path{}, errPath
	}
	return p, nil
}

// cutLocal reads a Dot-string or a Quoted-string, which it unquotes.
func cutLocal(s string) (local, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		end := strings.IndexByte(s, '@')
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], isDotString(s[:end])
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			return b.String(), s[i+1:], true
		}
		if c == '\\' {
			i++
			if i == len(s) {
				return "", "", false
			}
			c = s[i]
		}
		if c < ' ' || c == 0x7f {
			return "", "", false
		}
		b.WriteByte(c)
	}
	return "", "", false
}

// isDotString reports whether s is atoms with dots between them. Letters outside of
// ASCII are as good as any here (RFC 6531 §3.3).
func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.IndexFunc(atom, notAtext) >= 0 {
			return false
		}
	}
	return true
}

// notAtext reports what RFC 5322 §3.2.3 and RFC 6531 §3.3 leave out of atoms.
func notAtext(r rune) bool {
	switch {
	case r >= utf8.RuneSelf, 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// isDomain reports whether s is sub-domains with dots between them.
func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || strings.IndexFunc(label, notLabel) >= 0 {
			return false
		}
	}
	return true
}

func notLabel(r rune) bool {
	return r < utf8.RuneSelf && r != '-' && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
}

// isLiteral reports whether s is an address literal, of IPv4 or IPv6 (RFC 5321
// §4.1.3). Other kinds are not in use.
func isLiteral(s string) bool {
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ']' {
		return false
	}
	inside := s[1 : len(s)-1]
	if len(inside) > 5 && strings.EqualFold(inside[:5], "IPv6:") {
		a, err := netip.ParseAddr(inside[5:])
		return err == nil && a.Is6() && a.Zone() == ""
	}
	a, err := netip.ParseAddr(inside)
	return err == nil && a.Is4()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
