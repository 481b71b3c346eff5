package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postern/internal/guard"
	"postern/internal/testnet"
	"postern/trust/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var private = guard.Policy{AllowPrivate: true}

// serve answers with a handler on loopback.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
}

func TestDocumentIsFetched(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var got *http.Request
	var sent []byte
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		sent, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/pkix-cert")
		w.Header().Set("Cache-Control", "public, max-age=600")
		w.Header().Set("Set-Cookie", "a=b")
		_, _ = io.WriteString(w, "body")
	})
	c := &Client{Network: private, Now: func() time.Time { return now }}
	d, err := c.Do(t.Context(), Request{URL: s.URL + "/a#fragment", Accept: "application/pkix-cert"})
	if err != nil || string(d.Body) != "body" || !d.Fetched.Equal(now) || !d.Expires.Equal(now.Add(600*time.Second)) {
		t.Fatalf("%+v, %v", d, err)
	}
	if got.Method != "GET" || got.RequestURI != "/a" || got.Header.Get("Accept") != "application/pkix-cert" || got.Header.Get("Accept-Encoding") != "identity" {
		t.Errorf("asked by %s %s %v", got.Method, got.RequestURI, got.Header)
	}
	_, err = c.Do(t.Context(), Request{URL: s.URL, Body: []byte("question"), ContentType: "application/ocsp-request"})
	if err != nil || got.Method != "POST" || string(sent) != "question" || got.Header.Get("Content-Type") != "application/ocsp-request" || got.Header.Get("Cookie") != "" {
		t.Errorf("%v, asked by %s %q %v", err, got.Method, sent, got.Header)
	}
}

// AS-70: what a server may do, and what comes of it.
func TestAS70_AnswersThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		handler   http.HandlerFunc
		want      error
		temporary bool
	}{
		"not there":             {http.NotFound, &StatusError{404}, false},
		"gone":                  {status(410), &StatusError{410}, false},
		"asks to wait":          {status(429), &StatusError{429}, true},
		"timed out":             {status(408), &StatusError{408}, true},
		"in trouble":            {status(503), &StatusError{503}, true},
		"no content":            {status(204), &StatusError{204}, false},
		"too large":             {text(strings.Repeat("x", 101)), ErrTooLarge, false},
		"too large, in chunks":  {chunks(200), ErrTooLarge, false},
		"says it is too large":  {claims("1000000000"), ErrTooLarge, false},
		"compressed":            {bomb, ErrEncoded, false},
		"header without end":    {header, ErrBroken, true},
		"cut off":               {claims("50"), io.ErrUnexpectedEOF, true},
		"redirects for ever":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, ErrRedirect, false},
		"redirects to a file":   {redirect("file:///etc/passwd"), ErrRedirect, false},
		"redirects to metadata": {redirect("http://169.254.169.254/latest"), guard.ErrForbidden, false},
		"redirects to a user":   {redirect("http://user@example.com/"), ErrRedirect, false},
		"redirects to nowhere":  {redirect(""), &StatusError{302}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.handler)
			_, err := (&Client{Network: private}).Do(t.Context(), Request{URL: s.URL, Limit: 100})
			var got, want *StatusError
			if errors.As(c.want, &want) {
				if !errors.As(err, &got) || got.Code != want.Code {
					t.Errorf("got %v", err)
				}
			} else if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if Temporary(err) != c.temporary {
				t.Errorf("temporary: %v", err)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

func chunks(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for range n {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
		}
	}
}

func claims(length string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", length)
		_, _ = io.WriteString(w, "x")
	}
}

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
}

func header(w http.ResponseWriter, _ *http.Request) {
	for i := range 1000 {
		w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 100))
	}
}

func TestRedirectsAreFollowedThreeTimes(t *testing.T) {
	var hops atomic.Int32
	for _, c := range []struct {
		hops int32
		want error
	}{{3, nil}, {4, ErrRedirect}} {
		hops.Store(c.hops)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if hops.Add(-1) >= 0 {
				http.Redirect(w, r, "/next", http.StatusMovedPermanently)
			}
		})
		_, err := (&Client{Network: private}).Do(t.Context(), Request{URL: s.URL})
		if !errors.Is(err, c.want) {
			t.Errorf("%d redirections: %v", c.hops, err)
		}
	}
}

