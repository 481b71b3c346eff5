package sta

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/mime"
	"postern/trust"
	"postern/trust/reason"
)

// An Envelope is what SMTP said about an inbound message.
type Envelope struct {
	MailFrom mime.Address   // zero: the null reverse-path
	RcptTo   []mime.Address // every recipient of the transaction
}

// A Recipient is one of ours, with whom its domain believes.
type Recipient struct {
	Address mime.Address
	Belief
}

// A Belief is whom a domain believes inbound.
type Belief struct {
	Anchors *trust.Anchors
	Signers trust.SignerPolicy
	EVRoots *trust.Anchors // of extended validation
}

// An Incoming is a message from the backbone and all that it is judged by.
type Incoming struct {
	Message    smime.Source
	Envelope   *Envelope // nil when it is not known: routing is then not compared
	Recipients []Recipient
	Keys       []cms.RecipientKey
	At         time.Time
	Profile    trust.Profile
	// AcceptUnwrapped takes unwrapped messages under V13 as well; V12 takes them
	// always (AS-43).
	AcceptUnwrapped bool
	// Intermediates are those we hold ourselves, beside those of the message.
	Intermediates []*x509.Certificate
	Evidence      trust.Evidence // nil: none
	Revocation    trust.RevocationPolicy
	// EVPolicies are those of extended validation.
	EVPolicies []x509.OID
	Limits     smime.Limits
}

// An Opened is the outcome of Open.
type Opened struct {
	Verdicts []Verdict // one for each recipient, in their order
	// Sender is the author that was compared with the signers; zero when the
	// message did not open so far.
	Sender mime.Address
	// Header is the header of the inner message, nil unless it opened. It is
	// signed, but to be believed only for recipients whose verdict accepts.
	Header *mime.Header
	// Wrapped tells whether the signed part was a message/rfc822.
	Wrapped bool

	smime   *smime.Opened
	settled bool           // refused for what it is, whoever signed it
	spoken  []mime.Address // all for whom the signer must speak
}

// Open decrypts and verifies a message and judges its signers for every
// recipient (AS-62). A message that is not believed is no error: its verdicts
// say why. The error is for what may pass: a source that cannot be read, or
// the end of ctx.
func Open(ctx context.Context, in Incoming) (*Opened, error) {
	o := &Opened{}
	var err error
	o.smime, err = smime.Open(ctx, in.Message, in.Keys, smime.Options{Limits: in.Limits, SHA1: in.Profile == trust.V12})
	if err != nil {
		code, final := refusal(err)
		if !final {
			return nil, fmt.Errorf("opening: %w", err)
		}
		return o.refuse(in, reason.New(code, "%w", err)), nil
	}
	err = o.read(in)
	var refused *reason.Error
	switch {
	case errors.As(err, &refused):
		return o.refuse(in, refused), nil
	case err != nil:
		return nil, fmt.Errorf("opening: %w", err)
	}
	o.Judge(in)
	return o, nil
}

// read learns the sender and compares the routing, if there is a good signature
// over what tells them.
func (o *Opened) read(in Incoming) error {
	if !anyGood(o.smime.Signatures) {
		return nil
	}
	err := o.readHeader(in)
	if err != nil {
		return err
	}
	o.Sender, err = Sender(o.Header)
	if err != nil {
		return err
	}
	o.spoken, err = SpokenFor(o.Header)
	if err != nil {
		return err
	}
	return checkRouting(in, o.Header, o.Wrapped)
}

func anyGood(signatures []cms.SignerResult) bool {
	return slices.ContainsFunc(signatures, func(s cms.SignerResult) bool { return s.Err == nil })
}

