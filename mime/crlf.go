package mime

import (
	"bytes"
	"io"
)

var crlf = []byte("\r\n")

// A CRLFWriter passes on what is written to it with canonical line ends: a bare
// LF and a bare CR become CRLF (RFC 8551 §3.1.1). Close it, for the last octet
// may be a CR that lacks its LF.
type CRLFWriter struct {
	w  io.Writer
	cr bool // the last octet written was a CR
}

// NewCRLFWriter returns a CRLFWriter over w.
func NewCRLFWriter(w io.Writer) *CRLFWriter { return &CRLFWriter{w: w} }

// Write writes p in canonical form. It returns the number of octets of p taken.
func (c *CRLFWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, bare := canonicalPrefix(p[done:], c.cr)
		if n > 0 {
			_, err := c.w.Write(p[done : done+n])
			if err != nil {
				return done, err
			}
			c.cr = p[done+n-1] == '\r'
			done += n
		}
		if bare == bareNone {
			continue
		}
		err := c.repair(bare)
		if err != nil {
			return done, err
		}
		if bare == bareLF {
			done++
		}
	}
	return done, nil
}

// repair writes what the bare line end at hand lacks.
func (c *CRLFWriter) repair(bare bareKind) error {
	c.cr = false
	missing := crlf
	if bare == bareCR {
		missing = crlf[1:]
	}
	_, err := c.w.Write(missing)
	return err
}

// Close completes a CR at the very end. It does not close the writer below.
func (c *CRLFWriter) Close() error {
	if !c.cr {
		return nil
	}
	return c.repair(bareCR)
}

// A bareKind says which half of a line end stands alone.
type bareKind int

const (
	bareNone bareKind = iota
	bareLF            // an LF without CR before it
	bareCR            // a CR, already passed, without LF after it
)

// canonicalPrefix returns how much of p is canonical, given whether a CR came
// just before, and what stops it there: nothing, an LF at n, or an octet at n
// that should have been the LF of a CR.
func canonicalPrefix(p []byte, cr bool) (n int, bare bareKind) {
	for n < len(p) {
		if cr {
			if p[n] != '\n' {
				return n, bareCR
			}
			n++
			cr = false
			continue
		}
		i := indexBreak(p[n:])
		if i < 0 {
			return len(p), bareNone
		}
		n += i
		if p[n] == '\n' {
			return n, bareLF
		}
		n++
		cr = true
	}
	return n, bareNone
}

// indexBreak returns where the first CR or LF is, or -1. It looks through small
// windows, so that a text full of one of the two is not searched to its end for
// the other, over and over.
func indexBreak(p []byte) int {
	const window = 256
	for start := 0; start < len(p); start += window {
		w := p[start:min(start+window, len(p))]
		lf := bytes.IndexByte(w, '\n')
		if lf >= 0 {
			w = w[:lf]
		}
		cr := bytes.IndexByte(w, '\r')
		if cr >= 0 {
			return start + cr
		}
		if lf >= 0 {
			return start + lf
		}
	}
	return -1
}

// BareBreak returns the offset at which p stops being canonical CRLF text, or
// -1 when all of it is. The flag says whether the octet before p was a CR. At
// the offset stands a bare LF, or the octet after a CR that is not an LF.
func BareBreak(p []byte, cr bool) int {
	n, bare := canonicalPrefix(p, cr)
	if bare == bareNone {
		return -1
	}
	return n
}

// NewCRLFReader returns a reader of r with canonical line ends, as NewCRLFWriter
// makes them.
func NewCRLFReader(r io.Reader) io.Reader {
	c := &crlfReader{r: r, in: make([]byte, 16<<10)}
	c.w = NewCRLFWriter(&c.out)
	return c
}

type crlfReader struct {
	r   io.Reader
	in  []byte
	out bytes.Buffer
	w   *CRLFWriter
	err error
}

// Read implements io.Reader.
func (c *crlfReader) Read(p []byte) (int, error) {
	for c.out.Len() == 0 && c.err == nil {
		c.out.Reset()
		n, err := c.r.Read(c.in)
		c.w.Write(c.in[:n]) // into memory, cannot fail
		if err != nil {
			c.err = err
			c.w.Close()
		}
	}
	if c.out.Len() == 0 {
		return 0, c.err
	}
	return c.out.Read(p)
}
