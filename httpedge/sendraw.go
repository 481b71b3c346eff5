package httpedge

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"postern/mime"
	"postern/trust/reason"
)

// maxLine is the octets of a line without its CRLF (RFC 5322 §2.1.1).
const maxLine = 998

// sendRaw takes a message as it is, in pieces. Its recipients are those of the query,
// or all that its header names.
func (s *Server) sendRaw(r *request, in *body, key string) (Sent, error) {
	checked := &lines{r: mime.CheckLines(in, maxLine)}
	head, rest, err := readHead(checked)
	if err != nil {
		return Sent{}, err
	}
	m := Outgoing{Key: key, Digest: in.sum}
	m.From, err = senderOf(r, head)
	if err == nil {
		m.To, err = recipientsOf(r, head)
	}
	if err == nil {
		err = s.check(r, m)
	}
	if err != nil {
		return Sent{}, err
	}
	return s.backend.Send(r.Context(), r.login, m, rest)
}

// readHead reads a header, and returns the whole message once more.
func readHead(r io.Reader) (*mime.Header, io.Reader, error) {
	var raw bytes.Buffer
	in := bufio.NewReaderSize(io.TeeReader(r, &raw), 4<<10)
	head, err := mime.ReadHeader(in, mime.Limits{})
	if errors.Is(err, mime.ErrHeader) || errors.Is(err, mime.ErrLimit) {
		return nil, nil, problemFor(reason.BadHeader)
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

// senderOf is whom the request names, or else the author.
func senderOf(r *request, head *mime.Header) (mime.Address, error) {
	if r.query.Has("from") {
		return parameterAddress("from", r.query.Get("from"))
	}
	all, err := head.Addresses("From")
	if err != nil || len(all) != 1 {
		return mime.Address{}, problemDetail(reason.BadHeader, "From must hold exactly one address", "From")
	}
	return all[0], nil
}

func recipientsOf(r *request, head *mime.Header) ([]mime.Address, error) {
	var to []mime.Address
	for _, value := range r.query["to"] {
		a, err := parameterAddress("to", value)
		if err != nil {
			return nil, err
		}
		to = append(to, a)
	}
	if len(to) > 0 {
		return distinct(to), nil
	}
	for _, name := range []string{"To", "Cc", "Bcc"} {
		all, err := head.Addresses(name)
		if err != nil {
			return nil, problemDetail(reason.BadHeader, "the addresses cannot be read", name)
		}
		to = append(to, all...)
	}
	return distinct(to), nil
}

func parameterAddress(name, value string) (mime.Address, error) {
	a, err := mime.ParseAddress(value)
	if err != nil {
		return a, wrong(name, "it is not an address")
	}
	return a, nil
}
