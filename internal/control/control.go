// Package control is how an operator's commands reach the store and the
// pipeline: HTTP with JSON over a Unix socket beside the store.
//
// While the gateway runs, it serves the socket. While it does not, the command
// opens the store, serves the same socket for as long as it runs, and talks to
// itself: there is one way for every command. The socket is for its owner only.
package control

import (
	"errors"
	"net/http"
	"sync"
	"syscall"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// A Service answers the commands.
type Service struct {
	Core *gateway.Core

	issuing sync.Mutex // held while the test CA issues
}

// A Kind says what sort of refusal an Error is; a command's exit code follows
// from it.
type Kind string

// Kinds of refusal.
const (
	Invalid   Kind = "invalid"   // what was asked makes no sense as it stands
	Negative  Kind = "negative"  // the answer is no: not found, there already, not trusted
	Temporary Kind = "temporary" // it may work later
)

// An Error is a refusal that is told to the operator in one line and a hint.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error returns the message without the hint.
func (e *Error) Error() string { return e.Message }

func invalid(err error, hint string) *Error {
	return &Error{Kind: Invalid, Message: err.Error(), Hint: hint}
}

// HintUnwritable is for a store, or a disk, that can only be read.
const HintUnwritable = "mount the disk for writing, or run as a user that may write to the store; what only reads works meanwhile"

// refusal makes any error fit to be told.
func refusal(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	e = &Error{Kind: Temporary, Message: err.Error()}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists):
		e.Kind = Negative
	case errors.Is(err, store.ErrCorrupt):
		e.Kind, e.Hint = Negative, "restore the latest backup with postern store restore; docs/operations.md says how"
	case errors.Is(err, mime.ErrAddress):
		e.Kind, e.Hint = Invalid, "an address is local@domain, a domain is a full DNS name"
	case errors.Is(err, store.ErrUnwritable), errors.Is(err, syscall.EROFS):
		e.Hint = HintUnwritable
	case errors.Is(err, store.ErrFull), errors.Is(err, syscall.ENOSPC):
		e.Hint = "free or add disk space"
	}
	var why *reason.Error
	if errors.As(err, &why) {
		o := why.Code.Outcome()
		e.Hint = o.Hint
		if !o.Retry {
			e.Kind = Negative
		}
	}
	return e
}

// Handler serves every command.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	s.handleDirectory(mux)
	s.handleHooks(mux)
	s.handleEdges(mux)
	s.handleAliases(mux)
	s.handleAccess(mux)
	s.handleCertificates(mux)
	s.handleAnchors(mux)
	s.handleBundles(mux)
	s.handlePublish(mux)
	s.handleMessages(mux)
	s.handleQueue(mux)
	s.handleOffline(mux)
	s.handleStore(mux)
	s.handleAudit(mux)
	return mux
}
