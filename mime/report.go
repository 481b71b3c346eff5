package mime

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	message "github.com/emersion/go-message"
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

// Compose returns the whole message with CRLF line ends, all of it 7-bit; fields
// that would make it anything else are an error wrapping ErrHeader. The boundary
// is unique by 128 bits from rand; nil means the system's randomness.
func (r *Report) Compose(rand io.Reader) ([]byte, error) {
	if r.Kind != ReportMDN && r.Kind != ReportDSN {
		return nil, fmt.Errorf("%w: the kind %q is not ours to send", ErrNotReport, r.Kind)
	}
	var b bytes.Buffer
	parts, err := startMultipart(&b, r.Header, "multipart/report; report-type="+r.Kind, rand)
	if err != nil {
		return nil, err
	}
	err = addText(parts, "plain", r.Text)
	if err != nil {
		return nil, err
	}
	err = addFields(parts, "message/"+r.Kind, r.Groups...)
	if err != nil {
		return nil, err
	}
	if r.Original != nil {
		err = addFields(parts, "text/rfc822-headers", r.Original)
		if err != nil {
			return nil, err
		}
	}
	err = parts.Close()
	if err != nil {
		return nil, err
	}
	if !sevenBit(b.Bytes()) || BareBreak(b.Bytes(), false) >= 0 {
		return nil, fmt.Errorf("%w: a field of the report is not 7-bit or lacks its CRLF", ErrHeader)
	}
	return b.Bytes(), nil
}

// addFields writes a part that has groups of fields for its body. They go
// without an encoding, so that no line of them is folded or split (AS-91).
func addFields(parts *message.Writer, mediaType string, groups ...*Header) error {
	h, err := newHeader("Content-Type", mediaType)
	if err != nil {
		return err
	}
	// A blank line stands between groups and not behind the last one (RFC 3464
	// §2.1, RFC 8098 §3.1): readers would find another group there, an empty one.
	var b bytes.Buffer
	for _, group := range groups {
		_, err := group.WriteTo(&b)
		if err != nil {
			return err
		}
	}
	return addPart(parts, h, func(w io.Writer) error {
		_, err := w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\r\n")))
		return err
	})
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
