package gateway

import (
	"bytes"
	"context"
	"errors"
	"time"

	"postern/mime"
	"postern/smtp"
	"postern/sta"
	"postern/trust/reason"
)

// completeHeader checks what the Applicability Statement asks of an inner
// message (AS-51, AS-53, AS-57), adds what a client may leave to us (RFC 6409
// §8) and takes out what must not travel. from is MAIL FROM.
func (s Submission) completeHeader(h *mime.Header, from mime.Address, now time.Time) error {
	err := addSender(h, from)
	if err != nil {
		return err
	}
	err = plainDate(h)
	if err != nil {
		return err
	}
	// The envelope says who gets a blind copy (AS-56).
	h.Del("Bcc")
	h.Del("Resent-Bcc")
	add := []struct {
		missing     bool
		name, value string
	}{
		{h.Get("Date") == "", "Date", now.Format(time.RFC1123Z)},
		{!hasMessageID(h), "Message-ID", mime.NewMessageID(s.Hostname, s.Rand)},
		{!h.Has("MIME-Version"), "MIME-Version", "1.0"},
		{h.Get("To") == "", "To", "undisclosed-recipients:;"}, // RFC 5322 §3.4
		{!h.Has("Subject"), "Subject", ""},
	}
	for _, a := range add {
		if !a.missing {
			continue
		}
		err := h.Set(a.name, a.value)
		if err != nil {
			return reason.New(reason.BadHeader, "adding %s: %w", a.name, err).In(a.name)
		}
	}
	return nil
}

// plainDate leaves a Date that says nothing but the date. It is the one field of
// the client that also stands outside of the envelope (AS-52), where a comment in
// it would be read by everybody on the way.
func plainDate(h *mime.Header) error {
	value := h.Get("Date")
	if value == "" {
		return nil // to be added
	}
	plain, err := mime.PlainDate(value)
	if err != nil {
		return reason.New(reason.BadHeader, "reading Date: %w", err).In("Date")
	}
	if plain == value {
		return nil
	}
	err = h.Set("Date", plain)
	if err != nil {
		return reason.New(reason.BadHeader, "writing Date: %w", err).In("Date")
	}
	return nil
}

// singleFields may stand once at most (RFC 5322 §3.6, RFC 2045 §3): of two, the
// far side may read the other one.
func singleFields() []string {
	return []string{
		"From", "Sender", "Reply-To", "To", "Cc", "Date", "Message-ID", "Subject",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding",
	}
}

// cleanHeader refuses what is not clean, and returns in whose names the message is sent.
func cleanHeader(h *mime.Header, account, from mime.Address) (speaking, error) {
	for _, name := range singleFields() {
		if h.Count(name) > 1 {
			return speaking{}, reason.New(reason.BadHeader, "%s stands more than once", name).In(name)
		}
	}
	err := checkPrintable(h)
	if err != nil {
		return speaking{}, err
	}
	_, err = sta.Sender(h)
	if err != nil {
		return speaking{}, badSender(err)
	}
	return speakingOf(h, account, from)
}

// checkHeader refuses what is not clean, and names that the account may not use.
func (s Submission) checkHeader(ctx context.Context, h *mime.Header, e smtp.Envelope) (speaking, error) {
	names, err := cleanHeader(h, e.Account, e.From)
	if err != nil {
		return speaking{}, err
	}
	dir, err := s.Directory(ctx)
	if err != nil {
		return speaking{}, reason.New(reason.Internal, "%w", err)
	}
	account, known := dir.Account(e.Account)
	if !known {
		return speaking{}, reason.New(reason.AuthRequired, "the account was closed since it logged in")
	}
	return names, names.check(dir, account)
}

// inASCII writes a header in ASCII, which is all that a Direct message has in it
// (AS-51), whether its client said SMTPUTF8 (RFC 6531) or forgot to.
func inASCII(h *mime.Header) (*mime.Header, error) {
	plain, err := h.InASCII()
	if errors.Is(err, mime.ErrNotASCII) {
		return nil, reason.New(reason.NotASCII, "%w", err)
	}
	if err != nil {
		return nil, reason.New(reason.BadHeader, "%w", err)
	}
	return plain, nil
}

// checkPrintable refuses a header that has anything but printable ASCII and white space
// (AS-51, RFC 5322 §2.2). InASCII has seen to what is not ASCII: the rest are control
// characters.
func checkPrintable(h *mime.Header) error {
	for i, f := range h.Fields() {
		if bytes.ContainsFunc(f.Raw, isControl) {
			return reason.New(reason.BadHeader, "%w", &mime.FieldError{Name: f.Name, Number: i + 1, Err: errNotPrintable})
		}
	}
	return nil
}

var errNotPrintable = errors.New("octets that are not printable ASCII")

func isControl(r rune) bool { return r > '~' || r < ' ' && r != '\t' && r != '\r' && r != '\n' }

// blindOf returns the recipients that neither To nor Cc names.
func blindOf(h *mime.Header, to []mime.Address) ([]mime.Address, error) {
	named := make(map[string]bool)
	for _, name := range []string{"To", "Cc"} {
		all, err := h.Addresses(name)
		if err != nil {
			return nil, reason.New(reason.BadHeader, "%w", err)
		}
		for _, a := range all {
			named[a.Key()] = true
		}
	}
	var blind []mime.Address
	for _, a := range to {
		if !named[a.Key()] {
			blind = append(blind, a)
		}
	}
	return blind, nil
}
