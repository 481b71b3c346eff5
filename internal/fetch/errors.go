package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"postern/internal/guard"
	"postern/trust/reason"
)

// Why nothing was fetched. An address that the guard refuses is
// guard.ErrForbidden, any status but 200 a *StatusError.
var (
	ErrURL      = errors.New("the URL is not one to fetch from")
	ErrNoHost   = errors.New("the host has no address")
	ErrRedirect = errors.New("the redirection is not followed")
	ErrTooLarge = errors.New("the document is too large")
	ErrEncoded  = errors.New("the document is compressed")
	// ErrUnanswered is for the very server that was asked and gave no answer at
	// all: it could not be connected to, or sent no header in time.
	ErrUnanswered = errors.New("the server does not answer")
	// ErrBroken is for whatever else ends a fetch before there is a header: TLS
	// that fails, what is not HTTP, and servers that redirections lead to. It says
	// nothing of whether the server that was asked is there.
	ErrBroken = errors.New("the server cannot be talked to")
)

// A StatusError is a status (RFC 9110 §15) which is not 200.
type StatusError struct{ Code int }

// Error names the status.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answers %d %s", e.Code, http.StatusText(e.Code))
}

// Temporary reports whether an error of Do may be gone another time: servers
// that do not answer or are in trouble, and look-ups that failed, but neither
// what the server refuses for good nor what it should never have sent.
func Temporary(err error) bool {
	var status *StatusError
	var found *reason.Error
	var lookup *net.DNSError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case permanent(err):
		return false
	case errors.As(err, &status):
		return status.Code >= 500 || status.Code == http.StatusRequestTimeout || status.Code == http.StatusTooManyRequests
	case errors.As(err, &found):
		return found.Code.Outcome().Retry
	case errors.As(err, &lookup):
		return !lookup.IsNotFound
	}
	return true
}

func permanent(err error) bool {
	for _, e := range []error{ErrURL, ErrNoHost, ErrRedirect, ErrTooLarge, ErrEncoded, guard.ErrForbidden} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
