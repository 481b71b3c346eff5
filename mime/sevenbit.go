package mime

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
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
	err = walkOpened(open, l, &recoder{w: bw, recode: s.recode, plain: s.plain})
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

// A survey finds the entities that must be encoded anew.
type survey struct {
	recode []bool // by entity, in the order of the walk
	plain  []bool // by entity: its header is to be written in ASCII
	any    bool
	fixed  bool // the entity at hand cannot be encoded anew
}

func (s *survey) enter(e *entity) error {
	plain := !sevenBit(e.raw)
	if plain {
		err := mayBeASCII(e)
		if err != nil {
			return err
		}
		s.any = true
	}
	s.recode, s.plain = append(s.recode, false), append(s.plain, plain)
	s.fixed = e.kind == kindBroken || e.signed || !identity(e.header)
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
	last := len(s.recode) - 1
	if s.recode[last] || sevenBit(p) {
		return nil
	}
	if s.fixed {
		return fmt.Errorf("%w: in part %d", ErrEightBit, last+1)
	}
	s.recode[last], s.any = true, true
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

// A recoder writes the message anew as a survey found it needed.
type recoder struct {
	w      io.Writer
	recode []bool
	plain  []bool
	n      int            // entities entered
	enc    io.WriteCloser // of the body at hand, nil when it stays as it is
}

func (r *recoder) enter(e *entity) error {
	if r.n == len(r.recode) {
		return errors.New("the message changed between two readings")
	}
	recode, header, err := r.recode[r.n], e.header, error(nil)
	if r.plain[r.n] {
		header, err = e.header.InASCII()
		if err != nil {
			return err
		}
	}
	r.n++
	encoding := ""
	switch {
	case recode && strings.HasPrefix(e.media.Type, "text/"):
		encoding, r.enc = "quoted-printable", quotedprintable.NewWriter(r.w)
	case recode:
		encoding, r.enc = "base64", NewBase64Writer(r.w)
	case e.kind != kindLeaf && e.kind != kindBroken && !e.signed && transferEncoding(e.header) != "7bit":
		encoding = "7bit" // what it holds is now, RFC 2045 §6.4
	}
	if encoding == "" && header == e.header {
		_, err := r.w.Write(e.raw)
		return err
	}
	if encoding != "" {
		err := header.Set("Content-Transfer-Encoding", encoding)
		if err != nil {
			return err
		}
	}
	_, err = header.WriteTo(r.w)
	return err
}

func (r *recoder) body(p []byte) error {
	if r.enc != nil {
		_, err := r.enc.Write(p)
		return err
	}
	_, err := r.w.Write(p)
	return err
}

func (r *recoder) leave() error {
	if r.enc == nil {
		return nil
	}
	err := r.enc.Close()
	r.enc = nil
	return err
}

func (r *recoder) other(p []byte) error {
	_, err := r.w.Write(p)
	return err
}
