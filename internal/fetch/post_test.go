package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/internal/guard"
	"postern/internal/testnet"
)

// secure is an HTTPS server of a test, with a client that believes it.
func secure(t testing.TB, h http.HandlerFunc) (*httptest.Server, *Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, &Client{Network: private, Roots: roots}
}

func TestPost(t *testing.T) {
	var got *http.Request
	var body []byte
	s, c := secure(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, strings.Repeat("no end ", 1<<16))
	})
	header := http.Header{"Webhook-Id": {"7"}}
	reply, err := c.Post(t.Context(), Post{URL: s.URL + "/in", Header: header, Body: []byte("{}")})
	if err != nil || reply != (Reply{http.StatusAccepted, 2 * time.Minute}) {
		t.Errorf("%+v, %v", reply, err)
	}
	if got.Method != http.MethodPost || string(body) != "{}" || got.Header.Get("Webhook-Id") != "7" || got.Header.Get("User-Agent") != "postern" {
		t.Errorf("%s %s %v", got.Method, body, got.Header)
	}
	if len(header) != 1 {
		t.Errorf("the caller's header has %v", header)
	}
}

// No redirection is followed: a receiver cannot have us ask somebody else.
func TestPostFollowsNoRedirection(t *testing.T) {
	asked := false
	s, c := secure(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/other" {
			asked = true
		}
		http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
	})
	reply, err := c.Post(t.Context(), Post{URL: s.URL})
	if err != nil || reply.Status != http.StatusTemporaryRedirect || asked {
		t.Errorf("%+v, %v, asked %v", reply, err, asked)
	}
}

func TestWhereNothingIsPosted(t *testing.T) {
	s, c := secure(t, func(http.ResponseWriter, *http.Request) { t.Error("it was posted") })
	stranger := &Client{Network: private}
	for name, p := range map[string]struct {
		client *Client
		url    string
		want   error
	}{
		"http":                    {c, strings.Replace(s.URL, "https", "http", 1), ErrURL},
		"port of mail":            {c, "https://localhost:25/", ErrURL},
		"another certificate":     {stranger, s.URL, ErrBroken},
		"a private address":       {&Client{Roots: c.Roots}, s.URL, guard.ErrForbidden},
		"the address of metadata": {c, "https://169.254.169.254/", guard.ErrForbidden},
		"a name of the loopback":  {&Client{Roots: c.Roots}, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), guard.ErrForbidden},
		"nobody listens":          {c, "https://" + testnet.DeadPort(t), ErrUnanswered},
		"no TLS":                  {c, "https://" + says(t, "220 mail.example\r\n"), ErrBroken},
	} {
		_, err := p.client.Post(t.Context(), Post{URL: p.url, Body: []byte("secret"), Time: 5 * time.Second})
		if !errors.Is(err, p.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error has the body", name)
		}
	}
}

func TestPostHasAnEnd(t *testing.T) {
	over := make(chan struct{})
	s, c := secure(t, func(http.ResponseWriter, *http.Request) { <-over })
	defer close(over)                                                      // before the server is closed, which waits for it
	_, err := c.Post(t.Context(), Post{URL: s.URL, Time: 2 * time.Second}) // which a handshake does not take
	if !errors.Is(err, ErrUnanswered) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT", " 5 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(http.Header{"Retry-After": {s}}); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: %s", s, d)
		}
	})
}