func TestRedirectThatLosesTheQuestionIsNotFollowed(t *testing.T) {
	for code, want := range map[int]error{302: ErrRedirect, 303: ErrRedirect, 307: nil, 308: nil} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/to" {
				http.Redirect(w, r, "/to", code)
				return
			}
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(body)
		})
		d, err := (&Client{Network: private}).Do(t.Context(), Request{URL: s.URL, Body: []byte("question")})
		if !errors.Is(err, want) || err == nil && string(d.Body) != "question" {
			t.Errorf("%d: %q, %v", code, d.Body, err)
		}
	}
}

func TestHTTPSIsVerifiedAndNotLeft(t *testing.T) {
	plain := serve(t, text("plain"))
	s := httptest.NewUnstartedServer(redirect(plain.URL))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	_, err := (&Client{Network: private, Roots: roots}).Do(t.Context(), Request{URL: s.URL})
	if !errors.Is(err, ErrRedirect) {
		t.Errorf("from https to http: %v", err)
	}
	_, err = (&Client{Network: private, Roots: x509.NewCertPool()}).Do(t.Context(), Request{URL: s.URL})
	if !errors.Is(err, ErrBroken) || errors.Is(err, ErrUnanswered) {
		t.Errorf("a server nobody knows: %v", err)
	}
}

func TestNetworkIsGuarded(t *testing.T) {
	s := serve(t, text("secret"))
	_, err := (&Client{}).Do(t.Context(), Request{URL: s.URL})
	if !errors.Is(err, guard.ErrForbidden) || Temporary(err) {
		t.Errorf("loopback by address: %v", err)
	}
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	local := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	_, err = (&Client{Lookup: local}).Do(t.Context(), Request{URL: "http://innocent.example:" + port})
	if !errors.Is(err, guard.ErrForbidden) {
		t.Errorf("loopback by name: %v", err)
	}
	d, err := (&Client{Lookup: local, Network: private}).Do(t.Context(), Request{URL: "http://innocent.example:" + port})
	if err != nil || string(d.Body) != "secret" {
		t.Errorf("%q, %v", d.Body, err)
	}
}

// A name that changes between two look-ups gains nothing: the guard sees the
// address that is connected to.
func TestRebindingIsGuarded(t *testing.T) {
	var lookups atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/second", http.StatusFound) })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	rebind := func(context.Context, string) ([]netip.Addr, error) {
		if lookups.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
	}
	_, err := (&Client{Lookup: rebind, Network: private}).Do(t.Context(), Request{URL: "http://rebind.example:" + port})
	if !errors.Is(err, guard.ErrForbidden) || lookups.Load() != 2 {
		t.Errorf("after %d look-ups: %v", lookups.Load(), err)
	}
}

func TestEveryAddressOfAHostIsTried(t *testing.T) {
	s := serve(t, text("body"))
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	lookup := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1")}, nil
	}
	d, err := (&Client{Lookup: lookup, Network: private}).Do(t.Context(), Request{URL: "http://two.example:" + port})
	if err != nil || string(d.Body) != "body" {
		t.Errorf("%q, %v", d.Body, err)
	}
}

func TestLookupsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		addrs     []netip.Addr
		err       error
		temporary bool
	}{
		"no address":  {nil, nil, false},
		"no name":     {nil, reason.New(reason.NoRoute, "no such name"), false},
		"timed out":   {nil, reason.New(reason.DiscoveryTimeout, "no answer"), true},
		"not found":   {nil, &net.DNSError{Err: "no such host", IsNotFound: true}, false},
		"server fail": {nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			lookup := func(context.Context, string) ([]netip.Addr, error) { return c.addrs, c.err }
			_, err := (&Client{Lookup: lookup}).Do(t.Context(), Request{URL: "http://a.example/"})
			if !errors.Is(err, ErrUnanswered) || Temporary(err) != c.temporary {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whatever a server does, a fetch is over when its time is.
func TestAS70_TimeIsBounded(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	drip := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-ticker.C:
				_, _ = io.WriteString(w, "x")
				w.(http.Flusher).Flush()
			}
		}
	})
	for name, url := range map[string]string{"says nothing": "http://" + silent.Addr().String(), "drips": drip.URL} {
		began := time.Now()
		_, err := (&Client{Network: private}).Do(t.Context(), Request{URL: url, Time: 200 * time.Millisecond})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || !Temporary(err) || took > 20*time.Second {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
}

// What a server says when it sees that the client has gone is no answer.
func TestAnswersToTheEndAreNone(t *testing.T) {
	s, c := secure(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	var all sync.WaitGroup
	for range 300 {
		all.Go(func() {
			_, err := c.Do(t.Context(), Request{URL: s.URL, Time: 100 * time.Millisecond})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("fetched: %v", err)
			}
			_, err = c.Post(t.Context(), Post{URL: s.URL, Time: 100 * time.Millisecond})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("posted: %v", err)
			}
		})
	}
	all.Wait()
}

func TestDeadPortFailsAtOnce(t *testing.T) {
	_, err := (&Client{Network: private}).Do(t.Context(), Request{URL: "http://" + testnet.DeadPort(t)})
	if !errors.Is(err, ErrUnanswered) || !Temporary(err) {
		t.Errorf("got %v", err)
	}
}

func TestCancelledFetchIsNotTemporary(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&Client{Network: private}).Do(ctx, Request{URL: "http://127.0.0.1:1/"})
	if err == nil || Temporary(err) || Temporary(nil) {
		t.Errorf("got %v", err)
	}
}

