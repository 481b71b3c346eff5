package httpedge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"postern/mime"
	"postern/trust/reason"
)

// letterShown is a received message in JSON.
type letterShown struct {
	listed
	MessageID string       `json:"message_id"`
	From      []string     `json:"from"`
	To        []string     `json:"to"`
	Cc        []string     `json:"cc"`
	Subject   string       `json:"subject"`
	Date      string       `json:"date"`
	InReplyTo []string     `json:"in_reply_to"`
	Notice    bool         `json:"notice"` // a notification about a message that was sent
	Fields    []fieldShown `json:"fields"`
	Text      string       `json:"text"`
	HTML      string       `json:"html"`
	Cut       bool         `json:"cut"` // there is more than is shown
	Parts     []partShown  `json:"parts"`
}

type fieldShown struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type partShown struct {
	Part       int    `json:"part"`
	Type       string `json:"type"`
	Charset    string `json:"charset"`
	Name       string `json:"name"`
	Attachment bool   `json:"attachment"` // and no text of the message itself
	ContentID  string `json:"content_id"`
	Size       int64  `json:"size"` // in its transfer encoding
}

// An opened message is one that is being read.
type opened struct {
	Received
	body   Body
	header *mime.Header
	leaves []mime.Leaf
}

// openMessage opens a message. HEAD gets nothing of its content, and so has not read it.
func (s *Server) openMessage(r *request) (*opened, error) {
	open := s.backend.Open
	if r.Method == http.MethodHead {
		open = s.backend.Look
	}
	m, body, err := open(r.Context(), r.login, r.values["id"])
	if err != nil {
		return nil, err
	}
	return &opened{Received: m, body: body}, nil
}

// outline finds the parts.
func (o *opened) outline(ctx context.Context) error {
	whole := readerOf(ctx, o.body, 0, o.body.Size())
	var err error
	o.header, o.leaves, err = mime.Outline(whole, mime.Limits{Parts: maxShownParts})
	if errors.Is(err, mime.ErrLimit) {
		p := problemDetail(reason.Malformed, "the message has too many parts, or too large a header: take it as it is", "")
		p.Advice = ""
		return p
	}
	return err
}

// rawMessage sends a message as it was delivered.
func (s *Server) rawMessage(w http.ResponseWriter, r *request) error {
	o, err := s.openMessage(r)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "message/rfc822")
	h.Set("Content-Length", strconv.FormatInt(o.body.Size(), 10))
	h.Set("Content-Disposition", `attachment; filename="message.eml"`)
	if r.Method == http.MethodHead {
		return nil
	}
	s.stream(w, readerOf(r.Context(), o.body, 0, o.body.Size()))
	// It was sent, whether or not the client is still there.
	noting, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), s.options.Silence)
	defer cancel()
	err = s.backend.Took(noting, r.login, o.ID)
	if err != nil && !errors.Is(err, ErrNotFound) { // it is gone
		s.options.Log.Error("that a message was read could not be noted", "err", err)
	}
	return nil
}

// readMessage shows a message for those who would rather not take it apart.
func (s *Server) readMessage(w http.ResponseWriter, r *request) error {
	o, err := s.openMessage(r)
	if err != nil {
		return err
	}
	end, err := s.reading(r, o.body.Size())
	if err != nil {
		return err
	}
	defer end() // when the answer was sent
	err = o.outline(r.Context())
	if err != nil {
		return err
	}
	out, err := o.show(r.Context())
	if err != nil {
		return err
	}
	return s.respond(w, http.StatusOK, out)
}

// readPart sends a part without its transfer encoding.
func (s *Server) readPart(w http.ResponseWriter, r *request) error {
	n, err := strconv.Atoi(r.values["part"])
	if err != nil || n < 1 || n > maxShownParts || strconv.Itoa(n) != r.values["part"] {
		return notFound()
	}
	o, err := s.openMessage(r)
	if err != nil {
		return err
	}
	leaf, err := s.leaf(r, o, n)
	if err != nil {
		return err
	}
	decoded, err := mime.DecodeTransfer(leaf.Header, readerOf(r.Context(), o.body, leaf.From, leaf.To))
	if err != nil {
		return problemDetail(reason.Malformed, "the part is not encoded as it says: take the message as it is", "")
	}
	in := bufio.NewReaderSize(decoded, 64<<10)
	_, err = in.Peek(1) // a fault at the beginning can be told
	if errors.Is(err, mime.ErrEncoding) {
		return problemDetail(reason.Malformed, "the part is not encoded as it says: take the message as it is", "")
	}
	// Whatever a browser is told it is, it must not run (RFC 6266).
	w.Header().Set("Content-Type", mime.FormatType(leaf.Media))
	w.Header().Set("Content-Disposition", mime.FormatAttachment(fileName(leaf)))
	if r.Method == http.MethodHead {
		return nil
	}
	s.stream(w, in)
	return nil
}

// leaf finds a part.
func (s *Server) leaf(r *request, o *opened, n int) (mime.Leaf, error) {
	end, err := s.reading(r, o.body.Size())
	if err != nil {
		return mime.Leaf{}, err
	}
	defer end()
	err = o.outline(r.Context())
	if err == nil && n > len(o.leaves) {
		err = notFound()
	}
	if err != nil {
		return mime.Leaf{}, err
	}
	return o.leaves[n-1], nil
}

// addressTexts lists the addresses of a field; of one that cannot be read, none: it is
// among the fields.
func addressTexts(h *mime.Header, name string) []string {
	out := []string{}
	all, err := h.Addresses(name)
	if err != nil {
		return out
	}
	for _, a := range all {
		out = append(out, a.String())
	}
	return out
}

// dateText is the date in the form of RFC 3339, or "" if it has none that can be read.
func dateText(h *mime.Header) string {
	plain, err := mime.PlainDate(h.Get("Date"))
	if err != nil {
		return ""
	}
	t, err := mime.ParseDate(plain)
	if err != nil {
		return ""
	}
	return t.Format(time.RFC3339)
}

// readerOf reads a piece of a body, until ctx is done.
func readerOf(ctx context.Context, b Body, from, to int64) io.Reader {
	return &bodyReader{ctx, io.NewSectionReader(b, from, to-from)}
}

type bodyReader struct {
	ctx context.Context
	*io.SectionReader
}

// Read implements io.Reader. What was read to its end has ended, whoever has gone since.
func (b *bodyReader) Read(p []byte) (int, error) {
	err := b.ctx.Err()
	at, _ := b.Seek(0, io.SeekCurrent) // which never fails
	if err != nil && at < b.Size() {
		return 0, err
	}
	return b.SectionReader.Read(p)
}
