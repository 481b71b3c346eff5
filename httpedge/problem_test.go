package httpedge

import (
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
