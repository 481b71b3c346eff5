package httpedge

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"postern/mime"
	"postern/mime/mdn"
	"postern/trust/reason"
)

// Bounds on a message in JSON, in octets but for the counts.
const (
	maxSubject     = 2000
	maxName        = 255 // of a person or a file
	maxType        = 255
	maxAttachments = 100
	maxAddressText = mime.MaxAddress + 2
	// leastPace is how fast what is held in memory must come or go, in octets a second.
	leastPace = 32 << 10
)

// A letter is a message as it stands in JSON.
type letter struct {
	from          string
	name          string
	to, cc, bcc   []string
	subject       string
	text, html    string
	inReplyTo     string
	notice        bool
	attachments   []attached
	octets, limit int64 // held of it, and how many that may be
}

// An attached document, in memory.
type attached struct {
	name, mediaType string
	content         chunks
	there           bool // the content was
}

// readJSON takes a message within JSON. What is attached is in memory until it is
// taken, so that large ones take turns.
func (s *Server) readJSON(r *request, in *body, p *posting) error {
	text, size, err := s.sizeUp(r, in)
	if err != nil {
		return err
	}
	end, err := s.taking(r, in, size)
	if err != nil {
		return err
	}
	p.atEnd(end)
	l := &letter{limit: s.options.MessageBytes}
	err = l.read(newJSONReader(text), s.options.Recipients)
	if err == nil {
		err = in.drain() // to the last octet, for the digest
	}
	if err != nil {
		return err
	}
	message, err := l.compose(r.login.Account, &p.Outgoing)
	if err != nil {
		return err
	}
	out := composing(message)
	p.atEnd(func() { _ = out.Close() })
	p.content = mime.LimitReader(out, s.options.MessageBytes, reason.New(reason.TooLarge, "a message beyond the limit"))
	return nil
}

// sizeUp finds out what a message within JSON takes of memory, which is up to twice its
// octets while it grows and until they are collected, and returns the text to read. One
// whose size is not announced, as clients of HTTP/2 may leave it, is read a little way.
func (s *Server) sizeUp(r *request, in *body) (text io.Reader, size int64, err error) {
	if r.ContentLength >= 0 {
		return in, 2 * min(r.ContentLength, s.options.MessageBytes), nil
	}
	var head bytes.Buffer
	n, err := io.CopyN(&head, in, smallRoom/2)
	switch {
	case errors.Is(err, io.EOF):
		return &head, n, nil
	case err != nil:
		return nil, 0, err
	}
	return io.MultiReader(&head, in), 2 * s.options.MessageBytes, nil
}

// read reads the whole text.
func (l *letter) read(j *jsonReader, recipients int) error {
	text := func(to *string, most int) func() error {
		return func() (err error) {
			*to, err = j.text(most)
			return err
		}
	}
	list := func(to *[]string) func() error {
		return func() error {
			return j.array(recipients, func() error {
				a, err := j.text(maxAddressText)
				*to = append(*to, a)
				return err
			})
		}
	}
	long := func(to *string) func() error {
		return func() (err error) {
			*to, err = j.text(int(min(l.limit-l.octets, 1<<30)))
			l.octets += int64(len(*to))
			return err
		}
	}
	err := j.object(map[string]func() error{
		"from": text(&l.from, maxAddressText), "from_name": text(&l.name, maxName),
		"to": list(&l.to), "cc": list(&l.cc), "bcc": list(&l.bcc),
		"subject": text(&l.subject, maxSubject), "text": long(&l.text), "html": long(&l.html),
		"in_reply_to": text(&l.inReplyTo, maxLine),
		"request_delivery_notice": func() (err error) {
			l.notice, err = j.boolean()
			return err
		},
		"attachments": func() error {
			return j.array(maxAttachments, func() error { return l.readAttachment(j) })
		},
	})
	if err == nil {
		err = j.end()
	}
	return err
}

func (l *letter) readAttachment(j *jsonReader) error {
	l.attachments = append(l.attachments, attached{})
	a := &l.attachments[len(l.attachments)-1]
	err := j.object(map[string]func() error{
		"name": func() (err error) {
			a.name, err = j.text(maxName)
			return err
		},
		"type": func() (err error) {
			a.mediaType, err = j.text(maxType)
			return err
		},
		"content": func() error {
			a.there = true
			return l.readContent(j, a)
		},
	})
	if err == nil && !a.there {
		err = j.fault("an attachment has no content")
	}
	return err
}

// readContent decodes base64 (RFC 4648 §4) as it comes.
func (l *letter) readContent(j *jsonReader, a *attached) error {
	d := &base64Writer{to: &a.content, left: l.limit - l.octets}
	err := j.stringTo(d)
	if err == nil {
		err = d.end()
	}
	l.octets += a.content.n
	switch {
	case errors.Is(err, errBase64):
		return j.fault("content that is not base64")
	case errors.Is(err, errLong):
		return tooLarge()
	}
	return err
}

var errBase64 = errors.New("not base64")

// A base64Writer decodes what is written, groups of four at a time.
type base64Writer struct {
	to    *chunks
	left  int64
	rest  [4]byte
	n     int
	ended bool // by padding
}

// Write implements io.Writer.
func (b *base64Writer) Write(p []byte) (int, error) {
	written := len(p)
	for b.n > 0 && len(p) > 0 {
		b.rest[b.n] = p[0]
		b.n, p = b.n+1, p[1:]
		if b.n == 4 {
			b.n = 0
			err := b.decode(b.rest[:])
			if err != nil {
				return 0, err
			}
		}
	}
	whole := len(p) / 4 * 4
	err := b.decode(p[:whole])
	if err != nil {
		return 0, err
	}
	if whole < len(p) {
		b.n = copy(b.rest[:], p[whole:])
	}
	return written, nil
}

