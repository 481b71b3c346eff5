package mime

import (
	"fmt"
	stdmime "mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// EncodeText writes text as the value of an unstructured header field, such as
// Subject: as it is if it is printable ASCII and no encoded word by accident, else in
// encoded words of UTF-8 (RFC 2047 §5). A control character, which could begin
// another field, and what is no UTF-8 are errors wrapping ErrHeader.
func EncodeText(s string) (string, error) {
	err := checkWords(s)
	if err != nil {
		return "", err
	}
	if strings.Contains(s, "=?") {
		// The encoder leaves ASCII alone: what looks like a word must not become one.
		return encodeAll(s), nil
	}
	return stdmime.QEncoding.Encode("utf-8", s), nil
}

// encodeAll encodes every octet, in words of at most 75 characters (RFC 2047 §2).
func encodeAll(s string) string {
	const room = 75 - len("=?utf-8?q??=")
	var words []string
	var b strings.Builder
	for _, r := range s {
		var encoded strings.Builder
		for _, c := range []byte(string(r)) {
			fmt.Fprintf(&encoded, "=%02X", c)
		}
		if b.Len()+encoded.Len() > room {
			words = append(words, b.String())
			b.Reset()
		}
		b.WriteString(encoded.String())
	}
	words = append(words, b.String())
	return "=?utf-8?q?" + strings.Join(words, "?= =?utf-8?q?") + "?="
}

// EncodeMailbox writes an address with the name of its owner, which may be empty,
// for a field of addresses (RFC 5322 §3.4). The errors are those of EncodeText.
func EncodeMailbox(name string, a Address) (string, error) {
	if name == "" {
		return a.String(), nil
	}
	err := checkWords(name)
	if err != nil {
		return "", err
	}
	if isPlainPhrase(name) {
		return name + " <" + a.String() + ">", nil
	}
	return encodeAll(name) + " <" + a.String() + ">", nil
}

// isPlainPhrase reports whether s is made of atoms with single spaces between.
func isPlainPhrase(s string) bool {
	for word := range strings.SplitSeq(s, " ") {
		if !isDotAtom(word) || strings.Contains(word, ".") || strings.HasPrefix(word, "=?") {
			return false
		}
	}
	return true
}

func checkWords(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: a text that is not UTF-8", ErrHeader)
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return fmt.Errorf("%w: a control character in a text", ErrHeader)
		}
	}
	return nil
}

// DecodeText reads the value of an unstructured header field for people: its encoded
// words are decoded, unless one is of a character set that DecodeCharset does not know,
// and what is no UTF-8 then is replaced.
func DecodeText(value string) string {
	d := stdmime.WordDecoder{CharsetReader: DecodeCharset}
	text, err := d.DecodeHeader(value)
	if err != nil {
		text = value
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
