// Package dsn composes and reads delivery status notifications (RFC 3464), by
// which a security/trust agent tells a sender that a message failed.
package dsn

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"postern/mime"
)

// An Action is the fate of a message for one recipient (RFC 3464 §2.3.3), in
// lower case.
type Action string

// The actions of RFC 3464. Postern composes Failed, Delayed and Relayed.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"
	Expanded  Action = "expanded"
)

// A Recipient is what a notification says about one recipient.
type Recipient struct {
	Final    mime.Address
	Original mime.Address // as the sender wrote it; zero when not known
	// Asked is ORCPT of RFC 3461, decoded, such as "rfc822;bob@b.example": what Compose
	// writes instead of Original if it is not empty. Not read.
	Asked      string
	Action     Action
	Status     string    // enhanced status code, "5.7.1" (RFC 3463)
	Diagnostic string    // "type; text", such as "x-postern; no-certificate"; may be empty
	RetryUntil time.Time // of Delayed: when it is given up; zero when not known
	Sentence   string    // for humans: what happened; not read
	Said       string    // for humans: the other side's own words, one printable line; may be empty; not read
	Hint       string    // for humans: what to do about it; may be empty; not read
	// Unconfirmed says of Failed that it may have arrived: nothing was heard of it.
	// For humans, not read.
	Unconfirmed bool
}

// A Notification is one delivery status notification.
type Notification struct {
	From              mime.Address // postmaster of our own domain (DN-24)
	To                mime.Address // who sent the original
	MessageID         string       // of the notification itself, in brackets
	Date              time.Time
	ReportingMTA      string   // host name of the reporter (DN-23)
	OriginalMessageID string   // in brackets; when read, the first of OriginalIDs
	EnvelopeID        string   // ENVID of RFC 3461, decoded; may be empty; not read
	OriginalIDs       []string // when read: all that it may be, the likeliest first (DN-12)
	Recipients        []Recipient
	// Original is the header of the original message. Compose shows Message-ID,
	// Date, From and To of it, never the subject. It may be nil.
	Original *mime.Header
}

// Compose returns the whole message, header and all, with CRLF line ends. From,
// To, MessageID, Date, ReportingMTA and at least one recipient must be there.
// The envelope sender of the result must be null (RFC 3464 §2). rand makes the
// boundary; nil means the system's randomness.
func (n *Notification) Compose(rand io.Reader) ([]byte, error) {
	message, err := n.compose(rand)
	if err != nil {
		return nil, fmt.Errorf("composing a DSN: %w", err)
	}
	return message, nil
}

func (n *Notification) compose(rand io.Reader) ([]byte, error) {
	err := n.check()
	if err != nil {
		return nil, err
	}
	h, err := n.header()
	if err != nil {
		return nil, err
	}
	groups, err := n.groups()
	if err != nil {
		return nil, err
	}
	r := mime.Report{Header: h, Kind: mime.ReportDSN, Text: n.text(), Groups: groups, Original: excerpt(n.Original)}
	return r.Compose(rand)
}

func (n *Notification) check() error {
	switch {
	case n.From.IsZero() || n.To.IsZero():
		return errors.New("an address is missing")
	case n.Date.IsZero():
		return errors.New("the date is missing")
	case n.MessageID == "" || n.MessageID != mime.ParseMessageID(n.MessageID):
		return errors.New("the Message-ID is not of the form <left@right>")
	case n.OriginalMessageID != mime.ParseMessageID(n.OriginalMessageID):
		return errors.New("the original Message-ID is not of the form <left@right>")
	case n.ReportingMTA == "":
		return errors.New("the reporting host is missing")
	case len(n.Recipients) == 0:
		return errors.New("no recipient")
	}
	for _, r := range n.Recipients {
		class := map[Action]string{Failed: "5", Delayed: "4", Relayed: "2"}[r.Action]
		switch {
		case r.Final.IsZero():
			return errors.New("a recipient without address")
		case class == "":
			return fmt.Errorf("the action %q is not ours to send", r.Action)
		case !validStatus(r.Status) || r.Status[:1] != class:
			return fmt.Errorf("%q is no status for the action %s", r.Status, r.Action)
		}
	}
	return nil
}

