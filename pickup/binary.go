package pickup

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"postern/mime"
)

// prepareBinary decodes every BINARY item once to know its size; the second time
// is when it is sent. Nothing is held (RFC 9051 §6.4.5).
func (m *message) prepareBinary(f *fetched, o *imap.FetchOptions) error {
	for _, item := range o.BinarySection {
		whole, err := m.decodedSize(item.Part)
		if err != nil {
			return err
		}
		r, err := m.decoded(item.Part)
		if err != nil {
			return err
		}
		skip, size := int64(0), whole
		if p := item.Partial; p != nil {
			skip = min(p.Offset, whole)
			size = min(p.Size, whole-skip)
			r = &skipReader{r: r, skip: skip}
		}
		of, err := m.encoded(item.Part, skip, size, whole)
		if err != nil {
			return err
		}
		f.literals = append(f.literals, literal{from: r, size: size, of: of,
			begin: func(out *imapserver.FetchResponseWriter, size int64) io.WriteCloser {
				return out.WriteBinarySection(item, size)
			}})
	}
	for _, item := range o.BinarySectionSize {
		size, err := m.decodedSize(item.Part)
		if err != nil {
			return err
		}
		f.sizes = append(f.sizes, binarySize{item: item, size: uint32(min(size, 1<<32-1))})
	}
	return nil
}

// decoded reads a part without its transfer encoding (RFC 9051 §6.4.5.2). The
// whole message and multiparts have none.
func (m *message) decoded(path []int) (io.Reader, error) {
	p, err := m.binaryPart(path)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return eof{}, nil
	}
	h, err := m.headerOf(p)
	if err != nil {
		return nil, err
	}
	raw := io.NewSectionReader(m.body, p.body, p.end-p.body)
	r, err := mime.DecodeTransfer(h, raw)
	if err != nil {
		return nil, no(imap.ResponseCodeUnknownCTE, "The part has an unknown transfer encoding")
	}
	return r, nil
}

// binaryPart is a part, or the whole message as one. It is nil if there is no such part.
func (m *message) binaryPart(path []int) (*part, error) {
	if len(path) == 0 {
		return &part{end: m.body.Size()}, nil
	}
	root, err := m.structure()
	if err != nil {
		return nil, err
	}
	return findPart(root, path), nil
}

// encoded returns of what octets of the message some of a decoded part are made: in
// proportion, which no decoding makes longer, so that what is sent piece by piece adds
// up to the part if nothing is missing, and only then.
func (m *message) encoded(path []int, skip, size, whole int64) (*stretch, error) {
	p, err := m.binaryPart(path)
	if err != nil || p == nil || size == 0 && whole > 0 {
		return nil, err
	}
	if whole == 0 {
		return &stretch{p.body, p.end}, nil
	}
	length := p.end - p.body // 1 GiB at most
	return &stretch{p.body + skip*length/whole, p.body + (skip+size)*length/whole}, nil
}

func (m *message) decodedSize(path []int) (int64, error) {
	r, err := m.decoded(path)
	if err != nil {
		return 0, err
	}
	buf := pieces.Get().(*[]byte)
	defer pieces.Put(buf)
	n, err := io.CopyBuffer(onlyWriter{io.Discard}, ctxReader{m.ctx, r}, *buf)
	switch {
	case errors.Is(err, mime.ErrEncoding):
		return 0, no(imap.ResponseCodeUnknownCTE, "The part is not encoded as it says")
	case err != nil:
		return 0, fmt.Errorf("decoding a part: %w", err)
	}
	return n, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// A skipReader leaves out octets at the beginning.
type skipReader struct {
	r    io.Reader
	skip int64
}

func (s *skipReader) Read(p []byte) (int, error) {
	if s.skip > 0 {
		n, err := io.CopyN(io.Discard, s.r, s.skip)
		s.skip -= n
		if err != nil {
			return 0, err
		}
	}
	return s.r.Read(p)
}

// A ctxReader ends with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	err := c.ctx.Err()
	if err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
