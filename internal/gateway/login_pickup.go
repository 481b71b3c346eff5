package gateway

import (
	"context"
	"fmt"

	"postern/internal/login"
	"postern/pickup"
	"postern/trust/reason"
)

// pickingUp is the Core for the mailboxes' side, in its terms.
type pickingUp struct{ *Core }

// Login implements login.Backend.
func (p pickingUp) Login(ctx context.Context, a login.Attempt) (login.Grant, error) {
	granted, err := p.Core.Login(ctx, a)
	return granted, pickupError(err)
}

// Verifiers implements login.Backend.
func (p pickingUp) Verifiers(ctx context.Context, a login.Attempt) (login.Verifiers, error) {
	v, err := p.Core.Verifiers(ctx, a)
	return v, pickupError(err)
}

func pickupError(err error) error {
	switch reason.Of(err) {
	case reason.AuthFailed:
		return fmt.Errorf("%w: %w", pickup.ErrAuthFailed, err)
	case reason.Busy:
		return fmt.Errorf("%w: %w", pickup.ErrUnavailable, err)
	}
	return err
}
