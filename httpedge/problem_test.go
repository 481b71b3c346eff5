package httpedge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"postern/trust/reason"
)

// Whoever is asked to come again is told when (RFC 6585 §4, RFC 9110 §15.6.4).
func TestRetryAfter(t *testing.T) {
	seen := make(map[int]bool)
	for _, code := range reason.Codes() {
		w := httptest.NewRecorder()
		problemFor(code).write(w)
		seen[w.Code] = true
		if (w.Code == http.StatusTooManyRequests || w.Code == http.StatusServiceUnavailable) && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s is %d without Retry-After", code, w.Code)
		}
	}
	if !seen[http.StatusTooManyRequests] || !seen[http.StatusServiceUnavailable] {
		t.Errorf("no such answers: %v", seen)
	}
}

// A token that is no good any more by the time its request has come is told like one that
// never was (RFC 6750 §3.1, RFC 9110 §15.5.2).
func TestATokenThatEndsMeanwhile(t *testing.T) {
	for _, err := range []error{reason.New(reason.AuthFailed, "revoked"), fmt.Errorf("adding: %w", reason.New(reason.AuthFailed, "revoked"))} {
		w := httptest.NewRecorder()
		problemOf(err).write(w)
		if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != realm+`, error="invalid_token"` {
			t.Errorf("%v: %d, %q", err, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
}
