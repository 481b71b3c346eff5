package mime

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrEightBit is wrapped by the errors of SevenBit that say 8-bit octets stand
// where no transfer encoding can help.
var ErrEightBit = errors.New("8-bit octets outside of a body that can be encoded")

// SevenBit writes the message that open gives, with every body that has 8-bit
// or NUL octets encoded anew: quoted-printable for text, base64 for others
// (AS-50, RFC 8551 §3.1.2). Their Content-Transfer-Encoding is replaced, and
// that of the multiparts and messages around them becomes 7bit. The header of a part
// that has UTF-8, such as in the name of a file, is written in ASCII, see InASCII. All
// other octets stay as they are.
//
// The message is read twice, since a header comes before the body that decides
// on it. When all of it is 7-bit already, changed is false and nothing is
// written: the caller keeps the original. 8-bit octets in the header of the
// message (AS-51), in that of a part where they are not UTF-8, between parts, in entities that cannot be read and inside of a
// multipart/signed, whose signature would break, are an error wrapping
// ErrEightBit; more or deeper parts than l allows one wrapping ErrLimit.
func SevenBit(w io.Writer, open func() (io.Reader, error), l Limits) (changed bool, err error) {
	var s survey
	err = walkOpened(open, l, &s)
	if err != nil {
		return false, fmt.Errorf("looking for 8-bit parts: %w", err)
	}
	if !s.any {
		return false, nil
	}
	bw := bufio.NewWriterSize(w, blockSize)
	err = walkOpened(open, l, &recoder{w: bw, changes: s.changes, header: (*Header).InASCII})
	if err != nil {
		return true, fmt.Errorf("encoding 8-bit parts: %w", err)
	}
	err = bw.Flush()
	if err != nil {
		return true, fmt.Errorf("encoding 8-bit parts: %w", err)
	}
	return true, nil
}

func walkOpened(open func() (io.Reader, error), l Limits, v visitor) error {
	r, err := open()
	if err != nil {
		return fmt.Errorf("opening the message: %w", err)
	}
	return walk(r, l, v)
}

// A change is what becomes of an entity that does not stay as it is.
type change struct {
	header   bool   // it is written in another way
	encoding string // the new Content-Transfer-Encoding, "" for the old one
}

// A survey finds the entities that must be encoded anew.
type survey struct {
	changes []change // by entity, in the order of the walk
	any     bool
	fixed   bool // the entity at hand cannot be encoded anew
	encoded bool // and this one is
	text    bool
}

func (s *survey) enter(e *entity) error {
	c := change{header: !sevenBit(e.raw)}
	if c.header {
		err := mayBeASCII(e)
		if err != nil {
			return err
		}
		s.any = true
	}
	if e.kind != kindLeaf && e.kind != kindBroken && !e.signed && transferEncoding(e.header) != "7bit" {
		c.encoding = "7bit" // what it holds will be, RFC 2045 §6.4
	}
	s.changes = append(s.changes, c)
	s.fixed = e.kind == kindBroken || e.signed || !identity(e.header)
	s.encoded, s.text = false, strings.HasPrefix(e.media.Type, "text/")
	return nil
}

// mayBeASCII reports whether the header of an entity can be written in ASCII without a
// change of what it says.
func mayBeASCII(e *entity) error {
	if e.depth == 0 || e.signed || e.kind == kindBroken {
		return fmt.Errorf("%w: in a header", ErrEightBit)
	}
	_, err := e.header.InASCII()
	if err != nil {
		return fmt.Errorf("%w: in the header of a part: %w", ErrEightBit, err)
	}
	return nil
}

func (s *survey) body(p []byte) error {
	if s.encoded || sevenBit(p) {
		return nil
	}
	last := len(s.changes) - 1
	if s.fixed {
		return fmt.Errorf("%w: in part %d", ErrEightBit, last+1)
	}
	s.changes[last].encoding = "base64"
	if s.text {
		s.changes[last].encoding = "quoted-printable"
	}
	s.encoded, s.any = true, true
	return nil
}

func (s *survey) leave() error { return nil }

func (s *survey) other(p []byte) error {
	if !sevenBit(p) {
		return fmt.Errorf("%w: between two parts", ErrEightBit)
	}
	return nil
}

// sevenBit reports whether p has neither octets above 127 nor NULs
// (RFC 2045 §2.7).
func sevenBit(p []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for len(p) >= 8 {
		v := binary.LittleEndian.Uint64(p)
		// (v-ones)&^v has a high bit where an octet is zero.
		if (v|(v-ones)&^v)&highs != 0 {
			return false
		}
		p = p[8:]
	}
	for _, c := range p {
		if c >= 0x80 || c == 0 {
			return false
		}
	}
	return true
}
