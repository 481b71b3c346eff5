package smtp

import (
	"context"
	"io"
	"net/netip"

	"postern/internal/login"
	"postern/mime"
	"postern/trust/reason"
)

// An Envelope is what the SMTP session said about a message.
type Envelope struct {
	Remote  netip.AddrPort // the client's end of the connection
	Helo    string         // what it called itself, printable ASCII, at most 255 octets
	TLS     bool
	Account mime.Address   // who authenticated; zero on the backbone
	Proof   string         // that of the Login; "" on the backbone
	From    mime.Address   // the reverse-path; zero: <>
	To      []mime.Address // no two of them the same
	Asked   []Asked        // one for each of To
	Size    int64          // octets declared by SIZE= (RFC 1870), or 0
	// EnvelopeID is ENVID of RFC 3461: printable ASCII of at most 100 octets, or "".
	// RET is read and asks for nothing: notices have the header alone, as they may (§6.2).
	EnvelopeID string
}

// Asked is what a sender asked for with a recipient (RFC 3461 §4.1, §4.2). The zero
// Asked is nothing.
type Asked struct {
	Notify Notify
	// Original is the address that the message was first written to, such as
	// "rfc822;bob@b.example": printable ASCII of at most 500 octets, or "".
	Original string
}

// A PostmasterBackend is a backend that has somebody read what comes for <postmaster>
// without a domain (RFC 5321 §4.1.1.3). With another that recipient is refused.
type PostmasterBackend interface {
	// Postmaster is whose address that is; UnknownRecipient if nobody's.
	Postmaster(ctx context.Context) (mime.Address, error)
}

func postmasterOf(ctx context.Context, backend any) (mime.Address, error) {
	b, ok := backend.(PostmasterBackend)
	if !ok {
		return mime.Address{}, reason.New(reason.UnknownRecipient, "nobody is postmaster")
	}
	return b.Postmaster(ctx)
}

// A Refusal is a recipient that was refused at RCPT, and why.
type Refusal struct {
	Recipient mime.Address
	Err       error // of CheckRecipient
}

// A Login is an account that has authenticated, and by what.
type Login = login.Grant

// A SubmissionBackend decides about the messages of our accounts. Its methods
// are called by many sessions at once. An error should carry a reason.Code; one
// that carries none is answered as a local, temporary error.
type SubmissionBackend interface {
	// Login returns who authenticated, or an error with AuthFailed, Busy or Internal.
	// AuthFailed is answered late and is counted.
	login.Backend[Login]
	// CheckSender says whether a login may send as from (EP-11), and with
	// AuthRequired that it is no longer good for anything: the session ends.
	CheckSender(ctx context.Context, login Login, from mime.Address) error
	// CheckRecipient says whether a message of the sender may go to an address.
	CheckRecipient(ctx context.Context, from, to mime.Address) error
	// Refused is told once of all recipients of an envelope that were refused, when its
	// transaction has ended or the client has gone; e.To are those that were accepted.
	// No answer waits for it but that to what the client says next.
	Refused(ctx context.Context, e Envelope, refused []Refusal)
	// Ready says, at MAIL, whether a message may come now; e.To is empty yet. The
	// client is told to come again later by the error's reason: no part of the
	// message is read. It is asked for every message and must be quick.
	Ready(ctx context.Context, e Envelope) error
	// Accept reads message to its end and returns our id of it, with a nil error
	// only once the message is durable. When reading fails the message must be
	// forgotten; the error of the reader decides the reply. A login that is no
	// longer good at that moment is refused with AuthRequired.
	Accept(ctx context.Context, e Envelope, message io.Reader) (id string, err error)
}

// A BackboneBackend decides about the messages of other STAs. The rules of
// SubmissionBackend hold.
type BackboneBackend interface {
	// CheckRecipient fails unless to is an address of ours (CP-26).
	CheckRecipient(ctx context.Context, to mime.Address) error
	// Refused and Ready are as in SubmissionBackend.
	Refused(ctx context.Context, e Envelope, refused []Refusal)
	Ready(ctx context.Context, e Envelope) error
	// Accept is as in SubmissionBackend. Its answer must not depend on decryption
	// or trust, which are judged after the message is spooled.
	Accept(ctx context.Context, e Envelope, message io.Reader) (id string, err error)
}
