package smtp

import (
	"errors"
	"slices"
	"strings"
)

// Bounds of the values of parameters, in octets (RFC 3461 §4.2, §4.4; RFC 4954 §5).
const (
	maxEnvelopeID = 100
	maxOriginal   = 500
	maxAuthParam  = 500
)

// A param is a parameter of MAIL or RCPT (RFC 5321 §4.1.2).
type param struct {
	key   string // in upper case
	value string // "" without one
}

var errParams = errors.New("not parameters")

// parseParams reads what stands behind a path. None may stand twice.
func parseParams(s string) ([]param, error) {
	if s != "" && s[0] != ' ' {
		return nil, errParams
	}
	var all []param
	for _, word := range strings.Fields(s) {
		key, value, valued := strings.Cut(word, "=")
		p := param{strings.ToUpper(key), value}
		again := slices.ContainsFunc(all, func(q param) bool { return q.key == p.key })
		if !isKeyword(key) || again || valued && (value == "" || strings.IndexFunc(value, notValue) >= 0) {
			return nil, errParams
		}
		all = append(all, p)
	}
	return all, nil
}

func isKeyword(s string) bool {
	if s == "" || s[0] == '-' {
		return false
	}
	return strings.IndexFunc(s, notLabel) < 0 && isASCII(s)
}

func notValue(r rune) bool { return r <= ' ' || r == '=' || r == 0x7f }

// fromXtext reads a text in which "+" and two digits stand for an octet (RFC 3461
// §4). What it stands for must be printable ASCII.
func fromXtext(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			if i+2 >= len(s) {
				return "", false
			}
			high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			c = byte(high<<4 | low)
			i += 2
		}
		if c < ' ' || c > '~' {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// hexDigit is the value of a digit, which stands in upper case, or -1.
func hexDigit(c byte) int { return strings.IndexByte("0123456789ABCDEF", c) }

// isAuthParam reports whether a value is what AUTH= takes: <> or a mailbox, as xtext.
// Who a client says has written a message is read over: it is not believed (RFC 4954
// §5).
func isAuthParam(value string) bool {
	s, ok := fromXtext(value)
	return ok && s != "" && len(value) <= maxAuthParam
}

// A Notify says of what a sender wants to be told of a recipient (RFC 3461 §4.1).
// The zero Notify leaves it to the server.
type Notify uint8

// What NOTIFY= lists. NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

// Wants reports whether the sender is to be told of events of a kind; of those that
// he said nothing about he is told of failures and delays.
func (n Notify) Wants(kind Notify) bool {
	if n == 0 {
		return kind&(NotifyFailure|NotifyDelay) != 0
	}
	return n&kind != 0
}

func parseNotify(s string) (Notify, bool) {
	kinds := map[string]Notify{"NEVER": NotifyNever, "SUCCESS": NotifySuccess, "FAILURE": NotifyFailure, "DELAY": NotifyDelay}
	var n Notify
	for word := range strings.SplitSeq(strings.ToUpper(s), ",") {
		kind, ok := kinds[word]
		if !ok || n&kind != 0 {
			return 0, false
		}
		n |= kind
	}
	return n, n&NotifyNever == 0 || n == NotifyNever
}

// parseOriginal reads the address that a recipient was first written to, as in
// "rfc822;bob@b.example" (RFC 3461 §4.2), and returns it decoded.
func parseOriginal(s string) (string, bool) {
	kind, text, ok := strings.Cut(s, ";")
	if !ok || len(s) > maxOriginal || !isKeyword(kind) {
		return "", false
	}
	text, ok = fromXtext(text)
	return kind + ";" + text, ok && text != ""
}
