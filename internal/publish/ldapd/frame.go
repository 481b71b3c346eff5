package ldapd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds on one message. The largest that is of use here, a search for maxMails
// addresses in the long form of CD-28, takes a quarter of each.
const (
	maxMessage  = 64 << 10 // octets of its content
	maxDepth    = 32
	maxElements = 1024
)

// errMalformed is wrapped by what is wrong with the encoding of a message. The
// connection ends with it (RFC 4511 §4.1.1).
var errMalformed = errors.New("malformed message")

// Identifier octets of BER (X.690 §8.1.2).
const (
	classBits       = 0xc0
	constructedBit  = 0x20
	tagBits         = 0x1f
	idBoolean       = 0x01
	idInteger       = 0x02
	idOctetString   = 0x04
	idEnumerated    = 0x0a
	idSequence      = 0x30
	idSet           = 0x31
	longLength      = 0x80
	maxLengthOctets = 4 // some clients always send four
)

// readFrame reads the octets of one LDAPMessage and checks their shape. It
// allocates as the octets arrive, not as the length promises.
func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 2, 2+maxLengthOctets)
	_, err := io.ReadFull(r, head)
	if err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	if head[0] != idSequence {
		return nil, fmt.Errorf("%w: it is no SEQUENCE", errMalformed)
	}
	head = head[:2+min(lengthOctets(head[1]), maxLengthOctets)]
	_, err = io.ReadFull(r, head[2:])
	if err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	_, length, err := readHeader(head)
	if err != nil {
		return nil, err
	}
	frame := bytes.NewBuffer(head)
	_, err = io.CopyN(frame, r, int64(length))
	if err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	return frame.Bytes(), checkShape(frame.Bytes())
}

// checkShape walks the elements of a message without recursion, and refuses what
// is too deep, too many, cut short, or of a type that LDAP has no use for. What
// passes is safe to decode. It takes time linear in the octets.
func checkShape(b []byte) error {
	ends := append(make([]int, 0, maxDepth+1), len(b))
	pos := 0
	for elements := 0; ; elements++ {
		for len(ends) > 0 && pos == ends[len(ends)-1] {
			ends = ends[:len(ends)-1]
		}
		if len(ends) == 0 {
			return nil
		}
		if elements == maxElements {
			return fmt.Errorf("%w: more than %d elements", errMalformed, maxElements)
		}
		within := b[pos:ends[len(ends)-1]]
		head, length, err := readHeader(within)
		if err != nil {
			return err
		}
		if length > len(within)-head {
			return fmt.Errorf("%w: an element is longer than what it is in", errMalformed)
		}
		pos += head
		if within[0]&constructedBit == 0 {
			pos += length
			continue
		}
		if len(ends) > maxDepth {
			return fmt.Errorf("%w: nested deeper than %d", errMalformed, maxDepth)
		}
		ends = append(ends, pos+length)
	}
}

// readHeader reads the identifier and the length of the element at the start of
// b. It returns the octets of both, and the length.
func readHeader(b []byte) (head, length int, err error) {
	if len(b) < 2 {
		return 0, 0, fmt.Errorf("%w: cut short in the head of an element", errMalformed)
	}
	if !expected(b[0]) {
		return 0, 0, fmt.Errorf("%w: an element of type %#02x", errMalformed, b[0])
	}
	octets := lengthOctets(b[1])
	switch {
	case b[1] == longLength:
		return 0, 0, fmt.Errorf("%w: indefinite length", errMalformed) // RFC 4511 §5.1
	case octets > maxLengthOctets:
		return 0, 0, fmt.Errorf("%w: a length of %d octets", errMalformed, octets)
	case len(b) < 2+octets:
		return 0, 0, fmt.Errorf("%w: cut short in the head of an element", errMalformed)
	case octets == 0:
		return 2, int(b[1]), nil
	}
	var n uint32
	for _, c := range b[2 : 2+octets] {
		n = n<<8 | uint32(c)
	}
	if n > maxMessage {
		return 0, 0, fmt.Errorf("%w: longer than %d octets", errMalformed, maxMessage)
	}
	return 2 + octets, int(n), nil
}

// lengthOctets is how many octets of length follow the first.
func lengthOctets(first byte) int {
	if first < longLength {
		return 0
	}
	return int(first &^ longLength)
}

// expected reports whether LDAP has elements that begin so. Others would be
// interpreted by the decoder to no end. Tags above 30 do not occur.
func expected(identifier byte) bool {
	switch identifier {
	case idBoolean, idInteger, idOctetString, idEnumerated, idSequence, idSet:
		return true
	}
	return identifier&classBits != 0 && identifier&tagBits != tagBits
}
