package smime

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"postern/mime"
)

// A Source can be read more than once from its start. Each Open begins another
// reading of the same octets.
type Source interface {
	Open() (io.Reader, error)
	Size() int64 // in octets
}

// SectionSource returns a Source of the first size octets of r.
func SectionSource(r io.ReaderAt, size int64) Source { return section{r, size} }

type section struct {
	r    io.ReaderAt
	size int64
}

func (s section) Open() (io.Reader, error) { return io.NewSectionReader(s.r, 0, s.size), nil }
func (s section) Size() int64              { return s.size }

// Wrap returns the message/rfc822 entity around a message (AS-42).
func Wrap(message Source) Source { return wrapped{message} }

type wrapped struct{ message Source }

func (w wrapped) Open() (io.Reader, error) {
	r, err := w.message.Open()
	if err != nil {
		return nil, err
	}
	return io.MultiReader(strings.NewReader(mime.WrapPrefix), r), nil
}

func (w wrapped) Size() int64 { return int64(len(mime.WrapPrefix)) + w.message.Size() }

// A sourceReader reads a source as long as its context lives. It remembers what
// went wrong below, so that it is not taken for a fault of the message.
type sourceReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

// openSource begins a reading that ends after size octets at the latest.
func openSource(ctx context.Context, src Source) (*sourceReader, error) {
	r, err := src.Open()
	if err != nil {
		return nil, err
	}
	return &sourceReader{ctx: ctx, r: io.LimitReader(r, src.Size())}, nil
}

// Read implements io.Reader.
func (s *sourceReader) Read(p []byte) (int, error) {
	err := s.ctx.Err()
	if err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// buffers lends what a copy goes through.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyAll copies r to w through a lent buffer.
func copyAll(w io.Writer, r io.Reader) (int64, error) {
	b := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(b)
	// The struct hides ReadFrom and WriteTo, which would bring their own buffer.
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, b[:])
}
