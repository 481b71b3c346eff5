package httpedge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"postern/mime"
	"postern/trust/reason"
)

// Bounds on what is shown of a message within JSON. All of it is in its raw form.
const (
	maxShownText   = 1 << 20 // octets of the text, and of its HTML
	maxShownFields = 200
	maxShownValue  = 8 << 10
	maxShownParts  = 1000
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

func (s *Server) openMessage(r *request) (*opened, error) {
	m, body, err := s.backend.Open(r.Context(), r.login, r.values["id"])
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
	err = s.backend.Took(r.Context(), r.login, o.ID)
	if err != nil {
		s.options.Log.Error("that a message was read could not be noted", "err", err)
	}
	return nil
}

// readMessage shows a message for those who would rather not take it apart.
func (s *Server) readMessage(w http.ResponseWriter, r *request) error {
	o, err := s.openMessage(r)
	if err == nil {
		err = o.outline(r.Context())
	}
	if err != nil {
		return gone(r, err)
	}
	out, err := o.show(r.Context())
	if err != nil {
		return gone(r, err)
	}
	return s.respond(w, http.StatusOK, out)
}

func (o *opened) show(ctx context.Context) (*letterShown, error) {
	h := o.header
	out := &letterShown{
		listed: newListed(o.Received), MessageID: h.MessageID(),
		From: addressTexts(h, "From"), To: addressTexts(h, "To"), Cc: addressTexts(h, "Cc"),
		Subject: value(mime.DecodeText(h.Get("Subject"))), Date: dateText(h), InReplyTo: []string{},
		Notice: mime.IsNotification(h), Fields: []fieldShown{}, Parts: []partShown{},
	}
	if h.Has("In-Reply-To") {
		out.InReplyTo = append(out.InReplyTo, mime.RepliesTo(h)...)
	}
	for i, f := range h.Fields() {
		if i == maxShownFields {
			out.Cut = true
			break
		}
		v := mime.DecodeText(f.Value())
		out.Cut = out.Cut || len(v) > maxShownValue
		out.Fields = append(out.Fields, fieldShown{f.Name, value(v)})
	}
	for i := range o.leaves {
		err := o.showPart(ctx, i, out)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// showPart tells of a part. The first text, and the first HTML, that are not attached
// are shown whole.
func (o *opened) showPart(ctx context.Context, i int, out *letterShown) error {
	leaf := o.leaves[i]
	part := partShown{
		Part: i + 1, Type: leaf.Media.Type, Charset: value(leaf.Media.Params["charset"]), Name: fileName(leaf),
		ContentID: value(leaf.Header.Get("Content-ID")), Size: leaf.To - leaf.From,
	}
	part.Attachment = isAttached(leaf)
	out.Parts = append(out.Parts, part)
	if part.Attachment {
		return nil
	}
	to := map[string]*string{"text/plain": &out.Text, "text/html": &out.HTML}[part.Type]
	if to == nil || *to != "" {
		return nil
	}
	text, cut, err := o.text(ctx, leaf)
	*to, out.Cut = text, out.Cut || cut
	return err
}

func isAttached(leaf mime.Leaf) bool {
	disposition, _, _ := strings.Cut(leaf.Header.Get("Content-Disposition"), ";")
	return strings.EqualFold(strings.TrimSpace(disposition), "attachment") || leaf.Header.FileName() != "" ||
		!leaf.Media.Is("text/plain", "text/html")
}

// text decodes a text into UTF-8, as far as it is shown. What cannot be decoded is left
// to whoever takes the part.
func (o *opened) text(ctx context.Context, leaf mime.Leaf) (text string, cut bool, err error) {
	decoded, err := mime.DecodeTransfer(leaf.Header, readerOf(ctx, o.body, leaf.From, leaf.To))
	if err != nil {
		return "", true, nil
	}
	decoded, err = mime.DecodeCharset(leaf.Media.Params["charset"], decoded)
	if err != nil {
		return "", true, nil
	}
	raw, err := io.ReadAll(io.LimitReader(decoded, maxShownText+utf8.UTFMax))
	if errors.Is(err, mime.ErrEncoding) {
		return "", true, nil
	}
	if err != nil {
		return "", false, err
	}
	if len(raw) > maxShownText {
		raw, cut = raw[:maxShownText], true
		for len(raw) > 0 && !utf8.RuneStart(raw[len(raw)-1]) {
			raw = raw[:len(raw)-1]
		}
		raw = raw[:max(0, len(raw)-1)]
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD"), cut, nil
}

// readPart sends a part without its transfer encoding.
func (s *Server) readPart(w http.ResponseWriter, r *request) error {
	n, err := strconv.Atoi(r.values["part"])
	if err != nil || n < 1 || n > maxShownParts || strconv.Itoa(n) != r.values["part"] {
		return notFound()
	}
	o, err := s.openMessage(r)
	if err == nil {
		err = o.outline(r.Context())
	}
	if err != nil {
		return gone(r, err)
	}
	if n > len(o.leaves) {
		return notFound()
	}
	leaf := o.leaves[n-1]
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

// fileName is the name of a part, as one that is safe to show: without folders and
// control characters.
func fileName(leaf mime.Leaf) string {
	name := mime.DecodeText(leaf.Header.FileName())
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	return value(strings.Map(func(r rune) rune {
		if notInName(r) {
			return -1
		}
		return r
	}, name))
}

// value cuts what is too long to show.
func value(s string) string {
	if len(s) <= maxShownValue {
		return s
	}
	return strings.ToValidUTF8(s[:maxShownValue], "")
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
	r   io.Reader
}

// Read implements io.Reader.
func (b *bodyReader) Read(p []byte) (int, error) {
	err := b.ctx.Err()
	if err != nil {
		return 0, err
	}
	return b.r.Read(p)
}
