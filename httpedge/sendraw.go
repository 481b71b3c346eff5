package httpedge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/url"

	"postern/mime"
	"postern/trust/reason"
)

// maxLine is the octets of a line without its CRLF (RFC 5322 §2.1.1).
const maxLine = 998

// readRaw takes a message as it is, in pieces. Its recipients are those of the query,
// or all that its header names.
func (s *Server) readRaw(r *request, in *body, p *posting) error {
	err := p.name(r.query)
	if err != nil {
		return err
	}
	head, rest, err := readHead(&lines{r: mime.CheckLines(in, maxLine)})
	if err != nil {
		return err
	}
	p.content, p.MessageID = rest, head.OnlyMessageID()
	return p.complete(head)
}

// readHead reads a header, and returns the whole message once more.
func readHead(r io.Reader) (*mime.Header, io.Reader, error) {
	var raw bytes.Buffer
	in := bufio.NewReaderSize(io.TeeReader(r, &raw), 4<<10)
	head, err := mime.ReadHeader(in, mime.Limits{})
	if errors.Is(err, mime.ErrHeader) || errors.Is(err, mime.ErrLimit) {
		return nil, nil, reason.New(reason.BadHeader, "%w", err)
	}
	if err != nil {
		return nil, nil, err
	}
	return head, io.MultiReader(&raw, r), nil
}

// lines gives the errors of line ends their reason, and ends the last line.
type lines struct {
	r     io.Reader
	last  [2]byte
	ended bool
	rest  []byte
}

// Read implements io.Reader.
func (l *lines) Read(p []byte) (int, error) {
	if l.ended {
		n := copy(p, l.rest)
		l.rest = l.rest[n:]
		if len(l.rest) == 0 {
			return n, io.EOF
		}
		return n, nil
	}
	n, err := l.r.Read(p)
	for _, c := range p[max(0, n-2):n] {
		l.last = [2]byte{l.last[1], c}
	}
	switch {
	case errors.Is(err, io.EOF):
		l.ended, err = true, nil
		if l.last != [2]byte{'\r', '\n'} {
			l.rest = []byte("\r\n")
		}
	case errors.Is(err, mime.ErrBareCR), errors.Is(err, mime.ErrBareLF):
		err = reason.New(reason.BadLineEnding, "%w", err)
	case errors.Is(err, mime.ErrLineLength):
		err = reason.New(reason.LineTooLong, "%w", err)
	case errors.Is(err, mime.ErrNUL):
		err = reason.New(reason.Malformed, "%w", err)
	}
	return n, err
}

// name takes whom the query names.
func (p *posting) name(query url.Values) (err error) {
	for _, value := range query["to"] {
		a, err := parameterAddress("to", value)
		if err != nil {
			return err
		}
		p.To = append(p.To, a)
	}
	p.To = mime.Distinct(p.To)
	if query.Has("from") {
		p.From, err = parameterAddress("from", query.Get("from"))
	}
	return err
}

// complete takes those of the header where the query has none.
func (p *posting) complete(head *mime.Header) error {
	if len(p.To) == 0 {
		for _, name := range []string{"To", "Cc", "Bcc"} {
			all, err := head.Addresses(name)
			if err != nil {
				return problemDetail(reason.BadHeader, "the addresses cannot be read", name)
			}
			p.To = append(p.To, all...)
		}
		p.To = mime.Distinct(p.To)
	}
	if p.From.IsZero() {
		all, err := head.Addresses("From")
		if err != nil || len(all) != 1 {
			return problemDetail(reason.BadHeader, "From must hold exactly one address", "From")
		}
		p.From = all[0]
	}
	return nil
}

func parameterAddress(name, value string) (mime.Address, error) {
	a, err := mime.ParseAddress(value)
	if err != nil {
		return a, wrong(name, "it is not an address")
	}
	return a, nil
}