func (b *base64Writer) decode(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if b.ended || bytes.ContainsAny(p, "\r\n") { // which the decoder would pass over
		return errBase64
	}
	b.ended = p[len(p)-1] == '='
	size := base64.StdEncoding.DecodedLen(len(p)) // of what the reader holds at most
	if int64(size-2) > b.left {
		return errLong
	}
	n, err := base64.StdEncoding.Strict().Decode(b.to.room(size), p)
	if err != nil {
		return errBase64
	}
	b.left -= int64(n)
	b.to.take(n)
	return nil
}

func (b *base64Writer) end() error {
	if b.n > 0 {
		return errBase64
	}
	return nil
}

// compose checks the members and makes the message of them, and m of whom they name.
// Nothing of them can become another header field: mime refuses control characters in
// texts.
func (l *letter) compose(account mime.Address, m *Outgoing) (*mime.Message, error) {
	h := &mime.Header{}
	err := l.address(h, account, m)
	if err != nil {
		return nil, err
	}
	err = l.more(h, m.From)
	if err != nil {
		return nil, err
	}
	for member, text := range map[string]string{"text": l.text, "html": l.html} {
		if strings.ContainsFunc(text, notInText) {
			return nil, unfit(member)
		}
	}
	all, err := l.documents()
	return &mime.Message{Header: h, Text: l.text, HTML: l.html, Attachments: all}, err
}

// address names sender and recipients, the latter first: a message that is refused for
// its sender is known by them.
func (l *letter) address(h *mime.Header, account mime.Address, m *Outgoing) error {
	for _, field := range []struct {
		member, name string
		all          []string
	}{{"to", "To", l.to}, {"cc", "Cc", l.cc}, {"bcc", "", l.bcc}} {
		addresses, err := memberAddresses(field.member, field.all)
		if err != nil {
			return err
		}
		m.To = append(m.To, addresses...)
		if field.name != "" && len(addresses) > 0 {
			err = h.Add(field.name, addressList(addresses))
		}
		if err != nil {
			return unfit(field.member)
		}
	}
	m.To, m.From = mime.Distinct(m.To), account
	if l.from != "" {
		var err error
		m.From, err = memberAddress("from", l.from)
		if err != nil {
			return err
		}
	}
	author, err := mime.EncodeMailbox(l.name, m.From)
	if err == nil {
		err = h.Prepend("From", author)
	}
	if err != nil {
		return unfit("from_name")
	}
	return nil
}

// more adds the fields that a message need not have.
func (l *letter) more(h *mime.Header, from mime.Address) error {
	subject, err := mime.EncodeText(l.subject)
	if err == nil {
		err = h.Add("Subject", subject)
	}
	if err != nil {
		return unfit("subject")
	}
	if l.inReplyTo != "" {
		id := mime.ParseMessageID(l.inReplyTo)
		if id == "" || strings.Trim(l.inReplyTo, "<>") != strings.Trim(id, "<>") { // no more and no less
			return unfit("in_reply_to")
		}
		err = errors.Join(h.Add("In-Reply-To", id), h.Add("References", id))
		if err != nil {
			return unfit("in_reply_to")
		}
	}
	if l.notice { // DN-1
		err = errors.Join(h.Add(mdn.NotificationTo, from.String()), h.Add(mdn.NotificationOptions, mdn.RequestFinalDelivery))
		if err != nil {
			return unfit("request_delivery_notice")
		}
	}
	return nil
}

func (l *letter) documents() ([]mime.Attachment, error) {
	var all []mime.Attachment
	for i := range l.attachments {
		a := &l.attachments[i]
		member := fmt.Sprintf("attachments.%d.", i)
		if strings.ContainsFunc(a.name, notInName) {
			return nil, unfit(member + "name")
		}
		document := mime.Attachment{Type: a.mediaType, Name: a.name, Content: &a.content}
		err := document.Check()
		if err != nil {
			return nil, unfit(member + "type")
		}
		all = append(all, document)
	}
	return all, nil
}

// notInName is what no file name may have: it is a name and no path, and of one line.
func notInName(r rune) bool {
	return unicode.IsControl(r) || r == '/' || r == '\\' || r == unicode.ReplacementChar || unicode.Is(unicode.Bidi_Control, r)
}

// notInText is what no text has: controls of terminals, and NUL, at which readers end.
func notInText(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\f", r) }

// unfit says which member cannot be put into a message.
func unfit(member string) *problem {
	return problemDetail(reason.BadHeader, "the member holds what no message may", member)
}

func memberAddresses(member string, all []string) ([]mime.Address, error) {
	var out []mime.Address
	for i, text := range all {
		a, err := memberAddress(fmt.Sprintf("%s.%d", member, i), text)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

func memberAddress(member, text string) (mime.Address, error) {
	a, err := mime.ParseAddress(text)
	if err != nil {
		return a, problemDetail(reason.BadHeader, "it is not an address", member)
	}
	return a, nil
}

func addressList(all []mime.Address) string {
	var texts []string
	for _, a := range all {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}

// composing returns a reader of a message that is written while it is read. Closing it
// waits until nothing is written any more.
func composing(m *mime.Message) io.ReadCloser {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(m.Compose(w, nil))
	}()
	return &pipe{r, done}
}

type pipe struct {
	*io.PipeReader
	done chan struct{}
}

// Close implements io.Closer.
func (p *pipe) Close() error {
	err := p.PipeReader.Close()
	<-p.done
	return err
}
