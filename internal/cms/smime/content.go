package smime

import (
	"bytes"
	"crypto"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"

	"postern/internal/cms"
	"postern/mime"
)

// content gives out what a verdict is about. The hash h is that of a good
// signature.
func (m *opener) content(v *verdict, h crypto.Hash) (io.Reader, error) {
	if v.digest.keep > 0 {
		return canonicalIf(v.canonical, bytes.NewReader(v.digest.plain)), nil
	}
	_, plain, err := m.again()
	if err != nil {
		return nil, fmt.Errorf("opening a message again: %w", err)
	}
	if v.opaque != nil {
		return m.enclosedContent(plain, v, h)
	}
	part, err := signedPart(plain, m.options.Limits)
	if err != nil {
		return nil, fmt.Errorf("opening a message again: %w", err)
	}
	want := hashSet(v.digest.raw)
	if v.canonical {
		want = v.digest.canon
	}
	tap := h.New()
	return &checkedReader{
		r:    canonicalIf(v.canonical, part),
		tap:  tap,
		sum:  func() []byte { return tap.Sum(nil) },
		want: want.sums(h),
	}, nil
}

func (m *opener) enclosedContent(plain io.Reader, v *verdict, h crypto.Hash) (io.Reader, error) {
	in, err := readInner(plain, m.options.Limits)
	if err != nil {
		return nil, fmt.Errorf("opening a message again: %w", err)
	}
	signed, err := cms.OpenSigned(in.body, m.options.signed())
	if err != nil {
		return nil, fmt.Errorf("opening a message again: %w", err)
	}
	return &checkedReader{
		r:    signed,
		sum:  func() []byte { return signed.Digest(h) },
		want: v.opaque.Digest(h),
	}, nil
}

func canonicalIf(canonical bool, r io.Reader) io.Reader {
	if canonical {
		return mime.NewCRLFReader(r)
	}
	return r
}

// A checkedReader fails at the end of r when its digest is not the one that was
// verified.
type checkedReader struct {
	r    io.Reader
	tap  hash.Hash // digests what is read; nil when r does it
	sum  func() []byte
	want []byte
	err  error
}

// Read implements io.Reader.
func (c *checkedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p)
	if c.tap != nil {
		c.tap.Write(p[:n])
	}
	if errors.Is(err, io.EOF) && subtle.ConstantTimeCompare(c.sum(), c.want) != 1 {
		err = ErrChanged
	}
	c.err = err
	return n, err
}