// refusal maps what smime found to a reason. Errors that are not about the
// message itself are not final.
func refusal(err error) (code reason.Code, final bool) {
	for _, m := range []struct {
		err  error
		code reason.Code
	}{
		{smime.ErrNotEncrypted, reason.NotEncrypted},
		{cms.ErrNoRecipient, reason.Undecryptable},
		{cms.ErrUndecryptable, reason.Undecryptable},
		{smime.ErrNotSigned, reason.NotSigned},
		{cms.ErrNoSignature, reason.NotSigned},
		{cms.ErrWeakAlgorithm, reason.WeakAlgorithm},
		{cms.ErrBadSignature, reason.BadSignature},
		{cms.ErrUnsupported, reason.Unsupported},
		{cms.ErrLimit, reason.Malformed},
		{cms.ErrMalformed, reason.Malformed},
		{mime.ErrHeader, reason.Malformed},
		{mime.ErrMediaType, reason.Malformed},
		{mime.ErrEncoding, reason.Malformed},
		{mime.ErrParts, reason.Malformed},
		{mime.ErrLimit, reason.Malformed},
	} {
		if errors.Is(err, m.err) {
			return m.code, true
		}
	}
	return reason.Internal, false
}

func (o *Opened) refuse(in Incoming, why *reason.Error) *Opened {
	o.settled = true
	o.Verdicts = make([]Verdict, len(in.Recipients))
	for i, r := range in.Recipients {
		o.Verdicts[i] = Verdict{Recipient: r.Address, Code: why.Code, Detail: why.Detail}
	}
	return o
}

// readHeader finds the header of the inner message: that of the wrapped one,
// or for an unwrapped message (AS-43) the outer header with the content fields
// of the signed entity.
func (o *Opened) readHeader(in Incoming) error {
	content, err := o.smime.Content()
	if err != nil {
		return err
	}
	entity, inner, wrapped, err := mime.Unwrap(content, in.Limits.MIME)
	if err != nil {
		return headerError(err)
	}
	o.Wrapped = wrapped
	if !wrapped {
		if in.Profile != trust.V12 && !in.AcceptUnwrapped {
			// AS-42: v1.3 demands wrapping of all senders, for the header of an
			// unwrapped message is whatever its last sender wrote.
			return reason.New(reason.NotWrapped, "the signed part is no message/rfc822")
		}
		o.Header = unwrappedHeader(o.smime.Header, entity)
		return nil
	}
	o.Header, err = mime.ReadHeader(bufio.NewReader(inner), in.Limits.MIME)
	return headerError(err)
}

// headerError tells a header that cannot be read from a source that cannot.
func headerError(err error) error {
	if err == nil {
		return nil
	}
	code, final := refusal(err)
	if final {
		return reason.New(code, "%w", err)
	}
	return err
}

// Message returns the inner message as it is to be delivered. For a wrapped
// message that is exactly what was signed. It reads the sealed message again,
// and its last read fails unless the same content was seen as Open verified. A
// message that did not open so far is an smime.ErrNotVerified.
func (o *Opened) Message(l mime.Limits) (io.Reader, error) {
	if o.smime == nil || o.Header == nil {
		return nil, smime.ErrNotVerified
	}
	content, err := o.smime.Content()
	if err != nil {
		return nil, err
	}
	if o.Wrapped {
		_, inner, _, err := mime.Unwrap(content, l)
		return inner, err
	}
	body := bufio.NewReader(content)
	_, err = mime.ReadHeader(body, l)
	if err != nil {
		return nil, err
	}
	var head bytes.Buffer
	_, err = o.Header.WriteTo(&head)
	if err != nil {
		return nil, err
	}
	return io.MultiReader(&head, body), nil
}

// Forget gives up what is held of the message itself, for an Opened that is kept
// to be judged again: Message fails from now on.
func (o *Opened) Forget() {
	if o.smime != nil {
		o.smime.Forget()
	}
}

// Enveloped tells how the message was encrypted and which key opened it.
func (o *Opened) Enveloped() cms.EnvelopedInfo {
	if o.smime == nil {
		return cms.EnvelopedInfo{}
	}
	return o.smime.Enveloped
}

// Signatures returns what was found about each signature.
func (o *Opened) Signatures() []cms.SignerResult {
	if o.smime == nil {
		return nil
	}
	return o.smime.Signatures
}

