package ldapd

import (
	"fmt"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// fields reads the components of a SEQUENCE one after the other. After an error
// it returns zero values. What is left unread is ignored, for later versions may
// add to it (RFC 4511 §4).
type fields struct {
	rest []*ber.Packet
	err  error
}

// fieldsOf reads the components of p, which has to begin with the identifier.
func fieldsOf(p *ber.Packet, identifier byte) *fields {
	if p == nil || identifierOf(p) != identifier {
		return &fields{err: fmt.Errorf("%w: a component is not of its type", errMalformed)}
	}
	return &fields{rest: p.Children}
}

// identifierOf is the identifier octet of p; there are no tags above 30 (see
// expected).
func identifierOf(p *ber.Packet) byte {
	return byte(p.ClassType) | byte(p.TagType) | byte(p.Tag)
}

// next returns the next component, or nil.
func (f *fields) next() *ber.Packet {
	if f.err == nil && len(f.rest) == 0 {
		f.err = fmt.Errorf("%w: a component is missing", errMalformed)
	}
	if f.err != nil {
		return nil
	}
	p := f.rest[0]
	f.rest = f.rest[1:]
	return p
}

// has reports whether the next component begins with the identifier.
func (f *fields) has(identifier byte) bool {
	return f.err == nil && len(f.rest) > 0 && identifierOf(f.rest[0]) == identifier
}

// sequence returns the next component, which is constructed.
func (f *fields) sequence(identifier byte) *fields {
	inner := fieldsOf(f.next(), identifier)
	if f.err == nil {
		f.err = inner.err
	}
	return inner
}

// octets returns the content of the next component.
func (f *fields) octets(identifier byte) string {
	return string(f.content(identifier))
}

// integer returns the next component, an INTEGER or ENUMERATED from 0 to
// 2^31-1, as all of LDAP are (RFC 4511 §4.1.1).
func (f *fields) integer(identifier byte) int32 {
	content := f.content(identifier)
	if f.err != nil {
		return 0
	}
	n, err := ber.ParseInt64(content)
	if err != nil || len(content) == 0 || n < 0 || n > 1<<31-1 {
		f.err = fmt.Errorf("%w: a number out of range", errMalformed)
		return 0
	}
	return int32(n)
}

// boolean returns the next component, a BOOLEAN.
func (f *fields) boolean() bool {
	content := f.content(idBoolean)
	if f.err == nil && len(content) != 1 {
		f.err = fmt.Errorf("%w: a BOOLEAN of %d octets", errMalformed, len(content))
	}
	return f.err == nil && content[0] != 0
}

func (f *fields) content(identifier byte) []byte {
	p := f.next()
	if p == nil {
		return nil
	}
	if identifierOf(p) != identifier {
		f.err = fmt.Errorf("%w: a component is not of its type", errMalformed)
		return nil
	}
	return p.Data.Bytes()
}
