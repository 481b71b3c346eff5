package mime

import (
	"errors"
	"fmt"
	"strings"
)

// A FieldError says in which field of a header an error is.
type FieldError struct {
	Name   string // as it came; "" where there is none
	Number int    // its place among the fields, from 1; 0 where that is not known
	Err    error
}

// Error names the field before the error.
func (e *FieldError) Error() string {
	field := e.Field()
	if field == "" {
		return e.Err.Error()
	}
	return field + ": " + e.Err.Error()
}

// Unwrap returns the error.
func (e *FieldError) Unwrap() error { return e.Err }

// Field names the field in words of ours, fit to be told: by its name, where mail has
// one like that, or else by its place, such as "field 7". What came is never in it.
func (e *FieldError) Field() string {
	for _, name := range fieldNames() {
		if strings.EqualFold(name, e.Name) {
			return name
		}
	}
	if e.Number > 0 {
		return fmt.Sprintf("field %d", e.Number)
	}
	return ""
}

// fieldNames are those of RFC 5322 §3.6, RFC 2045 §3, RFC 2183 and RFC 8098 §2, and a few
// that most programs write.
func fieldNames() []string {
	return []string{
		"From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
		"Comments", "Keywords", "Received", "Return-Path",
		"Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Bcc", "Resent-Date", "Resent-Message-ID",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-ID", "Content-Description", "Content-Disposition",
		"Disposition-Notification-To", "Disposition-Notification-Options", "Original-Recipient", "Auto-Submitted",
		"Importance", "Priority", "X-Priority", "X-Mailer", "User-Agent", "Thread-Index", "Thread-Topic",
	}
}

// isLineFault reports whether a reader found a line that is not as it must be.
func isLineFault(err error) bool {
	return errors.Is(err, ErrBareCR) || errors.Is(err, ErrBareLF) || errors.Is(err, ErrNUL) || errors.Is(err, ErrLineLength)
}
