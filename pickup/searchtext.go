package pickup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/mime"
)

// fold appends text in lower case. What is no UTF-8 stays.
func fold(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, c)
			} else {
				dst = utf8.AppendRune(dst, unicode.ToLower(r))
			}
			i += n
			continue
		}
		i++
	}
	return dst
}

// matchesText decides TEXT or BODY.
func (m *searched) matchesText(k *searchKey) (bool, error) {
	msg, err := m.open()
	if err != nil {
		return false, err
	}
	root, err := msg.structure()
	if err != nil {
		return false, err
	}
	h := &hunt{msg: msg, want: k.fold, headers: k.kind == keyText}
	err = h.part(root)
	return h.found, err
}

// A hunt goes through the parts of a message until a text is found.
type hunt struct {
	msg     *message
	want    []byte // folded
	headers bool   // those of parts count too
	found   bool
}

func (h *hunt) part(p *part) error {
	if h.headers {
		err := h.header(p)
		if err != nil {
			return err
		}
	}
	for _, child := range p.children {
		if h.found {
			return nil
		}
		err := h.part(child)
		if err != nil {
			return err
		}
	}
	switch {
	case h.found:
		return nil
	case p.message != nil:
		return h.part(p.message)
	case len(p.children) > 0 || !strings.HasPrefix(p.media.Type, "text/"):
		return nil // there is no text in attachments
	}
	return h.leaf(p)
}

// header looks into a header, as it stands there and as people read it.
func (h *hunt) header(p *part) error {
	head, err := h.msg.headerOf(p)
	if err != nil {
		return err
	}
	for _, f := range head.Fields() {
		if holds(f.Name+": "+f.Value(), h.want) {
			h.found = true
			return nil
		}
	}
	return h.scan(io.NewSectionReader(h.msg.body, p.header, p.body-p.header))
}

// leaf looks into a text, without its transfer encoding and as UTF-8. What cannot be
// decoded is looked through up to there, and what is of a character set that nobody knows
// as it stands there.
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
	text, err := mime.DecodeCharset(p.media.Params["charset"], r)
	if err != nil {
		text = r
	}
	err = h.scan(text)
	if errors.Is(err, mime.ErrEncoding) {
		return nil
	}
	return err
}

// scanPiece is how much is looked through at a time.
const scanPiece = 32 << 10

// scan looks through r. It holds one piece, and enough of the one before for a text that
// lies across.
func (h *hunt) scan(r io.Reader) error {
	in := ctxReader{h.msg.ctx, r}
	raw := make([]byte, scanPiece)
	var window []byte
	for cut := 0; ; {
		n, err := io.ReadFull(in, raw[cut:])
		piece := raw[:cut+n]
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		whole := len(piece)
		if !ended {
			whole = wholeRunes(piece)
		}
		window = fold(window, piece[:whole])
		cut = copy(raw, piece[whole:])
		if bytes.Contains(window, h.want) {
			h.found = true
			return nil
		}
		if ended {
			return nil
		}
		if err != nil {
			return fmt.Errorf("searching a message: %w", err)
		}
		kept := min(len(h.want), len(window))
		window = append(window[:0], window[len(window)-kept:]...)
	}
}

// wholeRunes is how much of a piece is not the beginning of a rune.
func wholeRunes(b []byte) int {
	for back := 1; back <= min(utf8.UTFMax-1, len(b)); back++ {
		if at := len(b) - back; utf8.RuneStart(b[at]) {
			if !utf8.FullRune(b[at:]) {
				return at
			}
			break
		}
	}
	return len(b)
}
