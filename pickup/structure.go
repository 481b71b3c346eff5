package pickup

import (
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postern/mime"
)

// maxText bounds a header value that an ENVELOPE or BODYSTRUCTURE repeats.
const maxText = 8 << 10

// envelope makes the ENVELOPE of a header (RFC 9051 §7.5.2). Encoded words
// stay as they are.
func envelope(h *mime.Header) *imap.Envelope {
	return &imap.Envelope{
		Date:      date(h),
		Subject:   text(h, "Subject"),
		From:      addresses(h, "From"),
		Sender:    addresses(h, "Sender"),
		ReplyTo:   addresses(h, "Reply-To"),
		To:        addresses(h, "To"),
		Cc:        addresses(h, "Cc"),
		Bcc:       addresses(h, "Bcc"),
		InReplyTo: messageIDs(h, "In-Reply-To"),
		MessageID: firstOf(messageIDs(h, "Message-ID")),
	}
}

// date is the Date of a header, the zero time if it cannot be read.
func date(h *mime.Header) time.Time {
	value := text(h, "Date")
	if value == "" {
		return time.Time{}
	}
	t, err := mail.ParseDate(value)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

func text(h *mime.Header, name string) string {
	v := h.Get(name)
	return v[:min(len(v), maxText)]
}

func addresses(h *mime.Header, name string) []imap.Address {
	var out []imap.Address
	for _, v := range h.Values(name) {
		out = append(out, parseAddresses(v)...)
		if len(out) >= maxAddresses {
			return out[:maxAddresses]
		}
	}
	return out
}

// messageIDs lists the identifiers of a field, without angle brackets.
func messageIDs(h *mime.Header, name string) []string {
	var ids []string
	rest := text(h, name)
	for {
		_, after, found := strings.Cut(rest, "<")
		id, more, closed := strings.Cut(after, ">")
		if !found || !closed {
			return ids
		}
		ids = append(ids, strings.TrimSpace(id))
		rest = more
	}
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// bodyStructure makes the BODYSTRUCTURE of a message (RFC 9051 §7.5.2). The
// depth of p is bounded by the scan that made it.
func (m *message) bodyStructure(p *part) (imap.BodyStructure, error) {
	h, err := m.headerOf(p)
	if err != nil {
		return nil, err
	}
	if p.media.Multipart() && len(p.children) > 0 {
		return m.multipart(p, h)
	}
	return m.single(p, h)
}

func (m *message) headerOf(p *part) (*mime.Header, error) {
	if p.head != nil && p.headed() {
		return parseHeader(p.head), nil
	}
	block, err := m.read(p.header, min(p.body, p.header+maxHeader))
	if err != nil {
		return nil, err
	}
	return parseHeader(block), nil
}

func (m *message) multipart(p *part, h *mime.Header) (imap.BodyStructure, error) {
	value, params := disposition(h)
	bs := &imap.BodyStructureMultiPart{
		Subtype: strings.TrimPrefix(p.media.Type, "multipart/"),
		Extended: &imap.BodyStructureMultiPartExt{
			Params:      boundParams(p.media.Params),
			Disposition: wireDisposition(value, params),
			Language:    languages(h),
			Location:    text(h, "Content-Location"),
		},
	}
	for _, child := range p.children {
		sub, err := m.bodyStructure(child)
		if err != nil {
			return nil, err
		}
		bs.Children = append(bs.Children, sub)
	}
	return bs, nil
}

func (m *message) single(p *part, h *mime.Header) (imap.BodyStructure, error) {
	media := shown(p)
	main, sub, _ := strings.Cut(media.Type, "/")
	value, params := disposition(h)
	bs := &imap.BodyStructureSinglePart{
		Type:        main,
		Subtype:     sub,
		Params:      boundParams(media.Params),
		ID:          text(h, "Content-ID"),
		Description: text(h, "Content-Description"),
		Encoding:    p.cte[:min(len(p.cte), maxParamLength)],
		Size:        uint32(min(p.end-p.body, 1<<32-1)),
		Extended: &imap.BodyStructureSinglePartExt{
			Disposition: wireDisposition(value, params),
			Language:    languages(h),
			Location:    text(h, "Content-Location"),
		},
	}
	if main == "text" {
		bs.Text = &imap.BodyStructureText{NumLines: p.lines}
	}
	if p.message == nil {
		return bs, nil
	}
	return bs, m.embedded(bs, p)
}

// shown is the media type of a part without parts. The grammar has no multipart
// without a part and no message whose inside cannot be read (RFC 9051 §9).
func shown(p *part) mime.MediaType {
	switch {
	case strings.HasPrefix(p.media.Type, "multipart/"):
		return mime.MediaType{Type: "text/plain"}
	case p.message == nil && p.media.Is("message/rfc822", "message/global"):
		return mime.MediaType{Type: "application/octet-stream"}
	}
	return p.media
}

// embedded adds what message/rfc822 shows of the message inside.
func (m *message) embedded(bs *imap.BodyStructureSinglePart, p *part) error {
	h, err := m.headerOf(p.message)
	if err != nil {
		return err
	}
	inner, err := m.bodyStructure(p.message)
	if err != nil {
		return err
	}
	bs.MessageRFC822 = &imap.BodyStructureMessageRFC822{
		Envelope:      envelope(h),
		BodyStructure: inner,
		NumLines:      p.lines,
	}
	return nil
}

func wireDisposition(value string, params map[string]string) *imap.BodyStructureDisposition {
	if value == "" {
		return nil
	}
	return &imap.BodyStructureDisposition{Value: value, Params: params}
}

func languages(h *mime.Header) []string {
	var out []string
	for _, l := range strings.Split(text(h, "Content-Language"), ",") {
		if l = strings.TrimSpace(l); l != "" && len(out) < maxParams {
			out = append(out, l)
		}
	}
	return out
}
