package ldapd

import (
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"

	"postern/internal/publish"
)

// A code is a resultCode (RFC 4511 appendix A).
type code int

const (
	success                      code = 0
	operationsError              code = 1
	protocolError                code = 2
	timeLimitExceeded            code = 3
	sizeLimitExceeded            code = 4
	authMethodNotSupported       code = 7
	adminLimitExceeded           code = 11
	unavailableCriticalExtension code = 12
	noSuchObject                 code = 32
	invalidDNSyntax              code = 34
	invalidCredentials           code = 49
	busy                         code = 51
	unavailable                  code = 52
	unwillingToPerform           code = 53
)

// A result is what came of a request. Its text is for the client's user and
// repeats nothing of what the client sent.
type result struct {
	code code
	text string
}

const oidDisconnection = "1.3.6.1.4.1.1466.20036" // RFC 4511 §4.4.1

// encodeResult writes a response that is an LDAPResult (RFC 4511 §4.1.9), with
// what some responses have beside it.
func encodeResult(id int32, tag ber.Tag, r result, more ...*ber.Packet) []byte {
	body := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	body.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int(r.code), ""))
	body.AppendChild(octetString("")) // matchedDN
	body.AppendChild(octetString(r.text))
	for _, p := range more {
		body.AppendChild(p)
	}
	return envelope(id, body)
}

// notice writes a Notice of Disconnection (RFC 4511 §4.4.1).
func notice(r result) []byte {
	return encodeResult(0, tagExtended, r, responseName(oidDisconnection))
}

func responseName(oid string) *ber.Packet {
	return ber.NewString(ber.ClassContext, ber.TypePrimitive, 10, oid, "")
}

func responseValue(v string) *ber.Packet {
	return ber.NewString(ber.ClassContext, ber.TypePrimitive, 11, v, "")
}

// encodeEntry writes a SearchResultEntry (RFC 4511 §4.5.2) with the attributes
// that were selected.
func encodeEntry(id int32, e *publish.Entry, s *selection, typesOnly bool) []byte {
	list := ber.NewSequence("")
	for _, a := range e.Attributes {
		if s.has(a.Name) {
			list.AppendChild(encodeAttribute(a, typesOnly))
		}
	}
	body := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tagSearchEntry, nil, "")
	body.AppendChild(octetString(e.DN))
	body.AppendChild(list)
	return envelope(id, body)
}

func encodeAttribute(a publish.Attribute, typesOnly bool) *ber.Packet {
	values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	for _, v := range a.Values {
		if !typesOnly {
			values.AppendChild(octetString(string(v)))
		}
	}
	p := ber.NewSequence("")
	p.AppendChild(octetString(a.Name))
	p.AppendChild(values)
	return p
}

func envelope(id int32, body *ber.Packet) []byte {
	p := ber.NewSequence("")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(id), ""))
	p.AppendChild(body)
	return p.Bytes()
}

func octetString(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// A selection says which attributes a client asked for (RFC 4511 §4.5.1.8).
type selection struct {
	all   bool
	names map[string]bool
}

// newSelection reads an AttributeSelection. An empty one, "*" and, here, "+" (RFC
// 3673) are all; "1.1" is nothing. The operational attributes of the root DSE
// count as users' too: a client that names none still finds the naming contexts.
func newSelection(attributes []string) *selection {
	s := &selection{all: len(attributes) == 0, names: make(map[string]bool)}
	for _, a := range attributes {
		switch a {
		case "*", "+":
			s.all = true
		default:
			name, known := attributeOf(a)
			if known {
				s.names[name] = true
			}
		}
	}
	return s
}

// has reports whether an attribute of an entry was asked for, with or without
// ;binary (CD-29, CP-13).
func (s *selection) has(name string) bool {
	name, _, _ = strings.Cut(name, ";")
	return s.all || s.names[name]
}
