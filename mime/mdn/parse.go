package mdn

import (
	"fmt"
	"io"
	"net/mail"
	"strings"

	"postern/mime"
)

// Parse reads a message to its end as a notification. It is lenient in case,
// white space, blank lines, brackets and address types, and fields may be
// missing (CP-14 to CP-16); what is missing is zero. A message that is no MDN
// or has no Disposition is an error wrapping mime.ErrNotReport.
func Parse(message io.Reader, l mime.Limits) (*Notification, error) {
	r, err := mime.ReadReport(message, mime.ReportMDN, l)
	if err != nil {
		return nil, fmt.Errorf("reading an MDN: %w", err)
	}
	n := &Notification{
		MessageID:         r.Header.MessageID(),
		ReportingUA:       first(r.Groups, "Reporting-UA"),
		OriginalRecipient: address(first(r.Groups, "Original-Recipient")),
		FinalRecipient:    address(first(r.Groups, "Final-Recipient")),
		OriginalIDs:       r.OriginalIDs(),
	}
	n.To, _ = r.Header.Addresses("To") // none when it cannot be read
	from, err := r.Header.Addresses("From")
	if err == nil && len(from) > 0 {
		n.From = from[0]
	}
	date, err := mail.ParseDate(r.Header.Get("Date"))
	if err == nil {
		n.Date = date
	}
	if len(n.OriginalIDs) > 0 {
		n.OriginalMessageID = n.OriginalIDs[0]
	}
	for _, g := range r.Groups {
		n.FinalDestination = n.FinalDestination || g.Has(finalDelivery)
	}
	n.Disposition, n.Modifiers = parseDisposition(first(r.Groups, "Disposition"))
	if n.Disposition == "" {
		return nil, fmt.Errorf("reading an MDN: %w: no Disposition", mime.ErrNotReport)
	}
	return n, nil
}

// first returns the field from whichever group has it: stray blank lines must
// not hide one.
func first(groups []*mime.Header, name string) string {
	for _, g := range groups {
		if g.Has(name) {
			return g.Get(name)
		}
	}
	return ""
}

func address(s string) mime.Address {
	a, err := mime.ParseTypedAddress(s)
	if err != nil {
		return mime.Address{}
	}
	return a
}

// parseDisposition reads "action-mode/sending-mode; type/modifier,modifier"
// (RFC 8098 §3.2.6). The modes matter to nobody and may be missing.
func parseDisposition(s string) (Disposition, []string) {
	_, value, found := strings.Cut(s, ";")
	if !found {
		value = s
	}
	kind, rest, _ := strings.Cut(strings.ToLower(withoutSpace(value)), "/")
	var modifiers []string
	for m := range strings.SplitSeq(rest, ",") {
		if m != "" {
			modifiers = append(modifiers, m)
		}
	}
	return Disposition(strings.Trim(kind, ";")), modifiers
}
