package smtp

import (
	"context"
	"io"

	"postern/mime"
)

// backbone is the policy towards other STAs: anyone may send, to us alone.
type backbone struct{ backend BackboneBackend }

func (b *backbone) login() Login { return Login{} }

// sender lets everyone pass, <> too: who sent is judged by the signature.
func (b *backbone) sender(context.Context, mime.Address) error { return nil }

func (b *backbone) recipient(ctx context.Context, _ Envelope, to mime.Address) error {
	return b.backend.CheckRecipient(ctx, to)
}

func (b *backbone) postmaster(ctx context.Context) (mime.Address, error) {
	return postmasterOf(ctx, b.backend)
}

func (b *backbone) refused(ctx context.Context, e Envelope, all []Refusal) {
	b.backend.Refused(ctx, e, all)
}

func (b *backbone) ready(ctx context.Context, e Envelope) error { return b.backend.Ready(ctx, e) }

func (b *backbone) accept(ctx context.Context, e Envelope, message io.Reader) (string, error) {
	return b.backend.Accept(ctx, e, message)
}
