package mime

import (
	"bufio"
	"fmt"
	"io"
	stdmime "mime"
	"strings"

	message "github.com/emersion/go-message"
)

// A Message is a new multipart/mixed message (RFC 2046 §5.1.3): a text and what
// is attached to it.
type Message struct {
	// Header has the fields of the message but for those of MIME, which Compose
	// adds.
	Header *Header
	// Text is the first part, in UTF-8. Its line ends become CRLF.
	Text string
	// HTML is another form of Text, in UTF-8; "" is none. The two go as a
	// multipart/alternative (RFC 2046 §5.1.4).
	HTML string
	// Attachments follow the text in their order.
	Attachments []Attachment
}

// An Attachment is a document that goes with a message, octet for octet.
type Attachment struct {
	// Type is the media type with its parameters; empty means
	// application/octet-stream. A charset must be utf-8 or us-ascii. Multiparts
	// and messages cannot be attached: they may not go in base64 (RFC 2045 §6.4).
	Type string
	// Name is the file name offered to the reader, in UTF-8; it may be empty.
	Name string
	// Content is read to its end, once.
	Content io.Reader
}

// Compose writes the whole message to w with CRLF line ends, all of it 7-bit as
// long as the fields of Header are, and holds none of an attachment in memory.
// Attachments go in base64, in lines of 76 characters (CP-5). The boundary is
// unique by 128 bits from rand; nil means the system's randomness. An attachment
// of an unfit type is an error wrapping ErrMediaType.
func (m *Message) Compose(w io.Writer, rand io.Reader) error {
	out := bufio.NewWriter(w) // the library writes line by line
	err := m.compose(out, rand)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("composing a message: %w", err)
	}
	return nil
}

func (m *Message) compose(w io.Writer, rand io.Reader) error {
	parts, err := startMultipart(w, m.Header, "multipart/mixed", rand)
	if err != nil {
		return err
	}
	if m.HTML == "" {
		err = addText(parts, "plain", m.Text)
	} else {
		err = m.addAlternatives(parts, rand)
	}
	if err != nil {
		return fmt.Errorf("the text: %w", err)
	}
	for i, a := range m.Attachments {
		err = a.addTo(parts)
		if err != nil {
			return fmt.Errorf("attachment %d: %w", i+1, err) // its name may tell of a patient
		}
	}
	return parts.Close()
}

// addAlternatives adds the text in its two forms, the plainest first.
func (m *Message) addAlternatives(parts *message.Writer, rand io.Reader) error {
	boundary, err := newBoundary(rand)
	if err != nil {
		return err
	}
	h, err := newHeader("Content-Type", "multipart/alternative; boundary=\""+boundary+"\"")
	if err != nil {
		return err
	}
	fields, err := libraryHeader(h)
	if err != nil {
		return err
	}
	forms, err := parts.CreatePart(fields)
	if err != nil {
		return err
	}
	err = addText(forms, "plain", m.Text)
	if err == nil {
		err = addText(forms, "html", m.HTML)
	}
	if err != nil {
		return err
	}
	return forms.Close()
}

// Check says whether the document can be attached under its type and name: an error
// wraps ErrMediaType or ErrHeader.
func (a *Attachment) Check() error {
	_, err := a.header()
	return err
}

func (a *Attachment) addTo(parts *message.Writer) error {
	h, err := a.header()
	if err != nil {
		return err
	}
	return addPart(parts, h, func(w io.Writer) error {
		_, err := io.Copy(w, a.Content)
		return err
	})
}

// header gives the name in both places that agents look for it, in the form of
// RFC 2231 when it is not plain.
func (a *Attachment) header() (*Header, error) {
	mediaType, params := "application/octet-stream", map[string]string{}
	if a.Type != "" {
		var err error
		mediaType, params, err = stdmime.ParseMediaType(a.Type)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMediaType, err)
		}
	}
	main, _, slash := strings.Cut(mediaType, "/")
	if !slash || main == "multipart" || main == "message" {
		return nil, fmt.Errorf("%w: %q cannot be attached", ErrMediaType, mediaType)
	}
	disposition := map[string]string{}
	if a.Name != "" {
		params["name"], disposition["filename"] = a.Name, a.Name
	}
	return newHeader(
		"Content-Type", stdmime.FormatMediaType(mediaType, params),
		"Content-Disposition", stdmime.FormatMediaType("attachment", disposition),
		"Content-Transfer-Encoding", "base64")
}

// addText writes a text part, quoted-printable where it has to be.
func addText(parts *message.Writer, subtype, text string) error {
	text = canonicalText(text) // the library loses the LF of "\ré\n"
	charset, encoding := "utf-8", "quoted-printable"
	if plainText(text) {
		charset, encoding = "us-ascii", "7bit"
	}
	h, err := newHeader("Content-Type", "text/"+subtype+"; charset="+charset, "Content-Transfer-Encoding", encoding)
	if err != nil {
		return err
	}
	return addPart(parts, h, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// canonicalText returns text with CRLF line ends.
func canonicalText(text string) string {
	var b strings.Builder
	w := NewCRLFWriter(&b)
	io.WriteString(w, text) // into memory, cannot fail
	w.Close()
	return b.String()
}

// plainText reports whether canonical text can go without an encoding.
func plainText(text string) bool {
	if !sevenBit([]byte(text)) {
		return false
	}
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > maxLine {
			return false
		}
	}
	return true
}
