package mdn

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"postern/mime"
)

// A Disposition is a disposition-type of RFC 8098 §3.2.6.2 in lower case, or
// one of the Direct Project.
type Disposition string

// The dispositions that Postern composes, and Displayed, which the agents of
// users send (CP-17).
const (
	Processed  Disposition = "processed"  // decrypted, verified and trusted (AS-85)
	Dispatched Disposition = "dispatched" // handed to the final destination (DN-4)
	Failed     Disposition = "failed"     // cannot be delivered after all (DN-9)
	Displayed  Disposition = "displayed"  // shown to the user; read only
)

// A Notification is one message disposition notification about one recipient.
type Notification struct {
	From              mime.Address   // the recipient who reports (AS-93)
	To                []mime.Address // who sent the original
	MessageID         string         // of the notification itself, in brackets
	Date              time.Time
	ReportingUA       string       // "host; product", printable ASCII; may be empty
	OriginalRecipient mime.Address // as the sender wrote it; zero when not known
	FinalRecipient    mime.Address // zero when a notification read does not name it
	OriginalMessageID string       // in brackets; when read, the first of OriginalIDs
	OriginalIDs       []string     // when read: all that it may be, the likeliest first (DN-12)
	Disposition       Disposition
	Modifiers         []string // of the disposition, in lower case; when read only
	FinalDestination  bool     // the extension field of DN-5 is there
	Why               string   // for humans: why it failed; may be empty; not read
}

// Failure reports whether the notification says that the message will not
// arrive: peers write failed, failure, denied or error, as the disposition or
// as its modifier (DN-9, DN-13).
func (n *Notification) Failure() bool {
	bad := []string{"failed", "failure", "denied", "error"}
	return slices.Contains(bad, string(n.Disposition)) ||
		slices.ContainsFunc(n.Modifiers, func(m string) bool { return slices.Contains(bad, m) })
}

// word is what the subject of a notification says. It is empty for a disposition that
// is not ours to send.
func (d Disposition) word() string {
	switch d {
	case Processed:
		return "Processed"
	case Dispatched:
		return "Delivered"
	case Failed:
		return "Failed"
	}
	return ""
}

// subject says what became of the message for whom. It never has the original's, which
// may name a patient.
func (n *Notification) subject() string {
	return n.Disposition.word() + ": your message to " + n.FinalRecipient.String()
}

func (n *Notification) text() string {
	switch n.Disposition {
	case Processed:
		return fmt.Sprintf("Your message to %s was received, decrypted and trusted.\n"+
			"This does not say that it was delivered or read.\n", n.FinalRecipient)
	case Dispatched:
		return fmt.Sprintf("Your message was delivered to the mailbox of %s.\n"+
			"This does not say that it was read.\n", n.FinalRecipient)
	default:
		text := fmt.Sprintf("Your message could not be delivered to %s.\n", n.FinalRecipient)
		if n.Why != "" {
			text += "The reason is: " + strings.Join(strings.Fields(n.Why), " ") + ".\n"
		}
		return text
	}
}

// Compose returns the whole message, header and all, with CRLF line ends. It
// asks for no notification itself (AS-88) and says that it is automatic. From,
// To, MessageID, Date, FinalRecipient, OriginalMessageID and one of the
// dispositions Processed, Dispatched and Failed must be there. FinalDestination
// is for Dispatched alone (DN-5, DN-6). rand makes the boundary; nil means the
// system's randomness.
func (n *Notification) Compose(rand io.Reader) ([]byte, error) {
	err := n.check()
	if err != nil {
		return nil, fmt.Errorf("composing an MDN: %w", err)
	}
	h, err := n.header()
	if err != nil {
		return nil, fmt.Errorf("composing an MDN: %w", err)
	}
	fields, err := n.fields()
	if err != nil {
		return nil, fmt.Errorf("composing an MDN: %w", err)
	}
	r := mime.Report{Header: h, Kind: mime.ReportMDN, Text: n.text(), Groups: []*mime.Header{fields}}
	message, err := r.Compose(rand)
	if err != nil {
		return nil, fmt.Errorf("composing an MDN: %w", err)
	}
	return message, nil
}

func (n *Notification) check() error {
	switch {
	case n.From.IsZero() || n.FinalRecipient.IsZero() || len(n.To) == 0:
		return errors.New("an address is missing")
	case n.Date.IsZero():
		return errors.New("the date is missing")
	case n.MessageID == "" || n.MessageID != mime.ParseMessageID(n.MessageID):
		return errors.New("the Message-ID is not of the form <left@right>")
	case n.OriginalMessageID == "" || n.OriginalMessageID != mime.ParseMessageID(n.OriginalMessageID):
		return errors.New("the original Message-ID is not of the form <left@right>")
	case n.Disposition.word() == "":
		return fmt.Errorf("the disposition %q is not ours to send", n.Disposition)
	case n.FinalDestination && n.Disposition != Dispatched:
		return errors.New("only a dispatched notification can tell of final delivery")
	}
	return nil
}

func (n *Notification) header() (*mime.Header, error) {
	to := make([]string, len(n.To))
	for i, a := range n.To {
		to[i] = a.String()
	}
	h := &mime.Header{}
	return h, errors.Join(
		h.Add("From", n.From.String()),
		h.Add("To", strings.Join(to, ", ")),
		h.Add("Date", n.Date.Format(time.RFC1123Z)),
		h.Add("Message-ID", n.MessageID),
		h.Add("In-Reply-To", n.OriginalMessageID),
		h.Add("References", n.OriginalMessageID),
		h.Add("Subject", n.subject()),
		h.Add("Auto-Submitted", "auto-replied"), // RFC 3834 §5
	)
}

// fields makes the machine-readable part. No line of it is ever folded, since
// peers compare the disposition as a whole string (AS-91).
func (n *Notification) fields() (*mime.Header, error) {
	h := &mime.Header{}
	var errs []error
	if n.ReportingUA != "" {
		errs = append(errs, h.Add("Reporting-UA", n.ReportingUA))
	}
	if !n.OriginalRecipient.IsZero() {
		errs = append(errs, h.Add("Original-Recipient", "rfc822;"+n.OriginalRecipient.String()))
	}
	errs = append(errs,
		h.Add("Final-Recipient", "rfc822;"+n.FinalRecipient.String()),
		h.Add("Original-Message-ID", n.OriginalMessageID),
		h.Add("Disposition", "automatic-action/MDN-sent-automatically; "+string(n.Disposition)))
	if n.FinalDestination {
		errs = append(errs, h.Add(finalDelivery, ""))
	}
	return h, errors.Join(errs...)
}
