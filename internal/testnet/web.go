package testnet

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Mode is how a page of a Web answers. The zero Mode is Good.
type Mode int

// The modes. A server that is not there at all is "http://" + DeadPort, or a Web
// after Die.
const (
	Good    Mode = iota
	Missing      // 404
	Slow         // an octet every slowPause
	Hanging      // takes the request and says nothing
	Huge         // the right document, and then zeros without end
)

const slowPause = 20 * time.Millisecond

// A Web is an HTTP server on loopback for what authorities publish: CRLs, their
// own certificates, OCSP answers. It keeps count of who asks.
type Web struct {
	// URL is http, address and port, without a slash at the end.
	URL string

	t      testing.TB
	server *httptest.Server
	ended  chan struct{}
	end    func()

	mu    sync.Mutex
	pages map[string]*page
}

// A page answers at a path and, for OCSP by GET, below it.
type page struct {
	kind   string // media type
	answer func(request []byte) ([]byte, error)
	to     string // where it sends clients instead
	mode   Mode
	asked  int
}

// NewWeb starts a server without pages. It ends with the test.
func NewWeb(t testing.TB) *Web {
	w := &Web{t: t, ended: make(chan struct{}), pages: make(map[string]*page)}
	w.start(httptest.NewServer(w))
	return w
}

// NewTLSWeb is as NewWeb with HTTPS, for the host that id is a leaf of; see
// ForTLS. URL has that name, which has to lead to loopback.
func NewTLSWeb(t testing.TB, id *Identity) *Web {
	w := &Web{t: t, ended: make(chan struct{}), pages: make(map[string]*page)}
	s := httptest.NewUnstartedServer(w)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{
		{Certificate: [][]byte{id.Cert.Raw}, PrivateKey: id.Key, Leaf: id.Cert},
	}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that clients end
	s.StartTLS()
	w.start(s)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	w.URL = "https://" + net.JoinHostPort(id.Cert.DNSNames[0], port)
	return w
}

// ForTLS makes a leaf one of a web server.
func ForTLS() Option {
	return Template(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
}

func (w *Web) start(s *httptest.Server) {
	w.server, w.URL = s, s.URL
	w.end = sync.OnceFunc(func() {
		close(w.ended)
		w.server.CloseClientConnections()
		w.server.Close()
	})
	w.t.Cleanup(w.end)
}

// Die closes the port, so that connections are refused from now on.
func (w *Web) Die() { w.end() }

// Put makes a page at a path, such as "/ca.crl", of one document.
func (w *Web) Put(path, mediaType string, body []byte) {
	w.Answer(path, mediaType, func([]byte) ([]byte, error) { return body, nil })
}

// Answer makes a page whose document depends on the request: the body of a POST,
// or what OCSP by GET has after the path (RFC 6960 appendix A.1). An error is
// answered 500.
func (w *Web) Answer(path, mediaType string, answer func(request []byte) ([]byte, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[path] = &page{kind: mediaType, answer: answer}
}

// Redirect makes a page that sends clients elsewhere.
func (w *Web) Redirect(path, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[path] = &page{to: to}
}

// Set changes how a page answers from now on.
func (w *Web) Set(path string, m Mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[path].mode = m
}

// Asked returns how often a page was asked for.
func (w *Web) Asked(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pages[path].asked
}

// ServeHTTP implements http.Handler.
func (w *Web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	p, below := w.find(r.URL.EscapedPath())
	if below != "" {
		request, err = unescaped(below)
	}
	if err == nil && p.to != "" {
		http.Redirect(out, r, p.to, http.StatusFound)
		return
	}
	if err != nil || p.answer == nil {
		http.NotFound(out, r)
		return
	}
	w.write(out, r, p, request)
}

// find returns a copy of the page, and what follows its path.
func (w *Web) find(path string) (page, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, p := range w.pages {
		rest, ok := strings.CutPrefix(path, at)
		if ok && (rest == "" || rest[0] == '/') {
			p.asked++
			return *p, strings.TrimPrefix(rest, "/")
		}
	}
	return page{}, ""
}

func unescaped(below string) ([]byte, error) {
	text, err := url.PathUnescape(below)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

func (w *Web) write(out http.ResponseWriter, r *http.Request, p page, request []byte) {
	if p.mode == Missing {
		http.NotFound(out, r)
		return
	}
	if p.mode == Hanging {
		w.waits(r, nil)
		return
	}
	body, err := p.answer(request)
	if err != nil {
		w.t.Logf("testnet: answering %s: %v", r.URL.Path, err)
		http.Error(out, "no answer", http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", p.kind)
	switch p.mode {
	case Slow:
		w.drip(out, r, body)
	case Huge:
		_, err = out.Write(body)
		for zeros := make([]byte, 1<<16); err == nil; {
			_, err = out.Write(zeros)
		}
	default:
		_, _ = io.Copy(out, bytes.NewReader(body)) // the client may have gone
	}
}

// drip writes an octet at a time.
func (w *Web) drip(out http.ResponseWriter, r *http.Request, body []byte) {
	tick := time.NewTicker(slowPause)
	defer tick.Stop()
	flush := http.NewResponseController(out)
	for i := range body {
		_, err := out.Write(body[i : i+1])
		if err != nil || flush.Flush() != nil || !w.waits(r, tick.C) {
			return
		}
	}
}

// waits waits for a tick, and reports false if the client or the server goes.
func (w *Web) waits(r *http.Request, tick <-chan time.Time) bool {
	select {
	case <-tick:
		return true
	case <-r.Context().Done():
	case <-w.ended:
	}
	return false
}
