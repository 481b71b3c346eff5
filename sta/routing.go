package sta

import (
	"postern/mime"
	"postern/trust"
	"postern/trust/reason"
)

// checkRouting compares the SMTP envelope with the inner header (AS-55, AS-56).
// The Applicability Statement asks for it from v1.3 on. To and Cc of an
// unwrapped message are not signed, and prove nothing; its From is at least one
// the signer speaks for, so that MAIL FROM is held to it.
func checkRouting(in Incoming, inner *mime.Header, wrapped bool) error {
	if in.Envelope == nil || in.Profile != trust.V13 {
		return nil
	}
	err := checkMailFrom(in.Envelope.MailFrom, inner)
	if err != nil || !wrapped {
		return err
	}
	named, err := named(inner)
	if err != nil {
		return reason.New(reason.TamperedRouting, "reading To and Cc: %w", err)
	}
	for _, a := range in.Envelope.RcptTo {
		if !named[a.Key()] {
			return reason.New(reason.TamperedRouting, "RCPT TO %s is in neither To nor Cc", a)
		}
	}
	return nil
}

// checkMailFrom demands that MAIL FROM is the inner From or Sender (AS-55).
// The null reverse-path names nobody, so there is nothing to compare: it is
// what RFC 8098 §3 and RFC 3464 §2 ask of notifications.
func checkMailFrom(from mime.Address, inner *mime.Header) error {
	if from.IsZero() {
		return nil
	}
	for _, name := range []string{"From", "Sender"} {
		all, err := inner.Addresses(name)
		if err != nil {
			return reason.New(reason.TamperedRouting, "reading %s: %w", name, err)
		}
		for _, a := range all {
			if a.Same(from) {
				return nil
			}
		}
	}
	return reason.New(reason.TamperedRouting, "MAIL FROM %s is neither From nor Sender", from)
}

// named returns the keys of all addresses of To and Cc.
func named(h *mime.Header) (map[string]bool, error) {
	keys := make(map[string]bool)
	for _, name := range []string{"To", "Cc"} {
		all, err := h.Addresses(name)
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			keys[a.Key()] = true
		}
	}
	return keys, nil
}
