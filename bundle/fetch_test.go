package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/internal/testnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers by HTTPS on loopback, and returns a client that believes it.
func serve(t testing.TB, h http.HandlerFunc) (url string, c *fetch.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, &fetch.Client{Network: guard.Policy{AllowPrivate: true}, Roots: roots}
}

func document(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
}

func TestTB9_FetchedByHTTPS(t *testing.T) {
	certs := anchors(t, 3)
	data := pkcs7(t, certs)
	for _, kind := range []string{"application/x-pkcs7-certificates", "application/pkcs7-mime", "application/octet-stream", "text/html", ""} { // TB-10
		url, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{kind}
			w.Header().Set("ETag", `"v1"`)
			_, _ = w.Write(data)
		})
		got, err := Fetch(t.Context(), c, Source{URL: url}, Validators{})
		if err != nil || got.Unchanged || !same(got.Bundle.Anchors, certs) || got.ETag != `"v1"` ||
			got.SHA256 != sha256.Sum256(data) || got.Bundle.SHA256 != got.SHA256 {
			t.Errorf("%q: %+v, %v", kind, got, err)
		}
	}
}

func TestTB12_UnchangedCountsAsSuccess(t *testing.T) {
	data := pkcs7(t, anchors(t, 1))
	var sent, whole atomic.Int32
	url, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		whole.Add(1)
		_, _ = w.Write(data)
	})
	known := Validators{ETag: `"v1"`, SHA256: sha256.Sum256(data)}
	got, err := Fetch(t.Context(), c, Source{URL: url}, known)
	if err != nil || !got.Unchanged || got.Bundle != nil || got.ETag != known.ETag || got.SHA256 != known.SHA256 || whole.Load() != 0 {
		t.Errorf("304: %+v, %v", got, err)
	}
	got, err = Fetch(t.Context(), c, Source{URL: url}, Validators{SHA256: known.SHA256})
	if err != nil || !got.Unchanged || got.Bundle != nil || got.ETag != known.ETag || got.SHA256 != known.SHA256 || whole.Load() != 1 {
		t.Errorf("the same file: %+v, %v", got, err)
	}
	got, err = Fetch(t.Context(), c, Source{URL: url}, Validators{ETag: `"v1"`})
	if err != nil || got.Unchanged || got.Bundle == nil || whole.Load() != 2 {
		t.Errorf("without a set to keep: %+v, %v", got, err)
	}
	got, err = Fetch(t.Context(), c, Source{URL: url}, Validators{ETag: `"v0"`, SHA256: [32]byte{1}})
	if err != nil || got.Unchanged || got.Bundle == nil || sent.Load() != 4 {
		t.Errorf("another version: %+v, %v", got, err)
	}
}

// TB-13: an anchor that a community takes back is gone, also when the web server
// compares dates and the file with it has a later one, or that of the same second.
func TestTB13_AFileThatIsPutBackIsAnotherVersion(t *testing.T) {
	all := anchors(t, 2)
	before, after := pkcs7(t, all), pkcs7(t, all[:1])
	for name, age := range map[string]time.Duration{"older": time.Hour, "of the same second": 0} {
		file, date := before, now
		url, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", date, bytes.NewReader(file)) // Last-Modified, and no ETag
		})
		got, err := Fetch(t.Context(), c, Source{URL: url}, Validators{})
		if err != nil {
			t.Fatal(err)
		}
		file, date = after, now.Add(-age)
		got, err = Fetch(t.Context(), c, Source{URL: url}, Validators{ETag: got.ETag, SHA256: got.SHA256})
		if err != nil || got.Unchanged || len(got.Bundle.Anchors) != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A signed bundle is verified every time: its signer's certificate may have
// expired while nothing changed.
func TestTB5_UnchangedIsVerifiedAgain(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	id := pki.Root("community").Leaf("bundles.example")
	data := sign(t, pkcs7(t, anchors(t, 1)), signer(id))
	url, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(data)
	})
	known := Validators{ETag: `"v1"`, SHA256: sha256.Sum256(data)}
	source := Source{URL: url, Signer: id.Cert, Now: now}
	got, err := Fetch(t.Context(), c, source, known)
	if err != nil || !got.Unchanged || got.Bundle != nil {
		t.Errorf("%+v, %v", got, err)
	}
	source.Now = now.AddDate(2, 0, 0)
	_, err = Fetch(t.Context(), c, source, known)
	if KindOf(err) != KindSignerExpired {
		t.Errorf("after its signer: %v", err)
	}
	source.Now, source.Signer = now, pki.Root("other").Cert
	_, err = Fetch(t.Context(), c, source, known)
	if KindOf(err) != KindWrongSigner {
		t.Errorf("by another pin: %v", err)
	}
}

