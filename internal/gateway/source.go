package gateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"

	"postern/internal/cms/smime"
	"postern/mime"
	"postern/store"
)

// stored opens a body of the queue as a source that can be read again.
func (c *Core) stored(ctx context.Context, id store.BodyID) (smime.Source, error) {
	body, err := c.Store.OpenBody(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("opening the stored message: %w", err)
	}
	return smime.SectionSource(body, body.Size()), nil
}

// readHeader reads the header of a message from its source.
func readHeader(src smime.Source) (*mime.Header, error) {
	r, err := src.Open()
	if err != nil {
		return nil, err
	}
	return mime.ReadHeader(bufio.NewReader(r), mime.Limits{})
}

// newHeaderSource is a message with another header in front of the same body.
func newHeaderSource(src smime.Source, header *mime.Header) (smime.Source, error) {
	var head bytes.Buffer
	_, err := header.WriteTo(&head)
	if err != nil {
		return nil, fmt.Errorf("writing the header: %w", err)
	}
	old, err := headerSize(src)
	if err != nil {
		return nil, err
	}
	return headed{head: head.Bytes(), src: src, skip: old}, nil
}

// headerSize is the number of octets of a message's header with its blank line.
func headerSize(src smime.Source) (int64, error) {
	r, err := src.Open()
	if err != nil {
		return 0, err
	}
	counted := &countingReader{r: r}
	in := bufio.NewReader(counted)
	_, err = mime.ReadHeader(in, mime.Limits{})
	if err != nil {
		return 0, err
	}
	return counted.n - int64(in.Buffered()), nil
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// headed is src with its first skip octets replaced by head.
type headed struct {
	head []byte
	src  smime.Source
	skip int64
}

func (h headed) Size() int64 { return int64(len(h.head)) + h.src.Size() - h.skip }

func (h headed) Open() (io.Reader, error) {
	r, err := h.src.Open()
	if err != nil {
		return nil, err
	}
	_, err = io.CopyN(io.Discard, r, h.skip)
	if err != nil {
		return nil, fmt.Errorf("skipping the old header: %w", err)
	}
	return io.MultiReader(bytes.NewReader(h.head), r), nil
}