// Pending is not nil while evidence that a verdict depends on is on its way: wait
// until it is closed, and Judge again.
func (o *Opened) Pending() <-chan struct{} {
	for _, v := range o.Verdicts {
		if v.Trust.Pending != nil {
			return v.Trust.Pending
		}
	}
	return nil
}

// Judge looks for a good, sender-bound, trusted signature for every recipient.
// One is enough (AS-64). Open has done so once; nothing is decrypted again. A
// message that did not open so far stays refused.
func (o *Opened) Judge(in Incoming) {
	if o.settled {
		return
	}
	byBelief := make(map[Belief]Verdict)
	o.Verdicts = make([]Verdict, len(in.Recipients))
	for i, r := range in.Recipients {
		v, seen := byBelief[r.Belief]
		if !seen {
			v = o.judgeSigners(r.Belief, in)
			byBelief[r.Belief] = v
		}
		v.Recipient = r.Address
		o.Verdicts[i] = v
	}
}

// maxJudged bounds the certificates that one message may have us build paths
// for. Honest messages have one signer or two.
const maxJudged = 4

func (o *Opened) judgeSigners(b Belief, in Incoming) Verdict {
	best := Verdict{Code: reason.NotSigned, Detail: "there is no signature"}
	judged := make(map[trust.Fingerprint]bool)
	for i, s := range o.smime.Signatures {
		if s.Err == nil {
			f := trust.FingerprintOf(s.Certificate)
			if judged[f] || len(judged) == maxJudged {
				continue
			}
			judged[f] = true
		}
		v := o.judgeSigner(s, b, in)
		if v.Accepted() {
			return v
		}
		if i == 0 || nearer(v, best) {
			best = v
		}
	}
	return best
}

func (o *Opened) judgeSigner(s cms.SignerResult, b Belief, in Incoming) Verdict {
	if s.Err != nil {
		code, _ := refusal(s.Err)
		if code == reason.Internal || code == reason.Malformed {
			code = reason.BadSignature
		}
		return Verdict{Code: code, Detail: s.Err.Error(), Signer: s.Certificate}
	}
	// The cheap question first: nothing is fetched for a signer of the wrong name.
	for _, a := range o.spoken {
		_, bound := trust.Binds(s.Certificate, a, in.Profile)
		if !bound && !a.Same(o.Sender) {
			return Verdict{Code: reason.SenderMismatch, Detail: "the signer does not speak for " + a.String(), Signer: s.Certificate}
		}
	}
	p := trust.Params{
		Certificate:   s.Certificate,
		Purpose:       trust.Sign,
		Address:       o.Sender,
		Anchors:       b.Anchors,
		Intermediates: slices.Concat(o.smime.Certificates, in.Intermediates),
		At:            in.At,
		Profile:       in.Profile,
		Evidence:      in.Evidence,
		Revocation:    in.Revocation,
		Signers:       b.Signers,
		EV:            trust.EV{Roots: b.EVRoots, Policies: in.EVPolicies},
	}
	judged := trust.Judge(p)
	v := Verdict{Code: judged.Code, Detail: judged.Detail, Signer: s.Certificate, Trust: judged}
	if v.Code == reason.WrongAddress {
		// The signature is good, but somebody else's (AS-63).
		v.Code = reason.SenderMismatch
	}
	return v
}

// nearer reports whether a is closer to acceptance than b, and so tells more:
// a good signature by the wrong signer says more than a bad signature. One that
// is not decided yet may still be accepted.
func nearer(a, b Verdict) bool { return distance(a) < distance(b) }

func distance(v Verdict) int {
	if v.Trust.Pending != nil {
		return 0
	}
	if v.Code.Outcome().Retry {
		return 1
	}
	switch v.Code {
	case reason.NotSigned:
		return 5
	case reason.BadSignature, reason.WeakAlgorithm, reason.Unsupported:
		return 4
	case reason.SenderMismatch:
		return 3
	}
	return 2
}
