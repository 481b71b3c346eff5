package mime

import (
	"bytes"
	"errors"
	"io"
)

// What is wrong with a line of a submitted message. Each is met before any
// octet behind it is passed on.
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
	bad := c.check(p[:n])
	if bad == nil && c.cr && errors.Is(err, io.EOF) {
		bad = ErrBareCR
	}
	if bad != nil {
		c.err = bad
		return 0, bad
	}
	return n, err
}

func (c *lineChecker) check(p []byte) error {
	if bytes.IndexByte(p, 0) >= 0 {
		return ErrNUL
	}
	for len(p) > 0 {
		if c.cr {
			if p[0] != '\n' {
				return ErrBareCR
			}
			c.cr, c.line, p = false, 0, p[1:]
			continue
		}
		i := indexBreak(p)
		text := i
		if i < 0 {
			text = len(p)
		}
		c.line += text
		if c.line > c.max {
			return ErrLineLength
		}
		if i < 0 {
			return nil
		}
		if p[i] == '\n' {
			return ErrBareLF
		}
		c.cr, p = true, p[i+1:]
	}
	return nil
}
