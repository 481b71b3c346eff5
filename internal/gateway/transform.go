package gateway

import (
	"context"
	"errors"
	"io"

	"postern/internal/cms/smime"
	"postern/internal/gateway/task"
	"postern/mime"
	"postern/trust/reason"
)

// canonical is the message with CR LF at every line end (RFC 8551 §3.1.1). It
// is made anew at each reading.
func canonical(src smime.Source) (smime.Source, error) {
	return measured(func() (io.Reader, error) {
		r, err := src.Open()
		if err != nil {
			return nil, err
		}
		return mime.NewCRLFReader(r), nil
	})
}

// sevenBit is the message with every 8-bit part encoded, since what is signed
// must be 7-bit safe (AS-50), or src itself when it is so already.
// Readings end with ctx.
func sevenBit(ctx context.Context, src smime.Source) (smime.Source, error) {
	return rewritten(ctx, src, mime.SevenBit)
}

// forData is the message as DATA can carry it, or src itself when it can already.
// Readings end with ctx.
func forData(ctx context.Context, src smime.Source) (smime.Source, error) {
	return rewritten(ctx, src, mime.ForData)
}

// rewritten is the message as a function of mime writes it anew, if it does.
func rewritten(ctx context.Context, src smime.Source, rewrite func(io.Writer, func() (io.Reader, error), mime.Limits) (bool, error)) (smime.Source, error) {
	var size counter
	changed, err := rewrite(&size, src.Open, mime.Limits{})
	for _, fault := range []error{mime.ErrEightBit, mime.ErrLimit, mime.ErrHeader, mime.ErrNUL} {
		if errors.Is(err, fault) {
			return nil, reason.New(reason.Malformed, "%w", err)
		}
	}
	if err != nil {
		return nil, err
	}
	if !changed {
		return src, nil
	}
	return generated{size: int64(size), open: func() (io.Reader, error) {
		r, w := io.Pipe()
		// A reader that is left before its end must not hold the writer.
		context.AfterFunc(ctx, func() { r.CloseWithError(ctx.Err()) })
		go func() {
			w.CloseWithError(task.Contained(func() error {
				_, err := rewrite(w, src.Open, mime.Limits{})
				return err
			}))
		}()
		return r, nil
	}}, nil
}

// measured is what open gives, with the size found by reading it once.
func measured(open func() (io.Reader, error)) (smime.Source, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	size, err := io.Copy(io.Discard, r)
	if err != nil {
		return nil, err
	}
	return generated{size: size, open: open}, nil
}

// generated is a source whose octets are made at each reading.
type generated struct {
	size int64
	open func() (io.Reader, error)
}

func (g generated) Open() (io.Reader, error) { return g.open() }

func (g generated) Size() int64 { return g.size }

// A counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
