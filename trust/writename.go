package trust

import (
	"crypto/x509/pkix"
	"encoding/hex"
	"slices"
	"strings"
)

// maxName is how much of a name is worth showing, in octets.
const maxName = 200

// WriteName writes the subject or issuer of a parsed certificate for people to
// read, as RFC 4514 does: the last attribute first, which is the common name as
// a rule, and in printable ASCII alone, with other octets in hexadecimal. After
// some 200 octets it ends with "...".
//
// A stranger's name may have tens of thousands of attributes, and the String of
// pkix.Name takes time by the square of them. This stops where it cuts.
func WriteName(n pkix.Name) string {
	var w nameWriter
	for _, a := range slices.Backward(n.Names) {
		if w.out.Len() > 0 {
			w.add(",")
		}
		w.add(attributeName(a))
		w.add("=")
		value, ok := a.Value.(string)
		if !ok {
			value = "?" // x509 parses no other
		}
		w.value(value)
		if w.full {
			break
		}
	}
	return w.out.String()
}

// A nameWriter takes pieces up to maxName octets.
type nameWriter struct {
	out  strings.Builder
	full bool
}

func (w *nameWriter) add(piece string) {
	switch {
	case w.full:
	case w.out.Len()+len(piece) > maxName:
		w.full = true
		w.out.WriteString("...")
	default:
		w.out.WriteString(piece)
	}
}

// value adds a value octet by octet, escaped (RFC 4514 §2.4).
func (w *nameWriter) value(s string) {
	for i := 0; i < len(s) && !w.full; i++ {
		c := s[i]
		switch {
		case c < ' ' || c > '~':
			w.add(`\` + hex.EncodeToString([]byte{c}))
		case strings.IndexByte(`"+,;<>\`, c) >= 0, i == 0 && (c == '#' || c == ' '), i == len(s)-1 && c == ' ':
			w.add(`\` + string(rune(c)))
		default:
			w.add(string(rune(c)))
		}
	}
}

// attributeName returns the short name of an attribute's type (RFC 4514 §3,
// RFC 4519, RFC 2985 §5.2.1), or the identifier if it has none that is common.
// Of one that has more arcs than any in use, the first must do.
func attributeName(a pkix.AttributeTypeAndValue) string {
	id := a.Type[:min(len(a.Type), 20)].String()
	switch id {
	case "2.5.4.3":
		return "CN"
	case "2.5.4.5":
		return "SERIALNUMBER"
	case "2.5.4.6":
		return "C"
	case "2.5.4.7":
		return "L"
	case "2.5.4.8":
		return "ST"
	case "2.5.4.9":
		return "STREET"
	case "2.5.4.10":
		return "O"
	case "2.5.4.11":
		return "OU"
	case "2.5.4.17":
		return "POSTALCODE"
	case "0.9.2342.19200300.100.1.1":
		return "UID"
	case "0.9.2342.19200300.100.1.25":
		return "DC"
	case "1.2.840.113549.1.9.1":
		return "emailAddress"
	}
	return id
}
