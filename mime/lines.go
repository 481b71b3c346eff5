package mime

import (
	"bytes"
	"errors"
	"io"
)

// What is wrong with a line of a submitted message. What stands before it is passed on,
// and nothing behind it.
var (
	ErrBareCR     = errors.New("a CR without LF")             // RFC 5321 §2.3.8
	ErrBareLF     = errors.New("an LF without CR")            // RFC 5321 §2.3.8
	ErrNUL        = errors.New("a NUL octet")                 // RFC 5321 §4.5.2
	ErrLineLength = errors.New("a line longer than is legal") // RFC 5322 §2.1.1
)

// CheckLines returns a reader of r that fails with ErrBareCR, ErrBareLF, ErrNUL
// or ErrLineLength as soon as a line breaks the rule. max is the octets of a
// line without its CRLF; zero or less means the 998 of RFC 5322 §2.1.1. A last
// line may lack its CRLF.
func CheckLines(r io.Reader, max int) io.Reader {
	return &lineChecker{r: r, max: positive(max, maxLine)}
}

type lineChecker struct {
	r    io.Reader
	max  int
	line int  // octets of the line so far
	cr   bool // the last octet was a CR
	err  error
}

// Read implements io.Reader.
func (c *lineChecker) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	good, bad := c.check(p[:n])
	if bad == nil && c.cr && errors.Is(err, io.EOF) {
		bad = ErrBareCR
	}
	if bad != nil {
		c.err = bad
		return good, bad
	}
	return n, err
}

// check returns how many octets stand before what is wrong.
func (c *lineChecker) check(p []byte) (good int, err error) {
	text, _, found := bytes.Cut(p, []byte{0})
	good, err = c.checkText(text)
	if err == nil && found {
		err = ErrNUL
	}
	return good, err
}

func (c *lineChecker) checkText(p []byte) (good int, err error) {
	for good < len(p) {
		rest := p[good:]
		if c.cr {
			if rest[0] != '\n' {
				return good, ErrBareCR
			}
			c.cr, c.line, good = false, 0, good+1
			continue
		}
		i := indexBreak(rest)
		text := i
		if i < 0 {
			text = len(rest)
		}
		c.line += text
		if c.line > c.max {
			return good + text - (c.line - c.max), ErrLineLength
		}
		good += text
		if i < 0 {
			break
		}
		if rest[i] == '\n' {
			return good, ErrBareLF
		}
		c.cr, good = true, good+1
	}
	return good, nil
}
