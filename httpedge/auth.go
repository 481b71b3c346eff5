package httpedge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/admit"
	"postern/trust/reason"
)

// maxToken is ample for a token.
const maxToken = 512

const realm = `Bearer realm="postern"` // RFC 6750 §3

// authenticate finds out who asks, and whether he may ask for that.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, scope Scope) (Login, error) {
	token, err := bearer(r)
	if err != nil {
		return Login{}, err
	}
	login, err := s.login(r.Context(), token)
	if reason.Of(err) == reason.AuthFailed {
		s.linger(w, r)
		return Login{}, err
	}
	if reason.Of(err) == reason.Busy { // too many wrong ones, or no room for a record
		s.linger(w, r)
		return Login{}, problemFor(reason.Busy)
	}
	if err != nil {
		return Login{}, err
	}
	if !slices.Contains(login.Scopes, scope) {
		p := newProblem(http.StatusForbidden, codeInsufficientScope, "the token is not good for %s", scope)
		p.auth = fmt.Sprintf(`%s, error="insufficient_scope", scope=%q`, realm, scope)
		return Login{}, p
	}
	return login, nil
}

// badToken is the problem of a token that is no good, or no longer (RFC 6750 §3.1).
func badToken() *problem {
	p := problemFor(reason.AuthFailed)
	p.Detail = "the token is not known, has expired or was revoked"
	p.auth = realm + `, error="invalid_token"`
	return p
}

// bearer returns the token of a request. It is taken from the header alone: what
// stands in an address ends up in logs (RFC 6750 §5.3).
func bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	scheme, token, _ := strings.Cut(strings.Join(values, ", "), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		p := problemFor(reason.AuthRequired)
		p.auth = realm // RFC 6750 §3.1: no error where there is no token, or another scheme
		return "", p
	}
	token = strings.TrimLeft(token, " ")
	if !isToken68(token) { // nor does it have the comma of several fields (RFC 9110 §5.3)
		p := badRequest("Authorization must be there once, as Bearer with a token")
		p.auth = realm + `, error="invalid_request"`
		return "", p
	}
	return token, nil
}

// isToken68 reports whether s is a b64token of RFC 6750 §2.1.
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+/", c) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= maxToken
}

// login proves a token. What a first request of a connection has opened serves those
// after it.
func (s *Server) login(ctx context.Context, token string) (Login, error) {
	c := connectionOf(ctx)
	login, err := s.backend.Authenticate(ctx, token, c.remote)
	if err == nil && login.Account.IsZero() {
		err = errors.New("authenticated as no account")
	}
	if err != nil {
		return Login{}, err
	}
	login.Remote = c.remote
	login.Session = c.session(token, login)
	return login, nil
}

// linger answers a token that was not taken late, and the last one on the connection
// for good.
func (s *Server) linger(w http.ResponseWriter, r *http.Request) {
	failures := connectionOf(r.Context()).failed()
	if failures >= s.options.AuthFailures {
		w.Header().Set("Connection", "close")
	}
	admit.Linger(time.Duration(min(failures, s.options.AuthFailures))*s.options.AuthDelay, r.Context().Done(), s.closing.Done())
}
