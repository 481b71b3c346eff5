package httpedge

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"postern/trust/reason"
)

// Codes of problems that are no matter of mail, beside those of trust/reason.
const (
	codeBadRequest        = "bad-request"
	codeNotFound          = "not-found"
	codeMethod            = "method-not-allowed"
	codeNotAcceptable     = "not-acceptable"
	codeMediaType         = "unsupported-media-type"
	codeInsufficientScope = "insufficient-scope"
	codeKeyReused         = "key-reused"
	codeKeyInUse          = "key-in-use"
	codeStale             = "stale-cursor"
	codeLimit             = "limit-reached"
	codeInvalid           = "invalid"
)

// A problem is an answer that is no success (RFC 9457). Its type is about:blank, so
// that the title is that of the status; the code says the rest.
type problem struct {
	Title      string           `json:"title"`
	Status     int              `json:"status"`
	Code       string           `json:"code"`
	Detail     string           `json:"detail"`
	Advice     string           `json:"advice,omitempty"`
	Member     string           `json:"member,omitempty"`     // of the request that is at fault
	Recipients []refusedAddress `json:"recipients,omitempty"` // that are refused

	wait int    // seconds to wait before it is tried again; 0 says nothing
	auth string // WWW-Authenticate
	why  error  // with a reason, if the problem has one
}

type refusedAddress struct {
	Address string `json:"address"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Advice  string `json:"advice,omitempty"`
}

// Error implements error.
func (p *problem) Error() string {
	if p.Member != "" {
		return p.Code + ": " + p.Member + ": " + p.Detail
	}
	return p.Code + ": " + p.Detail
}

// Unwrap returns the reason.
func (p *problem) Unwrap() error { return p.why }

func newProblem(status int, code, format string, args ...any) *problem {
	return &problem{Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *problem {
	return newProblem(http.StatusBadRequest, codeBadRequest, format, args...)
}

// wrong is a bad request for what one member or parameter of it holds.
func wrong(member, format string, args ...any) *problem {
	p := badRequest(format, args...)
	p.Member = member
	return p
}

// WrongParameter is what a Backend returns for a parameter that cannot be so. The
// detail is for the client.
func WrongParameter(name, detail string) error { return wrong(name, "%s", detail) }

// WrongMember is what a Backend returns for a member of the content that can be read and
// cannot be so. The detail is for the client.
func WrongMember(name, detail string) error {
	p := newProblem(http.StatusUnprocessableEntity, codeInvalid, "%s", detail)
	p.Member = name
	return p
}

func notFound() *problem {
	return newProblem(http.StatusNotFound, codeNotFound, "there is no such thing here")
}

// problemOf makes a problem of an error. Of a reason the client is told what the far
// side of a message may be told, and no detail of ours.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var bytes *http.MaxBytesError
	switch {
	case errors.As(err, &bytes):
		return tooLarge()
	case errors.Is(err, ErrNotFound):
		return notFound()
	case errors.Is(err, ErrKeyReused):
		return newProblem(http.StatusUnprocessableEntity, codeKeyReused, "the idempotency key came with another request before")
	case errors.Is(err, ErrStale):
		return newProblem(http.StatusGone, codeStale, "the mailbox was made anew since: begin without a cursor")
	case errors.Is(err, ErrLimit):
		return newProblem(http.StatusConflict, codeLimit, "there are as many as an account may have")
	case reason.Of(err) == reason.AuthFailed:
		return badToken()
	}
	p = problemFor(reason.Of(err))
	p.Member = reason.FieldOf(err)
	return p
}

func tooLarge() *problem { return problemFor(reason.TooLarge) }

// problemFor makes a problem of a reason.
func problemFor(code reason.Code) *problem {
	o := code.Outcome()
	p := &problem{Status: statusOf(code), Code: code.String(), Detail: o.Public, Advice: code.Advice(), why: &reason.Error{Code: code}}
	if o.Retry && p.Status != http.StatusUnprocessableEntity {
		p.wait = retryAfter
	}
	return p
}

// retryAfter is for how many seconds a client is asked to wait.
const retryAfter = 30

// statusOf is the HTTP status of a reason (RFC 9110 §15).
func statusOf(code reason.Code) int {
	switch code {
	case reason.AuthRequired, reason.AuthFailed:
		return http.StatusUnauthorized
	case reason.SenderNotAllowed:
		return http.StatusForbidden
	case reason.TooLarge:
		return http.StatusRequestEntityTooLarge
	case reason.TooSlow:
		return http.StatusRequestTimeout
	case reason.RateLimited:
		return http.StatusTooManyRequests
	case reason.Busy, reason.StorageFull:
		return http.StatusServiceUnavailable
	case reason.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusUnprocessableEntity
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) {
	p.Title = http.StatusText(p.Status)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if p.wait > 0 {
		h.Set("Retry-After", strconv.Itoa(p.wait))
	}
	if p.auth != "" {
		h.Set("WWW-Authenticate", p.auth)
	}
	text, err := encode(p)
	if err != nil {
		text = []byte("{}") // cannot be: texts and numbers alone
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(text) // whoever does not read it has gone
}