// validStatus reports whether s is a status code of RFC 3463 §2.
func validStatus(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || !strings.Contains("245", parts[0]) {
		return false
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

func (n *Notification) header() (*mime.Header, error) {
	h := &mime.Header{}
	errs := []error{
		h.Add("From", n.From.String()),
		h.Add("To", n.To.String()),
		h.Add("Date", n.Date.Format(time.RFC1123Z)),
		h.Add("Message-ID", n.MessageID),
		h.Add("Subject", n.subject()),
		h.Add("Auto-Submitted", "auto-replied"),
	}
	if n.OriginalMessageID != "" {
		errs = append(errs, h.Add("In-Reply-To", n.OriginalMessageID), h.Add("References", n.OriginalMessageID))
	}
	return h, errors.Join(errs...)
}

// subject says what became of the message for whom. It never has the original's, which
// may name a patient.
func (n *Notification) subject() string {
	what := "Failed"
	switch {
	case n.only(Delayed):
		what = "Delayed"
	case n.only(Relayed):
		what = "Handed over"
	}
	if len(n.Recipients) > 1 {
		return fmt.Sprintf("%s: your message to %d recipients", what, len(n.Recipients))
	}
	return what + ": your message to " + n.Recipients[0].Final.String()
}

// groups makes the machine-readable part: one group about the message, one for
// each recipient (RFC 3464 §2.1).
func (n *Notification) groups() ([]*mime.Header, error) {
	message := &mime.Header{}
	errs := []error{message.Add("Reporting-MTA", "dns; "+n.ReportingMTA)}
	if n.OriginalMessageID != "" {
		errs = append(errs, message.Add(originalID, n.OriginalMessageID)) // DN-23
	}
	if n.EnvelopeID != "" {
		errs = append(errs, message.Add("Original-Envelope-Id", n.EnvelopeID)) // RFC 3464 §2.2.1
	}
	groups := []*mime.Header{message}
	for _, r := range n.Recipients {
		g, err := r.group()
		errs = append(errs, err)
		groups = append(groups, g)
	}
	return groups, errors.Join(errs...)
}

// originalID is the extension field that names the original message.
const originalID = "X-Original-Message-ID"

func (r Recipient) group() (*mime.Header, error) {
	g := &mime.Header{}
	var errs []error
	switch {
	case r.Asked != "":
		errs = append(errs, g.Add("Original-Recipient", r.Asked)) // RFC 3464 §2.3.1
	case !r.Original.IsZero():
		errs = append(errs, g.Add("Original-Recipient", "rfc822;"+r.Original.String()))
	}
	errs = append(errs,
		g.Add("Final-Recipient", "rfc822;"+r.Final.String()),
		g.Add("Action", string(r.Action)),
		g.Add("Status", r.Status))
	if r.Diagnostic != "" {
		errs = append(errs, g.Add("Diagnostic-Code", r.Diagnostic))
	}
	if r.Action == Delayed && !r.RetryUntil.IsZero() {
		errs = append(errs, g.Add("Will-Retry-Until", r.RetryUntil.Format(time.RFC1123Z))) // RFC 3464 §2.3.9
	}
	return g, errors.Join(errs...)
}

func (n *Notification) text() string {
	var b strings.Builder
	b.WriteString(n.first() + "\n")
	for _, r := range n.Recipients {
		fmt.Fprintf(&b, "\n%s: %s (%s)\n", r.Final, r.fate(), r.Status)
		said := ""
		if r.Said != "" {
			said = "The other side said: " + r.Said
		}
		for _, s := range []string{r.Sentence, said, r.Hint} {
			if s != "" {
				fmt.Fprintf(&b, "    %s\n", strings.Join(strings.Fields(s), " "))
			}
		}
	}
	return b.String()
}

// first is the line that says it all.
func (n *Notification) first() string {
	lost := func(r Recipient) bool { return r.Action == Failed && !r.Unconfirmed }
	switch {
	case n.only(Relayed):
		return "Your message was handed over to the other side."
	case n.only(Delayed):
		return "Your message is late. It has not failed."
	case !slices.ContainsFunc(n.Recipients, lost):
		return "We have no confirmation that your message arrived."
	case len(n.Recipients) == 1:
		return "Your message could not be delivered."
	}
	return "Your message could not be delivered to all of these recipients."
}

func (r Recipient) fate() string {
	switch {
	case r.Action == Delayed:
		return "delayed, we keep trying"
	case r.Action == Relayed:
		return "handed over"
	case r.Unconfirmed:
		return "no confirmation"
	}
	return "failed"
}

// only reports whether that is what became of all recipients.
func (n *Notification) only(a Action) bool {
	return !slices.ContainsFunc(n.Recipients, func(r Recipient) bool { return r.Action != a })
}

// excerpt keeps what a sender needs to know a message by, and no subject.
func excerpt(original *mime.Header) *mime.Header {
	if original == nil {
		return nil
	}
	h := &mime.Header{}
	for _, name := range []string{"Message-ID", "Date", "From", "To"} {
		// A field that is not plain ASCII is left out: it cannot go as it is.
		if value := original.Get(name); value != "" {
			_ = h.Add(name, value)
		}
	}
	return h
}