func TestURLsThatAreFetched(t *testing.T) {
	for raw, want := range map[string]string{
		"http://a.example/b?c=d":                        "http://a.example/b?c=d",
		"HTTP://A.Example:8080/B#x":                     "http://a.example:8080/B",
		"https://[2001:db8::1]:443/":                    "https://[2001:db8::1]:443/",
		"ldap://a.example/cn=b":                         "",
		"file:///etc/passwd":                            "",
		"http:///path":                                  "",
		"http://user@a.example/":                        "",
		"http://user:pass@a.example/":                   "",
		"http:a.example":                                "",
		"a.example":                                     "",
		"":                                              "",
		"http://a.example/ b":                           "",
		"http://a.example/\r\nHost: b":                  "",
		"http://ä.example/":                             "",
		"http://[fe80::1%25eth0]/":                      "",
		"http://a.example:port/":                        "",
		"http://a.example:70000/":                       "",
		"http://a.example:25/":                          "", // a mail server would read the request as commands
		"https://a.example:636/":                        "",
		"https://a.example:8443/x":                      "https://a.example:8443/x",
		"http://a.example/" + strings.Repeat("x", 2048): "",
	} {
		u, err := Parse(raw)
		switch {
		case want == "" && !errors.Is(err, ErrURL):
			t.Errorf("%.60q: %v, %v", raw, u, err)
		case want != "" && (err != nil || u.String() != want):
			t.Errorf("%.60q: %v, %v", raw, u, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"http://a.example/", "https://[::1]:80/x?y#z", "http://u@h", "ldap://x", "http://%zz/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := Parse(raw)
		if err != nil {
			if !errors.Is(err, ErrURL) {
				t.Fatal(err)
			}
			return
		}
		again, err := Parse(u.String())
		if err != nil || again.Hostname() != u.Hostname() || u.User != nil {
			t.Fatalf("%q became %q: %v", raw, u, err)
		}
	})
}

func TestFreshness(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		header map[string]string
		want   time.Duration // -1 for none
	}{
		"nothing said":         {nil, -1},
		"max-age":              {map[string]string{"Cache-Control": "max-age=60"}, time.Minute},
		"quoted, among others": {map[string]string{"Cache-Control": `public, Max-Age="60" , x`}, time.Minute},
		"in a cache before":    {map[string]string{"Cache-Control": "max-age=60", "Age": "20"}, 40 * time.Second},
		"older than that":      {map[string]string{"Cache-Control": "max-age=60", "Age": "90"}, 0},
		"not to be stored":     {map[string]string{"Cache-Control": "max-age=60, no-store"}, 0},
		"very long":            {map[string]string{"Cache-Control": "max-age=99999999999999999999"}, (1<<31 - 1) * time.Second},
		"negative":             {map[string]string{"Cache-Control": "max-age=-1"}, -1},
		"the first counts":     {map[string]string{"Cache-Control": "max-age=60, max-age=90"}, time.Minute},
		"Expires":              {map[string]string{"Expires": date(time.Hour), "Date": date(0)}, time.Hour},
		"by another clock":     {map[string]string{"Expires": date(time.Hour), "Date": date(-time.Hour)}, 2 * time.Hour},
		"no clock":             {map[string]string{"Expires": date(time.Hour)}, -1},
		"Expires is no date":   {map[string]string{"Expires": "0", "Date": date(0)}, 0},
		"max-age goes before":  {map[string]string{"Expires": date(time.Hour), "Date": date(0), "Cache-Control": "max-age=1"}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range c.header {
				h.Set(k, v)
			}
			want := now.Add(c.want)
			if c.want < 0 {
				want = time.Time{}
			}
			if got := expires(h, now); !got.Equal(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func FuzzFreshness(f *testing.F) {
	f.Add("max-age=60", "20", "Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 11:00:00 GMT")
	f.Add(`no-cache, max-age="7`, "-1", "0", "")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, control, age, end, date string) {
		got := expires(http.Header{"Cache-Control": {control}, "Age": {age}, "Expires": {end}, "Date": {date}}, now)
		if !got.IsZero() && got.Before(now) {
			t.Fatalf("fresh until %v", got)
		}
	})
}

// RFC 9110 §13.1, §15.4.5
func TestKnownVersionIsNotSentAgain(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v2"`)
		w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
		if r.Header.Get("If-None-Match") == `"v2"` || r.Header.Get("If-Modified-Since") != "" || r.URL.Path == "/always" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, "body")
	})
	for name, c := range map[string]struct {
		r    Request
		body string
	}{
		"nothing known":    {Request{URL: s.URL}, "body"},
		"another version":  {Request{URL: s.URL, IfNoneMatch: `"v1"`}, "body"},
		"this version":     {Request{URL: s.URL, IfNoneMatch: `"v2"`}, ""},
		"a weak tag":       {Request{URL: s.URL, IfNoneMatch: `W/"v2"`}, "body"},
		"what is no value": {Request{URL: s.URL, IfNoneMatch: "\"v2\"\r\nX: y"}, "body"},
	} {
		d, err := (&Client{Network: private}).Do(t.Context(), c.r)
		if err != nil || string(d.Body) != c.body || d.NotModified != (c.body == "") || d.ETag != `"v2"` || d.Fetched.IsZero() {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	_, err := (&Client{Network: private}).Do(t.Context(), Request{URL: s.URL + "/always"})
	var status *StatusError
	if !errors.As(err, &status) || status.Code != http.StatusNotModified {
		t.Errorf("unasked: %v", err)
	}
}

// RFC 9110 §8.8.1: what several versions may share names none.
func TestOnlyStrongTagsAreKept(t *testing.T) {
	for tag, want := range map[string]string{
		`"v1"`: `"v1"`, `W/"v1"`: "", "v1": "", "": "", `"` + strings.Repeat("x", 300) + `"`: "",
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", tag) })
		d, err := (&Client{Network: private}).Do(t.Context(), Request{URL: s.URL})
		if err != nil || d.ETag != want {
			t.Errorf("%s: %q, %v", tag, d.ETag, err)
		}
	}
}

func TestLargestDocumentIsWhole(t *testing.T) {
	body := bytes.Repeat([]byte("x"), defaultLimit)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	d, err := (&Client{Network: private}).Do(t.Context(), Request{URL: s.URL})
	if err != nil || !bytes.Equal(d.Body, body) {
		t.Errorf("%d octets, %v", len(d.Body), err)
	}
}
