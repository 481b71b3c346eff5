package ldapd

import (
	"fmt"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// An operation is the tag of a request (RFC 4511 §4.2 ff.).
type operation byte

const (
	opBind     operation = 0
	opUnbind   operation = 2
	opSearch   operation = 3
	opModify   operation = 6
	opAdd      operation = 8
	opDelete   operation = 10
	opModifyDN operation = 12
	opCompare  operation = 14
	opAbandon  operation = 16
	opExtended operation = 23
)

// Tags of responses. That of a request which is not a search is one more than its
// own.
const (
	tagSearchEntry ber.Tag = 4
	tagSearchDone  ber.Tag = 5
	tagExtended    ber.Tag = 24
)

// A message is a request (RFC 4511 §4.1.1).
type message struct {
	id       int32
	op       operation
	request  *ber.Packet
	critical bool // has a control that must be heeded
}

// application is the identifier of a constructed request.
func application(op operation) byte { return 0x60 | byte(op) }

// response is the tag of the answer to a request.
func response(op operation) ber.Tag {
	if op == opSearch {
		return tagSearchDone
	}
	return ber.Tag(op) + 1
}

// parseMessage reads a frame.
func parseMessage(frame []byte) (*message, error) {
	packet, err := ber.DecodePacketErr(frame)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	f := fieldsOf(packet, idSequence)
	m := &message{id: f.integer(idInteger), request: f.next()}
	if f.err == nil && f.has(0xa0) {
		m.critical = anyCritical(f.sequence(0xa0), f)
	}
	if f.err != nil {
		return nil, f.err
	}
	if m.id == 0 { // RFC 4511 §4.1.1.1: it is for notices of the server
		return nil, fmt.Errorf("%w: a request of messageID 0", errMalformed)
	}
	m.op = operation(m.request.Tag)
	if !isRequest(m.request) {
		return nil, fmt.Errorf("%w: no request is of type %#02x", errMalformed, identifierOf(m.request))
	}
	return m, nil
}

// isRequest reports whether p is a request in its form.
func isRequest(p *ber.Packet) bool {
	switch op := operation(p.Tag); op {
	case opUnbind, opDelete, opAbandon:
		return identifierOf(p) == application(op)&^constructedBit
	case opBind, opSearch, opModify, opAdd, opModifyDN, opCompare, opExtended:
		return identifierOf(p) == application(op)
	}
	return false
}

// anyCritical reads controls (RFC 4511 §4.1.11). None is known here, so all that
// counts is whether one may be ignored.
func anyCritical(controls, message *fields) bool {
	critical := false
	for len(controls.rest) > 0 && controls.err == nil {
		c := controls.sequence(idSequence)
		c.octets(idOctetString)
		if c.has(idBoolean) {
			critical = c.boolean() || critical
		}
		if controls.err == nil {
			controls.err = c.err
		}
	}
	message.err = controls.err
	return critical
}
