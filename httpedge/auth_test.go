package httpedge

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// RFC 6750 §3: whoever has no token, a wrong one, or one for something else is told
// so, and nothing more.
func TestRFC6750_Tokens(t *testing.T) {
	r := newRig(t, &house{}, func(o *Options) { o.AuthFailures = 100 })
	for name, tt := range map[string]struct {
		field  string
		status int
		code   string
		auth   string
	}{
		"none":              {"Authorization: ", 401, "auth-required", `Bearer realm="postern"`},
		"wrong":             {"Authorization: Bearer wrong", 401, "auth-failed", `Bearer realm="postern", error="invalid_token"`},
		"another scheme":    {"Authorization: Basic YTpi", 401, "auth-required", `Bearer realm="postern"`},
		"no token":          {"Authorization: Bearer ", 400, "bad-request", `Bearer realm="postern", error="invalid_request"`},
		"two fields":        {"Authorization: Bearer " + goodToken + ", Bearer " + goodToken, 400, "bad-request", `Bearer realm="postern", error="invalid_request"`},
		"two words":         {"Authorization: Bearer a b", 400, "bad-request", `Bearer realm="postern", error="invalid_request"`},
		"too long":          {"Authorization: Bearer " + strings.Repeat("a", maxToken+1), 400, "bad-request", `Bearer realm="postern", error="invalid_request"`},
		"not for this":      {"Authorization: Bearer only-read", 403, "insufficient-scope", `Bearer realm="postern", error="insufficient_scope", scope="lookup"`},
		"too many were bad": {"Authorization: Bearer busy", 503, "busy", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.do("GET", "/v1/lookup?address=x@b.example", "", tt.field)
			r.code(a, tt.status, tt.code)
			if got := a.Header.Get("WWW-Authenticate"); got != tt.auth {
				t.Errorf("%s, want %s", got, tt.auth)
			}
		})
	}
	r.code(r.do("GET", "/v1/messages?access_token="+goodToken, "", "Authorization: "), 400, "bad-request")
	r.ok(r.do("GET", "/v1/lookup?address=x@b.example", "", "Authorization: bearer  "+goodToken), 200)
	for _, secret := range []string{goodToken, "wrong", "only-read", "x@b.example"} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log has %s:\n%s", secret, r.log.String())
		}
	}
}

// A wrong token is answered late, and the last one ends the connection.
func TestWrongTokensEndTheConnection(t *testing.T) {
	const late = 30 * time.Millisecond
	r := newRig(t, &house{}, func(o *Options) { o.AuthDelay, o.AuthFailures = late, 2 })
	transport := r.client.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = false // one connection, one request after another
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	for i, want := range []bool{false, true} {
		begun := time.Now()
		a := r.do("GET", "/v1/hooks", "", "Authorization: Bearer wrong")
		r.code(a, 401, "auth-failed")
		if a.Close != want || time.Since(begun) < time.Duration(i+1)*late {
			t.Errorf("%d: closed %v after %v", i, a.Close, time.Since(begun))
		}
	}
	if n := r.server.Stats().Errors; n != 2 {
		t.Errorf("%d errors are counted", n)
	}
}

// So does one that is not looked at, of an address that has shown too many; it is no
// error of ours.
func TestTooManyWrongTokensEndTheConnection(t *testing.T) {
	const late = 30 * time.Millisecond
	r := newRig(t, &house{}, func(o *Options) { o.AuthDelay, o.AuthFailures = late, 1 })
	begun := time.Now()
	a := r.do("GET", "/v1/hooks", "", "Authorization: Bearer busy")
	r.code(a, 503, "busy")
	if time.Since(begun) < late {
		t.Errorf("answered after %v", time.Since(begun))
	}
	if strings.Contains(r.log.String(), "level=ERROR") {
		t.Errorf("the log has\n%s", r.log.String())
	}
}

// A token that was revoked is no good for the next request on the same connection, nor
// for one that waits.
func TestRevokedWhileWaiting(t *testing.T) {
	h := &house{changed: make(chan struct{})}
	r := newRig(t, h)
	r.ok(r.do("GET", "/v1/messages", ""), 200)
	got := make(chan answer)
	go func() { got <- r.do("GET", "/v1/messages?wait=60", "") }()
	h.changed <- struct{}{}
	h.changed <- struct{}{} // it waits again
	h.mu.Lock()
	h.revoked = true
	h.mu.Unlock()
	select {
	case h.changed <- struct{}{}:
		r.code(<-got, 401, "auth-failed")
	case a := <-got: // it was asked just now
		r.code(a, 401, "auth-failed")
	}
	r.code(r.do("GET", "/v1/messages", ""), 401, "auth-failed")
}

// An account has so many requests at once, and others have theirs.
func TestRequestsAtOnce(t *testing.T) {
	h := &house{changed: make(chan struct{})}
	r := newRig(t, h, func(o *Options) { o.Requests = 1 })
	got := make(chan answer)
	go func() { got <- r.do("GET", "/v1/messages?wait=60", "") }()
	h.changed <- struct{}{}
	h.changed <- struct{}{}
	a := r.do("GET", "/v1/hooks", "")
	r.code(a, 429, "rate-limited")
	if a.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %s", a.Header.Get("Retry-After"))
	}
	r.ok(r.do("GET", "/v1/hooks", "", "Authorization: Bearer other-token"), 200)
	r.stop() // and a list that waits ends with the server
	r.ok(<-got, 200)
}
