package mime

import (
	"bytes"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
)

// ErrNotReport is wrapped by ReadReport's error for a message that is no report
// of the kind asked for.
var ErrNotReport = errors.New("not such a report")

// The kinds of report: the report-type of RFC 6522 and the subtype of message/*
// of the machine-readable part.
const (
	ReportMDN = "disposition-notification" // RFC 8098
	ReportDSN = "delivery-status"          // RFC 3464
)

// maxReportPart bounds each part of a report that is held in memory, in octets.
const maxReportPart = 256 << 10

// A Report is a multipart/report (RFC 6522), about to be written or as read.
type Report struct {
	// Header is that of the message. When composing, it lacks the fields of
	// MIME, which Compose adds.
	Header *Header
	// Kind is ReportMDN or ReportDSN.
	Kind string
	// Text is the part for humans, in UTF-8 with LF line ends. It is not read.
	Text string
	// Groups are the fields of the machine-readable part. An MDN has one group.
	Groups []*Header
	// Original is the header of the message reported on, or some of it; nil
	// when there is none.
	Original *Header
}

// Compose returns the whole message with CRLF line ends, all of it 7-bit. The
// boundary is unique by 128 bits from rand; nil means the system's randomness.
func (r *Report) Compose(rand io.Reader) ([]byte, error) {
	if rand == nil {
		rand = crand.Reader
	}
	var unique [16]byte
	_, err := io.ReadFull(rand, unique[:])
	if err != nil {
		return nil, fmt.Errorf("making a boundary: %w", err)
	}
	boundary := "postern-" + hex.EncodeToString(unique[:])
	h := r.Header.Clone()
	err = errors.Join(
		h.Set("MIME-Version", "1.0"),
		h.Set("Content-Type", "multipart/report; report-type="+r.Kind+"; boundary=\""+boundary+"\""))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	h.WriteTo(&b)
	b.WriteString("--" + boundary + "\r\n")
	writeText(&b, r.Text)
	b.WriteString("\r\n--" + boundary + "\r\nContent-Type: message/" + r.Kind + "\r\n\r\n")
	for _, group := range r.Groups {
		group.WriteTo(&b)
	}
	if r.Original != nil {
		b.WriteString("\r\n--" + boundary + "\r\nContent-Type: text/rfc822-headers\r\n\r\n")
		r.Original.WriteTo(&b)
	}
	b.WriteString("\r\n--" + boundary + "--\r\n")
	return b.Bytes(), nil
}

// writeText writes a text part, quoted-printable where it has to be.
func writeText(b *bytes.Buffer, text string) {
	if plainText(text) {
		b.WriteString("Content-Type: text/plain; charset=us-ascii\r\n\r\n")
		b.WriteString(strings.ReplaceAll(text, "\n", "\r\n"))
		return
	}
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(b)
	io.WriteString(w, text)
	w.Close()
}

// plainText reports whether text can go without an encoding.
func plainText(text string) bool {
	if !sevenBit([]byte(text)) || strings.Contains(text, "\r") {
		return false
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > maxLine {
			return false
		}
	}
	return true
}

// ReadReport reads a message to its end and returns it as a report of the kind
// asked for. It is lenient: fields may be odd in case, white space and blank
// lines, and may stand in the header of their part instead of its body (CP-14).
// A message without such a part is an error wrapping ErrNotReport. A report
// inside of an attached message does not count.
func ReadReport(message io.Reader, kind string, l Limits) (*Report, error) {
	c := reportCollector{kind: kind, limits: l.orDefaults()}
	err := walk(message, l, &c)
	if err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	if c.report.Groups == nil {
		return nil, fmt.Errorf("reading a report: %w: no fields of message/%s", ErrNotReport, kind)
	}
	c.report.Kind = kind
	return &c.report, nil
}

// A reportCollector picks the parts of a report out of a walk.
type reportCollector struct {
	kind    string
	limits  Limits
	report  Report
	in      bool    // inside of a multipart/report, or of a bare report
	wrapped bool    // the entity before was a message/rfc822 of the report
	part    *Header // of the leaf being held, nil when it is not wanted
	buf     capped
	wanted  func(p []byte, part *Header) error
}

func (c *reportCollector) enter(e *entity) error {
	if e.depth == 0 {
		c.report.Header = e.header
		c.in = e.media.Is("multipart/report", "message/"+c.kind)
	}
	if c.wrapped && c.report.Original == nil {
		c.report.Original = e.header
	}
	c.wrapped = c.in && e.depth == 1 && e.kind == kindWrapped
	c.part, c.wanted = nil, nil
	c.buf = capped{max: maxReportPart}
	if !c.in || e.depth > 1 || e.kind != kindLeaf {
		return nil
	}
	switch {
	case e.media.Type == "message/"+c.kind && c.report.Groups == nil:
		c.part, c.wanted = e.header, c.status
	case e.media.Is("text/rfc822-headers", "message/rfc822-headers") && c.report.Original == nil:
		c.part, c.wanted = e.header, c.original
	}
	return nil
}

func (c *reportCollector) body(p []byte) error {
	if c.part == nil {
		return nil
	}
	_, err := c.buf.Write(p)
	return err
}

func (c *reportCollector) other([]byte) error { return nil }

func (c *reportCollector) leave() error {
	if c.part == nil {
		return nil
	}
	r, err := DecodeTransfer(c.part, &c.buf.Buffer)
	if err != nil {
		return err
	}
	p, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return c.wanted(p, c.part)
}

func (c *reportCollector) status(p []byte, part *Header) error {
	groups, err := readGroups(p, c.limits)
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		groups = []*Header{part} // CP-14
	}
	c.report.Groups = groups
	return nil
}

func (c *reportCollector) original(p []byte, _ *Header) error {
	groups, err := readGroups(p, c.limits)
	if err == nil && len(groups) > 0 {
		c.report.Original = groups[0]
	}
	return err
}
