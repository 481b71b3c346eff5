package httpedge

import (
	"context"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/mime"
)

// Bounds on what is shown of a message within JSON, in octets but for the counts. All of
// it is in its raw form.
const (
	maxShownText   = 1 << 20 // of the text, and of its HTML
	maxShownRest   = 1 << 20 // of all the rest together
	maxShownFields = 200
	maxShownValue  = 8 << 10
	maxShownParts  = 1000

	maxShownName    = 255 // of a file
	maxShownCharset = 64
	maxShownID      = maxLine
)

// reading is what showing a message takes of memory at most, in octets: what is shown,
// that in JSON, and the headers that it is made of. One that is small takes less.
const reading = 24 << 20

// readingOf is what showing a message of a size takes.
func readingOf(size int64) int64 { return min(max(size, 1<<10)*16, reading) }

// A showing is a message on its way into JSON.
type showing struct {
	*opened
	ctx  context.Context
	out  *letterShown
	left int // of maxShownRest

	text, html strings.Builder // of one part or of several
	forms      forms
}

func (o *opened) show(ctx context.Context) (*letterShown, error) {
	h := o.header
	s := &showing{opened: o, ctx: ctx, left: maxShownRest, out: &letterShown{
		listed: newListed(o.Received), MessageID: h.MessageID(),
		From: addressTexts(h, "From"), To: addressTexts(h, "To"), Cc: addressTexts(h, "Cc"),
		Date: dateText(h), InReplyTo: []string{},
		Notice: mime.IsNotification(h), Fields: []fieldShown{}, Parts: []partShown{},
	}, forms: make(forms)}
	s.out.Subject = s.value(mime.DecodeText(h.Get("Subject")), maxShownValue)
	if h.Has("In-Reply-To") {
		s.out.InReplyTo = append(s.out.InReplyTo, mime.RepliesTo(h)...)
	}
	for i, f := range h.Fields() {
		if i == maxShownFields {
			s.out.Cut = true
			break
		}
		s.out.Fields = append(s.out.Fields, fieldShown{s.value(f.Name, maxShownValue), s.value(mime.DecodeText(f.Value()), maxShownValue)})
	}
	for i := range o.leaves {
		err := s.part(i)
		if err != nil {
			return nil, err
		}
	}
	s.out.Cut = s.out.Cut || s.forms.differ()
	s.out.Text, s.out.HTML = s.text.String(), s.html.String()
	return s.out, nil
}

// value is a text beside that of the message, in one line, as far as there is room for it.
func (s *showing) value(text string, most int) string {
	text = strings.Map(oneLine, readable(text))
	short := cut(text, min(most, s.left))
	s.out.Cut = s.out.Cut || len(short) < len(text)
	s.left -= len(short)
	return short
}

// part tells of a part. Texts that are not attached are shown, one behind the other.
func (s *showing) part(i int) error {
	leaf := s.leaves[i]
	part := partShown{
		Part: i + 1, Type: s.value(leaf.Media.Type, maxShownName), Charset: s.value(leaf.Media.Params["charset"], maxShownCharset),
		Name: s.value(fileName(leaf), maxShownName), ContentID: s.value(leaf.Header.Get("Content-ID"), maxShownID),
		Attachment: isAttached(leaf), Size: leaf.To - leaf.From,
	}
	s.out.Parts = append(s.out.Parts, part)
	switch {
	case part.Attachment:
		return nil
	case leaf.Media.Is("text/html"):
		return s.add(leaf, &s.html, inHTML)
	}
	return s.add(leaf, &s.text, inText)
}

// add shows a text behind those before it.
func (s *showing) add(leaf mime.Leaf, to *strings.Builder, as form) error {
	if to.Len() >= maxShownText {
		s.out.Cut = true
		return nil
	}
	text, whole, err := s.decode(leaf)
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) != "" || !whole {
		s.forms.add(leaf, as)
	}
	if to.Len() > 0 && !strings.HasSuffix(to.String(), "\n") && text != "" {
		text = "\r\n" + text
	}
	short := cut(text, maxShownText-to.Len())
	to.WriteString(short)
	s.out.Cut = s.out.Cut || !whole || len(short) < len(text)
	return nil
}

// decode decodes a text into UTF-8, as far as it can be shown. What cannot be decoded is
// left to whoever takes the part.
func (s *showing) decode(leaf mime.Leaf) (text string, whole bool, err error) {
	decoded, err := mime.DecodeTransfer(leaf.Header, readerOf(s.ctx, s.body, leaf.From, leaf.To))
	if err == nil {
		decoded, err = mime.DecodeCharset(leaf.Media.Params["charset"], decoded)
	}
	if err != nil {
		return "", false, nil
	}
	raw, err := io.ReadAll(io.LimitReader(decoded, maxShownText+utf8.UTFMax))
	if errors.Is(err, mime.ErrEncoding) {
		return "", false, nil
	}
	return readable(string(raw)), true, err
}

// readable is a text in UTF-8 without control characters, but those of lines and pages:
// they say nothing to people, and each would be six octets of JSON.
func readable(s string) string {
	return strings.Map(func(r rune) rune {
		if notInText(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// oneLine keeps what encoded words hold from ending the line that it is put into.
func oneLine(r rune) rune {
	if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
		return ' '
	}
	return r
}

// cut is the beginning of a text in UTF-8, of at most so many octets.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:max(0, most)]
}

func isAttached(leaf mime.Leaf) bool {
	disposition, _, _ := strings.Cut(leaf.Header.Get("Content-Disposition"), ";")
	return strings.EqualFold(strings.TrimSpace(disposition), "attachment") || leaf.Header.FileName() != "" ||
		!leaf.Media.Is("text/plain", "text/html")
}

// fileName is the name of a part, as one that is safe to show: without folders and
// control characters, and none of dots alone, which is a folder, also with blanks about
// them, which some systems drop.
func fileName(leaf mime.Leaf) string {
	name := mime.DecodeText(leaf.Header.FileName())
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if notInName(r) {
			return -1
		}
		return r
	}, name)
	if strings.Trim(name, ". ") == "" {
		return ""
	}
	return cut(name, maxShownName)
}
