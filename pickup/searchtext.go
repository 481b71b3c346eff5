package pickup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"postern/mime"
)

func lowered(texts []string) [][]byte {
	var out [][]byte
	for _, t := range texts {
		out = append(out, lower([]byte(t)))
	}
	return out
}

// lower folds ASCII letters, in place.
func lower(b []byte) []byte {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}

// matchesText decides TEXT and BODY: every text has to be in one of the places
// where text is.
func (m *searched) matchesText(c *criteria) (bool, error) {
	if len(c.text) == 0 && len(c.body) == 0 {
		return true, nil
	}
	msg := m.open()
	root, err := msg.structure()
	if err != nil {
		return false, err
	}
	hunt := &hunt{msg: msg, text: append([][]byte(nil), c.text...), body: append([][]byte(nil), c.body...)}
	err = hunt.part(root)
	if err != nil {
		return false, err
	}
	return len(hunt.text) == 0 && len(hunt.body) == 0, nil
}

// A hunt goes through the parts of a message until all texts are found.
type hunt struct {
	msg  *message
	text [][]byte // still to be found, in headers too
	body [][]byte // still to be found, in bodies only
}

func (h *hunt) part(p *part) error {
	if len(h.text) == 0 && len(h.body) == 0 {
		return nil
	}
	header := io.NewSectionReader(h.msg.body, p.header, p.body-p.header)
	err := h.scan(header, &h.text)
	if err != nil {
		return err
	}
	for _, child := range p.children {
		err = h.part(child)
		if err != nil {
			return err
		}
	}
	if p.message != nil {
		return h.part(p.message)
	}
	if len(p.children) > 0 || !strings.HasPrefix(p.media.Type, "text/") {
		return nil // there is no text in attachments
	}
	return h.leaf(p)
}

// leaf looks into a text, without its transfer encoding. What cannot be decoded
// is looked through up to there.
func (h *hunt) leaf(p *part) error {
	head, err := h.msg.headerOf(p)
	if err != nil {
		return err
	}
	raw := io.NewSectionReader(h.msg.body, p.body, p.end-p.body)
	r, err := mime.DecodeTransfer(head, raw)
	if err != nil {
		r = raw
	}
	err = h.scan(r, &h.text, &h.body)
	if errors.Is(err, mime.ErrEncoding) {
		return nil
	}
	return err
}

// scan strikes out what it finds in r. It holds one piece, and enough of the
// one before for a text that lies across.
func (h *hunt) scan(r io.Reader, lists ...*[][]byte) error {
	longest := 0
	for _, l := range lists {
		for _, t := range *l {
			longest = max(longest, len(t))
		}
	}
	buf := make([]byte, longest+32<<10)
	kept := 0
	in := ctxReader{h.msg.ctx, r}
	for {
		n, err := io.ReadFull(in, buf[kept:])
		window := buf[:kept+n]
		lower(window[kept:])
		for _, l := range lists {
			*l = missingFrom(*l, window)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("searching a message: %w", err)
		}
		kept = min(longest, len(window))
		copy(buf, window[len(window)-kept:])
	}
}

func missingFrom(texts [][]byte, window []byte) [][]byte {
	out := texts[:0]
	for _, t := range texts {
		if !bytes.Contains(window, t) {
			out = append(out, t)
		}
	}
	return out
}