func TestTB9_PlainHTTPNeedsASigner(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	id := pki.Root("community").Leaf("bundles.example")
	s := httptest.NewServer(document(sign(t, pkcs7(t, anchors(t, 1)), signer(id))))
	t.Cleanup(s.Close)
	c := &fetch.Client{Network: guard.Policy{AllowPrivate: true}}
	_, err := Fetch(t.Context(), c, Source{URL: s.URL, Now: now}, Validators{})
	if !errors.Is(err, ErrPlain) || KindOf(err) != KindForbidden || CheckURL(s.URL, nil) == nil {
		t.Errorf("without: %v", err)
	}
	got, err := Fetch(t.Context(), c, Source{URL: s.URL, Signer: id.Cert, Now: now}, Validators{})
	if err != nil || len(got.Bundle.Anchors) != 1 || CheckURL(s.URL, id.Cert) != nil {
		t.Errorf("with one: %+v, %v", got, err)
	}
	for _, raw := range []string{"", "ftp://a.example/b.p7b", "a.p7b", "https://user@a.example/", "https:///b"} {
		if !errors.Is(CheckURL(raw, id.Cert), fetch.ErrURL) {
			t.Errorf("%q is taken", raw)
		}
	}
	if CheckURL("https://a.example/p7b.ashx?id=1", nil) != nil {
		t.Error("https without a signer is not taken")
	}
}

func TestTB14_KindsOfFailure(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	id, other := pki.Root("community").Leaf("bundles.example"), pki.SelfSigned("other.example")
	p7 := pkcs7(t, anchors(t, 2))
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = w.Write(p7) } // TB-16
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	damaged := sign(t, p7, signer(id))
	damaged[len(damaged)-1] ^= 1
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		pin    *x509.Certificate
		want   string
	}{
		"404":                {status(404), nil, KindNotFound},
		"410":                {status(410), nil, KindNotFound},
		"500":                {status(500), nil, KindStatus},
		"401":                {status(401), nil, KindStatus},
		"206":                {status(206), nil, KindStatus},
		"304 unasked":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, nil, KindStatus},
		"slow":               {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil, KindTimeout},
		"cut off":            {cutOff, nil, KindUnreachable},
		"too large":          {endless, nil, KindTooLarge},
		"says it is large":   {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", fmt.Sprint(MaxSize+1)) }, nil, KindTooLarge},
		"redirects for ever": {redirect("/again"), nil, KindRedirect},
		"redirects to http":  {redirect("http://127.0.0.1/"), nil, KindRedirect},
		"metadata address":   {redirect("https://169.254.169.254/"), nil, KindForbidden},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(p7)
		}, nil, KindInvalidFormat},
		"a page":              {document([]byte("<html><body>Please log in</body></html>")), nil, KindInvalidFormat},
		"half a file":         {document(p7[:len(p7)/2]), nil, KindInvalidFormat},
		"nothing":             {document(nil), nil, KindEmpty}, // TB-15
		"no anchor":           {document(noCertificates(t)), nil, KindEmpty},
		"unsigned":            {document(p7), id.Cert, KindUnsigned},
		"by somebody else":    {document(sign(t, p7, signer(other))), id.Cert, KindWrongSigner},
		"damaged":             {document(damaged), nil, KindBadSignature},
		"damaged, pinned":     {document(damaged), id.Cert, KindBadSignature},
		"metadata restricts":  {document(odd(t)), nil, KindInvalidFormat},
		"signer is of before": {document(sign(t, p7, signer(pki.Root("x").Leaf("old.example", testnet.Valid(-48*time.Hour, -time.Hour))))), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, client := serve(t, c.answer)
			ctx := t.Context()
			if name == "slow" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
				defer cancel()
			}
			got, err := Fetch(ctx, client, Source{URL: url, Signer: c.pin, Now: now}, Validators{})
			if KindOf(err) != c.want || (got.Bundle == nil) != (c.want != "") {
				t.Errorf("%q: %+v, %v", KindOf(err), got, err)
			}
		})
	}
}

