package discovery

import (
	"errors"
	"fmt"
	"net"
)

// Bounds on what one LDAP server may send over one connection. The library
// builds a tree of all that comes, in which every level has a copy of what lies
// below: without bounds on depth and number, a megabyte would grow to a thousand.
const (
	ldapOctets   = 1 << 20
	ldapElements = 2000    // fifty entries with two attributes have 650; each takes about a kilobyte
	ldapDepth    = 8       // an attribute's values are the fifth level (RFC 4511 §4.5.2)
	ldapControls = 1 << 10 // octets of a message's controls, which the library reads once more
)

var (
	errTooMuch = errors.New("the directory sent too much")
	errNotLDAP = errors.New("the directory sent what is not LDAP")
)

// bounded is a connection that may bring only so much, in elements that may nest
// only so deep.
type bounded struct {
	net.Conn
	left int // octets
	form elements
}

// Read reads at most what is left.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	bad := b.form.scan(p[:n])
	if bad != nil {
		return 0, bad
	}
	return n, err
}

// elements follows the tags and lengths of a stream of LDAP messages, without
// keeping any of it. RFC 4511 §5.1 has all lengths definite, and no tag of LDAP is
// above 30.
type elements struct {
	at    int   // octets seen
	ends  []int // where the open constructed elements end, the outermost first
	count int

	part        part
	constructed bool
	controls    bool
	length      int // of this element, as far as it is read
	octets      int // of the length that are still to come
}

// A part is what the next octet belongs to.
type part int

const (
	inTag part = iota
	inLength
	inLongLength
	inContent // of a primitive element, which ends at length
)

// scan takes the next octets of the stream.
func (e *elements) scan(p []byte) error {
	for len(p) > 0 {
		if e.part == inContent {
			n := min(len(p), e.length)
			e.at, e.length, p = e.at+n, e.length-n, p[n:]
			if e.length == 0 {
				e.finish()
			}
			continue
		}
		e.at++
		err := e.header(p[0])
		if err != nil {
			return err
		}
		p = p[1:]
	}
	return nil
}

// header takes an octet of a tag or of a length.
func (e *elements) header(c byte) error {
	switch e.part {
	case inTag:
		return e.tag(c)
	case inLength:
		if c < 0x80 {
			e.length = int(c)
			return e.open()
		}
		e.part, e.length, e.octets = inLongLength, 0, int(c&0x7f)
		if e.octets == 0 || e.octets > 4 {
			return fmt.Errorf("%w: a length that is indefinite or too long", errNotLDAP)
		}
	case inLongLength:
		e.length, e.octets = e.length<<8|int(c), e.octets-1
		if e.length > ldapOctets {
			return fmt.Errorf("%w: an element of more than %d octets", errTooMuch, ldapOctets)
		}
		if e.octets == 0 {
			return e.open()
		}
	}
	return nil
}

func (e *elements) tag(c byte) error {
	const sequence, constructed, number, controls = 0x30, 0x20, 0x1f, 0xa0
	e.count++
	switch {
	case len(e.ends) == 0 && c != sequence:
		return fmt.Errorf("%w: it does not begin as a message", errNotLDAP)
	case c&number == number:
		return fmt.Errorf("%w: a tag that LDAP does not have", errNotLDAP)
	case e.count > ldapElements:
		return fmt.Errorf("%w: more than %d elements", errTooMuch, ldapElements)
	}
	e.part, e.constructed = inLength, c&constructed != 0
	e.controls = len(e.ends) == 1 && c == controls
	return nil
}

// open begins the content of an element.
func (e *elements) open() error {
	end := e.at + e.length
	switch {
	case len(e.ends) > 0 && end > e.ends[len(e.ends)-1]:
		return fmt.Errorf("%w: an element that reaches beyond the one around it", errNotLDAP)
	case e.controls && e.length > ldapControls:
		return fmt.Errorf("%w: more than %d octets of controls", errTooMuch, ldapControls)
	case !e.constructed && e.length > 0:
		e.part = inContent
		return nil
	case e.constructed && len(e.ends) == ldapDepth:
		return fmt.Errorf("%w: more than %d elements in each other", errTooMuch, ldapDepth)
	case e.constructed:
		e.ends = append(e.ends, end)
	}
	e.finish()
	return nil
}

// finish ends all elements that end here.
func (e *elements) finish() {
	e.part = inTag
	for len(e.ends) > 0 && e.ends[len(e.ends)-1] == e.at {
		e.ends = e.ends[:len(e.ends)-1]
	}
}
