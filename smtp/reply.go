package smtp

import (
	"errors"

	gosmtp "github.com/emersion/go-smtp"

	"postern/mime"
	"postern/trust/reason"
)

// Replies about the session itself, for which there is no reason code.
var (
	errBadSender    = &gosmtp.SMTPError{Code: 501, EnhancedCode: gosmtp.EnhancedCode{5, 1, 7}, Message: "not a sender address this server can use"}
	errBadRecipient = &gosmtp.SMTPError{Code: 501, EnhancedCode: gosmtp.EnhancedCode{5, 1, 3}, Message: "not a recipient address this server can use"}
	errBadMechanism = &gosmtp.SMTPError{Code: 504, EnhancedCode: gosmtp.EnhancedCode{5, 5, 4}, Message: "authentication mechanism not supported"}
	errBadAuth      = &gosmtp.SMTPError{Code: 501, EnhancedCode: gosmtp.EnhancedCode{5, 5, 2}, Message: "malformed authentication"}
	errGone         = &gosmtp.SMTPError{Code: 421, EnhancedCode: gosmtp.EnhancedCode{4, 7, 0}, Message: "too many errors, closing the connection"}
	errCut          = status(reason.TooSlow.Outcome(), "") // a transfer that ended or missed its deadline
	errPanicked     = &gosmtp.SMTPError{Code: 421, EnhancedCode: gosmtp.EnhancedCode{4, 3, 0}, Message: "local error, closing the connection"}
)

// refusal is the only place where an error becomes a reply. The library finds
// the reply by a plain type assertion and sends the text of any other error to
// the peer, so nothing but what comes from here may reach it.
func refusal(err error, id string) *gosmtp.SMTPError {
	code := reason.Of(err)
	if code.IsOK() {
		code = reason.Internal // an error must not read as success
	}
	o := code.Outcome()
	return status(o, id)
}

func status(o reason.Outcome, id string) *gosmtp.SMTPError {
	text := o.Public
	if id != "" {
		text += " (" + id + ")"
	}
	return &gosmtp.SMTPError{Code: o.Reply, EnhancedCode: gosmtp.EnhancedCode(o.Enhanced), Message: text}
}

// accepted is the reply to a message which is durable.
func accepted(id string) *gosmtp.SMTPError {
	return &gosmtp.SMTPError{Code: 250, EnhancedCode: gosmtp.EnhancedCode{2, 0, 0}, Message: "accepted as " + id}
}

// intakeReason gives a failure to read a message its reason.
func intakeReason(err error) error {
	var known *reason.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, mime.ErrBareCR), errors.Is(err, mime.ErrBareLF):
		return reason.New(reason.BadLineEnding, "%w", err)
	case errors.Is(err, mime.ErrLineLength):
		return reason.New(reason.LineTooLong, "%w", err)
	case errors.Is(err, mime.ErrNUL):
		return reason.New(reason.Malformed, "%w", err)
	case errors.Is(err, gosmtp.ErrDataTooLarge), errors.Is(err, errTooLarge):
		return reason.New(reason.TooLarge, "%w", err)
	}
	// A lost connection or a missed deadline: nobody reads the reply to the first.
	return reason.New(reason.TooSlow, "reading the message: %w", err)
}