// odd is a bundle that asks for policies nobody can read.
func odd(t testing.TB) []byte {
	der := write(t, anchors(t, 1), "<AnchorMetadata><Oid>1.2.3</Oid></AnchorMetadata>")
	return bytes.Replace(der, []byte("<Oid>1.2.3</Oid>"), []byte("<RequiredOid  />"), 1)
}

func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, "x")
}

func endless(w http.ResponseWriter, _ *http.Request) {
	zeros := make([]byte, 1<<20)
	for range MaxSize>>20 + 8 {
		_, err := w.Write(zeros)
		if err != nil {
			return
		}
	}
}

func TestTB14_KindsOfServersThatAreNotThere(t *testing.T) {
	url, client := serve(t, document(pkcs7(t, anchors(t, 1))))
	for name, c := range map[string]struct {
		client *fetch.Client
		url    string
		want   string
	}{
		"dead port":       {client, "https://" + testnet.DeadPort(t), KindUnreachable},
		"strange root":    {&fetch.Client{Network: client.Network, Roots: x509.NewCertPool()}, url, KindTLS},
		"another's name":  {client, strings.Replace(url, "127.0.0.1", "127.0.0.2", 1), KindUnreachable},
		"loopback":        {&fetch.Client{Roots: client.Roots}, url, KindForbidden},
		"no such address": {client, "https://", KindForbidden},
	} {
		_, err := Fetch(t.Context(), c.client, Source{URL: c.url}, Validators{})
		if KindOf(err) != c.want {
			t.Errorf("%s: %q, %v", name, KindOf(err), err)
		}
	}
}

func TestEveryKindHasAHint(t *testing.T) {
	kinds := Kinds()
	if len(kinds) != 15 || KindOf(nil) != "" || Hint("") != "" {
		t.Errorf("%d kinds", len(kinds))
	}
	for _, k := range kinds {
		if Hint(k) == "" {
			t.Errorf("no hint for %s", k)
		}
	}
	if KindOf(errors.New("anything")) != KindUnreachable {
		t.Error("an unknown error has no kind")
	}
}

// An older bundle of the pinned signer, or one that does not say when it was
// signed, does not take the place of a newer one; the same time may come again.
func TestTB13_AnOldBundleDoesNotComeBack(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	id := pki.Root("community").Leaf("bundles.example")
	at := func(when time.Time, n int) []byte {
		data, err := WriteSigned(anchors(t, n), nil, signer(id), when)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	first, second := at(now.Add(-2*time.Hour), 1), at(now.Add(-time.Hour), 2)
	for name, c := range map[string]struct {
		file  []byte
		since time.Time
		pin   *x509.Certificate
		want  string
	}{
		"the first":        {first, time.Time{}, id.Cert, ""},
		"a newer":          {second, now.Add(-2 * time.Hour), id.Cert, ""},
		"the same again":   {second, now.Add(-time.Hour), id.Cert, ""},
		"an older":         {first, now.Add(-time.Hour), id.Cert, KindOutdated},
		"nobody is pinned": {first, now.Add(-time.Hour), nil, ""},
	} {
		url, client := serve(t, document(c.file))
		got, err := Fetch(t.Context(), client, Source{URL: url, Signer: c.pin, Now: now}, Validators{SignedAt: c.since})
		if KindOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if c.want == "" && c.pin != nil && !got.SignedAt.Equal(got.Bundle.SigningTime) {
			t.Errorf("%s: signed at %v, by the bundle %v", name, got.SignedAt, got.Bundle.SigningTime)
		}
	}
}

func TestASignerWhoStopsToSayWhenIsOutdated(t *testing.T) {
	for _, c := range []struct {
		signed, known time.Time
		want          bool
	}{
		{time.Time{}, time.Time{}, false}, {now, time.Time{}, false}, {now, now, false},
		{time.Time{}, now, true}, {now.Add(-time.Second), now, true},
	} {
		if outdated(c.signed, c.known) != c.want {
			t.Errorf("%v after %v", c.signed, c.known)
		}
	}
}
