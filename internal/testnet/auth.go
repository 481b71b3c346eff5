package testnet

import (
	"context"

	"postern/internal/login"
)

// An Auth is a login.Backend without SCRAM, of one function.
type Auth func(login.Attempt) (login.Grant, error)

// Login implements login.Backend.
func (a Auth) Login(_ context.Context, attempt login.Attempt) (login.Grant, error) {
	return a(attempt)
}

// Offers implements login.Backend.
func (Auth) Offers(context.Context) login.Offer { return login.Offer{} }

// Verifiers implements login.Backend.
func (Auth) Verifiers(context.Context, login.Attempt) (login.Verifiers, error) {
	return login.Verifiers{}, login.ErrMechanism
}
