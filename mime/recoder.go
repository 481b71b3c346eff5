package mime

import (
	"errors"
	"io"
	"mime/quotedprintable"
)

// A recoder writes a message anew as a survey found it needed. What does not change
// stays octet by octet.
type recoder struct {
	w       io.Writer
	changes []change                       // by entity, in the order of the walk
	header  func(*Header) (*Header, error) // writes a header in another way
	n       int                            // entities entered
	enc     io.WriteCloser                 // of the body at hand, nil when it stays as it is
}

func (r *recoder) enter(e *entity) error {
	if r.n == len(r.changes) {
		return errors.New("the message changed between two readings")
	}
	c, header, err := r.changes[r.n], e.header, error(nil)
	r.n++
	if c == (change{}) {
		_, err := r.w.Write(e.raw)
		return err
	}
	if c.header {
		header, err = r.header(header)
		if err != nil {
			return err
		}
	}
	if c.encoding != "" {
		err := header.Set("Content-Transfer-Encoding", c.encoding)
		if err != nil {
			return err
		}
	}
	switch c.encoding {
	case "quoted-printable":
		r.enc = quotedprintable.NewWriter(r.w)
	case "base64":
		r.enc = NewBase64Writer(r.w)
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
