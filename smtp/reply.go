package smtp

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"postern/mime"
	"postern/trust/reason"
)

// A reply is what a server says to a command (RFC 5321 §4.2).
type reply struct {
	code     int
	enhanced reason.Enhanced // zero: none, as in the replies to EHLO and DATA
	lines    []string        // one at least, printable ASCII
}

func say(code int, enhanced reason.Enhanced, lines ...string) reply {
	return reply{code, enhanced, lines}
}

// appendTo writes the reply as it goes over the wire. The enhanced code stands on
// every line (RFC 2034 §4).
func (r reply) appendTo(b []byte) []byte {
	status := ""
	if r.enhanced != (reason.Enhanced{}) {
		status = r.enhanced.String() + " "
	}
	for i, line := range r.lines {
		mark := byte('-')
		if i == len(r.lines)-1 {
			mark = ' '
		}
		b = fmt.Appendf(b, "%03d%c%s%s\r\n", r.code, mark, status, line)
	}
	return b
}

// ok reports whether the command was done.
func (r reply) ok() bool { return r.code/100 == 2 }

// Replies about the session itself, for which there is no reason code.
var (
	saidHello      = say(250, reason.Enhanced{2, 0, 0}, "hello")
	saidOK         = say(250, reason.Enhanced{2, 0, 0}, "ok")
	saidSender     = say(250, reason.Enhanced{2, 1, 0}, "sender ok")
	saidRecipient  = say(250, reason.Enhanced{2, 1, 5}, "recipient ok")
	saidGoAhead    = say(354, reason.Enhanced{}, "go ahead, and end the message with CR LF . CR LF")
	saidReadyTLS   = say(220, reason.Enhanced{2, 0, 0}, "ready for TLS")
	saidProven     = say(235, reason.Enhanced{2, 7, 0}, "authenticated")
	saidGoodbye    = say(221, reason.Enhanced{2, 0, 0}, "goodbye")
	saidNotVerify  = say(252, reason.Enhanced{2, 5, 0}, "addresses are not verified; send a message and see") // RFC 5321 §3.5.3
	saidHelp       = say(214, reason.Enhanced{2, 0, 0}, "EHLO HELO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT", "as in RFC 5321, RFC 6409 and RFC 3030")
	errUnknown     = say(500, reason.Enhanced{5, 5, 2}, "no such command")
	errBadLine     = say(500, reason.Enhanced{5, 5, 2}, "a command is a line of text that ends in CR LF")
	errLongLine    = say(500, reason.Enhanced{5, 5, 2}, "the command line is too long")
	errArgument    = say(501, reason.Enhanced{5, 5, 4}, "the command takes no argument")
	errNoArgument  = say(501, reason.Enhanced{5, 5, 4}, "the command lacks its argument")
	errBadHello    = say(501, reason.Enhanced{5, 5, 4}, "say who you are, by one name or address literal")
	errBadMail     = say(501, reason.Enhanced{5, 5, 2}, "the form is MAIL FROM:<address>, and parameters behind a space")
	errBadRcpt     = say(501, reason.Enhanced{5, 5, 2}, "the form is RCPT TO:<address>, and parameters behind a space")
	errBadSender   = say(501, reason.Enhanced{5, 1, 7}, "not the address of a sender")
	errBadTo       = say(501, reason.Enhanced{5, 1, 3}, "not the address of a recipient")
	errNotDirectBy = say(553, reason.Enhanced{5, 1, 7}, "a sender needs an address in a full domain name")
	errNotDirectTo = say(553, reason.Enhanced{5, 1, 3}, "a recipient needs an address in a full domain name")
	errParam       = say(555, reason.Enhanced{5, 5, 4}, "a parameter is not known or not offered here")
	errParamValue  = say(501, reason.Enhanced{5, 5, 4}, "a parameter has a value that it cannot have")
	errNotOffered  = say(502, reason.Enhanced{5, 5, 1}, "the command is not offered")
	errHelloFirst  = say(503, reason.Enhanced{5, 5, 1}, "say EHLO first")
	errTLSFirst    = say(530, reason.Enhanced{5, 7, 0}, "say STARTTLS first") // RFC 3207 §4
	errTLSAlready  = say(503, reason.Enhanced{5, 5, 1}, "this is TLS already")
	errAhead       = say(503, reason.Enhanced{5, 5, 1}, "nothing may follow this command before its reply")
	errMailAlready = say(503, reason.Enhanced{5, 5, 1}, "the sender is named already; RSET begins anew")
	errMailFirst   = say(503, reason.Enhanced{5, 5, 1}, "say MAIL first")
	errRcptFirst   = say(503, reason.Enhanced{5, 5, 1}, "say RCPT first")
	errNobody      = say(554, reason.Enhanced{5, 5, 1}, "no recipient was accepted") // RFC 5321 §3.3
	errInChunks    = say(503, reason.Enhanced{5, 5, 1}, "a message in chunks is under way; BDAT goes on, RSET ends it")
	errProven      = say(503, reason.Enhanced{5, 5, 1}, "authenticated already")
	errBadBDAT     = say(501, reason.Enhanced{5, 5, 4}, "the form is BDAT octets, and LAST behind the last")
	errMechanism   = say(504, reason.Enhanced{5, 5, 4}, "authentication mechanism not supported")
	errBadAuth     = say(501, reason.Enhanced{5, 5, 2}, "malformed authentication")
	errCancelled   = say(501, reason.Enhanced{5, 7, 0}, "authentication cancelled")                          // RFC 4954 §4
	errLater       = say(454, reason.Enhanced{4, 7, 0}, "temporary authentication failure, try again later") // RFC 4954 §4.7.6
	errGone        = say(421, reason.Enhanced{4, 7, 0}, "too many errors, closing the connection")
	errIdle        = say(421, reason.Enhanced{4, 4, 2}, "nothing came for too long, closing the connection")
	errClosing     = say(421, reason.Enhanced{4, 3, 2}, "the server is going down, closing the connection")
	errEndlessLine = say(421, reason.Enhanced{4, 5, 2}, "the command line does not end, closing the connection")
	errPanicked    = say(421, reason.Enhanced{4, 3, 0}, "local error, closing the connection")
)

// refusal makes a reply of an error. Nothing of it reaches the peer but its reason's
// public sentence, and the name of the header field that is wrong.
func refusal(err error, id string) reply {
	code := reason.Of(err)
	if code.IsOK() {
		code = reason.Internal // an error must not read as success
	}
	o := code.Outcome()
	text := o.Public
	if field := reason.FieldOf(err); field != "" {
		text += ": " + field
	}
	if id != "" {
		text += " (" + id + ")"
	}
	return say(o.Reply, o.Enhanced, text)
}

// accepted is the reply to a message which is durable.
func accepted(id string) reply {
	return say(250, reason.Enhanced{2, 0, 0}, "accepted as "+id)
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
	case errors.Is(err, errTooLarge):
		return reason.New(reason.TooLarge, "%w", err)
	}
	// A lost connection or a missed deadline: nobody reads the reply to the first.
	return reason.New(reason.TooSlow, "reading the message: %w", err)
}

// panicText describes the value of a panic without content of a message.
func panicText(v any) string {
	e, ok := v.(runtime.Error)
	if ok {
		return e.Error()
	}
	return fmt.Sprintf("a %T", v)
}

// printable makes a peer's words fit for logs and headers of ours: printable
// ASCII, at most max octets.
func printable(s string, max int) string {
	s = s[:min(len(s), max)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
