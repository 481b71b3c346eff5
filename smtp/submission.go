package smtp

import (
	"context"
	"io"

	"postern/mime"
	"postern/trust/reason"
)

// submission is the policy towards the accounts.
type submission struct {
	backend SubmissionBackend
	proven  Login // after AUTH
}

func (p *submission) login() Login { return p.proven }

// sender wants AUTH first (RFC 6409 §4.3). The null sender is for notices, which
// an account does not send.
func (p *submission) sender(ctx context.Context, from mime.Address) error {
	if p.proven.Account.IsZero() {
		return reason.New(reason.AuthRequired, "MAIL before AUTH")
	}
	if from.IsZero() {
		return reason.New(reason.SenderNotAllowed, "null sender")
	}
	return p.backend.CheckSender(ctx, p.proven, from)
}

func (p *submission) recipient(ctx context.Context, e Envelope, to mime.Address) error {
	return p.backend.CheckRecipient(ctx, e.From, to)
}

func (p *submission) postmaster(ctx context.Context) (mime.Address, error) {
	return postmasterOf(ctx, p.backend)
}

func (p *submission) refused(ctx context.Context, e Envelope, all []Refusal) {
	p.backend.Refused(ctx, e, all)
}

func (p *submission) ready(ctx context.Context, e Envelope) error { return p.backend.Ready(ctx, e) }

func (p *submission) accept(ctx context.Context, e Envelope, message io.Reader) (string, error) {
	return p.backend.Accept(ctx, e, message)
}
