// Package reason holds the closed set of reasons for which Postern accepts,
// delays or refuses a message, and what each means to everyone it is told to.
//
// Logs, delivery status notifications, SMTP replies, postern lookup, postern
// track and metrics all speak these codes. Two rules bind their use:
//
//   - One table is the only place that maps a code to SMTP, DSN, MDN and retry.
//   - What the far side may be told is Outcome.Public and nothing else; detail
//     stays in our own log and track (ground rules 1 and 3 of docs/architecture.md).
package reason

import (
	"errors"
	"fmt"
	"slices"
)

// A Code says why something was done to a message or a recipient. The zero
// Code is OK.
type Code string

// The closed set of codes. Every one has a row in the table.
const (
	OK Code = "ok"

	// Finding and judging certificates.
	NoCertificate    Code = "no-certificate"
	DiscoveryTimeout Code = "discovery-timeout"
	UntrustedAnchor  Code = "untrusted-anchor"
	NoAnchors        Code = "no-anchors"
	Expired          Code = "expired"
	NotYetValid      Code = "not-yet-valid"
	Revoked          Code = "revoked"
	RevocationDown   Code = "revocation-unavailable"
	WrongAddress     Code = "wrong-address"
	WrongUsage       Code = "wrong-usage"
	WeakKey          Code = "weak-key"
	Unsupported      Code = "unsupported-algorithm"
	BadPath          Code = "bad-path"
	NoRevocation     Code = "no-revocation-source"
	IssuerDown       Code = "issuer-unavailable"
	SignerPolicy     Code = "signer-policy"
	PolicyMissing    Code = "policy-missing"

	// Opening a message.
	NotEncrypted    Code = "not-encrypted"
	Undecryptable   Code = "undecryptable"
	NotSigned       Code = "not-signed"
	BadSignature    Code = "bad-signature"
	WeakAlgorithm   Code = "weak-algorithm"
	SenderMismatch  Code = "sender-mismatch"
	TamperedRouting Code = "tampered-routing"
	NotWrapped      Code = "not-wrapped"
	Malformed       Code = "malformed"

	// Sending.
	NoSigningKey Code = "no-signing-key"

	// Accepting.
	UnknownRecipient  Code = "unknown-recipient"
	NotOurDomain      Code = "not-our-domain"
	RecipientDisabled Code = "recipient-disabled"
	SenderNotAllowed  Code = "sender-not-allowed"
	AuthRequired      Code = "auth-required"
	AuthFailed        Code = "auth-failed"
	TooLarge          Code = "too-large"
	TooManyRecipients Code = "too-many-recipients"
	BadLineEnding     Code = "bad-line-ending"
	LineTooLong       Code = "line-too-long"
	BadHeader         Code = "bad-header"
	NotASCII          Code = "address-not-ascii"
	TooSlow           Code = "too-slow"
	Busy              Code = "busy"
	StorageFull       Code = "storage-full"
	Internal          Code = "internal"

	// Relaying and delivering.
	NoRoute         Code = "no-route"
	NullMX          Code = "null-mx"
	PeerUnreachable Code = "peer-unreachable"
	PeerDeferred    Code = "peer-deferred"
	PeerRefused     Code = "peer-refused"
	QueueExpired    Code = "queue-expired"
	MailboxFull     Code = "mailbox-full"
	Dropped         Code = "dropped"
	RateLimited     Code = "rate-limited"

	// Waiting for notifications.
	NoProcessed  Code = "no-processed"
	NoDispatched Code = "no-dispatched"
)

// An Enhanced is an RFC 3463 enhanced status code: class, subject, detail.
type Enhanced [3]int

// String writes the code as RFC 3463 does, such as "5.7.1".
func (e Enhanced) String() string { return fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2]) }

// An Outcome is what follows from a reason.
type Outcome struct {
	Reply    int      // SMTP reply code (RFC 5321 §4.2), when it can be told in the session
	Enhanced Enhanced // status in replies and in DSNs (RFC 3463)
	// Disposition is the MDN disposition type (RFC 8098 §3.2.6.2) a recipient's
	// agent would report, or "" where none may be sent (AS-66: silence).
	Disposition string
	Retry       bool   // true: try again later by the queue's schedule
	Public      string // what the far side may be told; no detail of ours
	Hint        string // a sentence the sender or the operator can act on
}

// ErrUnknown is returned by Parse for a text that is no code.
var ErrUnknown = errors.New("unknown reason code")

// Parse returns the code written as s.
func Parse(s string) (Code, error) {
	_, ok := table[Code(s)]
	if !ok {
		return "", fmt.Errorf("%w: %q", ErrUnknown, s)
	}
	return Code(s), nil
}

// Outcome returns what follows from c. A code outside the closed set is judged
// as Internal, so that nothing fails open.
func (c Code) Outcome() Outcome {
	if c == "" {
		c = OK
	}
	o, ok := table[c]
	if !ok {
		return table[Internal]
	}
	return o
}

// String returns the code as it is written everywhere; the zero Code is "ok".
func (c Code) String() string {
	if c == "" {
		return string(OK)
	}
	return string(c)
}

// IsOK reports whether c is OK or the zero Code.
func (c Code) IsOK() bool { return c == "" || c == OK }

// Codes returns all codes in alphabetical order.
func Codes() []Code {
	all := make([]Code, 0, len(table))
	for c := range table {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}

// An Error is an error with a reason. Err and Detail are for our own log and
// track; only Code.Outcome().Public may leave the house.
type Error struct {
	Code   Code
	Detail string // what exactly, for our own eyes; never message content
	Field  string // the name of the header field that is wrong, which may be told; or ""
	Err    error  // the cause, or nil
}

// New returns an *Error with a detail formatted as by fmt.Errorf; %w is kept
// as the cause.
func New(c Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: c, Detail: err.Error(), Err: errors.Unwrap(err)}
}

// In names the header field that is wrong: by a name of ours, never by one that came.
func (e *Error) In(field string) *Error {
	e.Field = field
	return e
}

// FieldOf returns the header field that err names as wrong, itself or by a cause with a
// method Field, as that of mime.FieldError, or "".
func FieldOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Field != "" {
		return e.Field
	}
	var cause interface{ Field() string }
	if errors.As(err, &cause) {
		return cause.Field()
	}
	return ""
}

// Error returns the code and the detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Detail
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the code err carries, OK for nil, and Internal for an error that
// carries none.
func Of(err error) Code {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
