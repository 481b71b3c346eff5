package dsn

import (
	"fmt"
	"io"
	"net/mail"
	"strings"

	"postern/mime"
)

// Parse reads a message to its end as a notification. It is lenient in case,
// white space, blank lines, brackets and address types, and fields may be
// missing (CP-16); what is missing is zero, and a missing Action is taken from
// the class of the Status. A message that is no DSN or names no recipient is an
// error wrapping mime.ErrNotReport.
func Parse(message io.Reader, l mime.Limits) (*Notification, error) {
	r, err := mime.ReadReport(message, mime.ReportDSN, l)
	if err != nil {
		return nil, fmt.Errorf("reading a DSN: %w", err)
	}
	n := &Notification{MessageID: r.Header.MessageID(), Original: r.Original}
	n.From = firstAddress(r.Header, "From")
	n.To = firstAddress(r.Header, "To")
	date, err := mail.ParseDate(r.Header.Get("Date"))
	if err == nil {
		n.Date = date
	}
	n.readGroups(r.Groups)
	n.OriginalIDs = r.OriginalIDs()
	if len(n.OriginalIDs) > 0 {
		n.OriginalMessageID = n.OriginalIDs[0]
	}
	if len(n.Recipients) == 0 {
		return nil, fmt.Errorf("reading a DSN: %w: no recipient", mime.ErrNotReport)
	}
	return n, nil
}

func firstAddress(h *mime.Header, name string) mime.Address {
	all, err := h.Addresses(name)
	if err != nil || len(all) == 0 {
		return mime.Address{}
	}
	return all[0]
}

// readGroups sorts the groups. One that names a recipient begins another
// recipient; one that does not is about the message as long as there is none,
// and after that a stray blank line cut it off from its recipient.
func (n *Notification) readGroups(groups []*mime.Header) {
	for _, g := range groups {
		mta := g.Get("Reporting-MTA")
		if n.ReportingMTA == "" && mta != "" {
			n.ReportingMTA = untyped(mta)
		}
		if g.Has("Final-Recipient") || g.Has("Original-Recipient") && !g.Has("Reporting-MTA") {
			n.Recipients = append(n.Recipients, Recipient{})
		}
		if len(n.Recipients) > 0 {
			n.Recipients[len(n.Recipients)-1].read(g)
		}
	}
	for i := range n.Recipients {
		n.Recipients[i].settle()
	}
}

func (r *Recipient) read(g *mime.Header) {
	if g.Has("Final-Recipient") {
		r.Final, _ = mime.ParseTypedAddress(g.Get("Final-Recipient")) // zero when it cannot be read
	}
	if g.Has("Original-Recipient") {
		r.Original, _ = mime.ParseTypedAddress(g.Get("Original-Recipient"))
	}
	if action := g.Get("Action"); action != "" {
		action, _, _ = strings.Cut(action, "(") // a comment
		r.Action = Action(strings.ToLower(strings.TrimSpace(action)))
	}
	if words := strings.Fields(g.Get("Status")); len(words) > 0 {
		r.Status = words[0] // a comment may follow
	}
	if diagnostic := g.Get("Diagnostic-Code"); diagnostic != "" {
		r.Diagnostic = diagnostic
	}
	until, err := mail.ParseDate(g.Get("Will-Retry-Until"))
	if err == nil {
		r.RetryUntil = until
	}
}

// settle fills in what the other fields tell.
func (r *Recipient) settle() {
	if r.Final.IsZero() {
		r.Final = r.Original
	}
	if r.Action == "" && r.Status != "" {
		r.Action = map[byte]Action{'2': Delivered, '4': Delayed, '5': Failed}[r.Status[0]]
	}
}

// untyped cuts "dns;" off the name of a host.
func untyped(s string) string {
	_, name, found := strings.Cut(s, ";")
	if !found {
		name = s
	}
	return strings.TrimSpace(name)
}
