package fetch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"postern/internal/guard"
)

const (
	fetchTime    = 30 * time.Second // from the first look-up to the last octet
	defaultLimit = 64 << 10
	stepTimeout  = 10 * time.Second // of a connection, and of the handshake on it
	maxHeader    = 32 << 10         // octets of a response's header
	maxRedirects = 3
	maxAddresses = 4 // of a host that are tried
)

// A Client fetches documents. The zero Client may go to the public internet
// alone. It is safe for use by many goroutines and holds nothing open between
// fetches.
type Client struct {
	Network guard.Policy
	// Lookup returns the addresses of a host. Nil is the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Now is the clock that documents are stamped by; nil is the system's.
	Now func() time.Time

	// Roots are the authorities by which https servers are believed; nil is the
	// system's.
	Roots *x509.CertPool
}

// A Request says what to fetch.
type Request struct {
	URL string // http or https, as Parse takes it
	// Body is sent by POST, as ContentType; without one the request is a GET.
	Body        []byte
	ContentType string
	Accept      string // the media type asked for; "" is any
	Limit       int    // octets that the document may have; 0 is 64 KiB
	// IfNoneMatch is the ETag of a document that is known already (RFC 9110
	// §13.1.2). "" does not ask.
	IfNoneMatch string
	// Time bounds the whole fetch, from the first look-up to the last octet; 0 is
	// 30 seconds.
	Time time.Duration
	// Connect bounds each connection that is tried; 0 is 10 seconds.
	Connect time.Duration
}

// A Document is what a server answered.
type Document struct {
	Body    []byte
	Fetched time.Time
	// Expires is until when the server calls the document fresh (RFC 9111 §4.2),
	// not before Fetched; zero if it does not say.
	Expires time.Time
	// NotModified says that the document is the known one (RFC 9110 §15.4.5). There
	// is no Body then. It is never true of a request that did not ask.
	NotModified bool
	// ETag is what the server calls this version and no other; "" if it does not,
	// or not in at most 256 visible characters. There is no such thing as the date
	// of a version: a file that is put back is older than the one before it, and
	// one that changes twice in a second has the date of another.
	ETag string
}

// Do fetches a document. Its errors wrap one of those of this package, or tell
// of the network; Temporary says whether it may be worth asking again.
func (c *Client) Do(ctx context.Context, r Request) (Document, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(r.Time, fetchTime))
	defer cancel()
	request, err := r.build(ctx)
	if err != nil {
		return Document{}, err
	}
	var way course
	transport := c.transport(&way, cmp.Or(r.Connect, stepTimeout))
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: way.follow}
	response, err := client.Do(way.trace(request))
	if err != nil {
		return Document{}, way.failed(request, err)
	}
	defer response.Body.Close()
	document, err := c.read(request, response, r)
	if ended := ctx.Err(); ended != nil {
		return Document{}, way.failed(request, ended) // a server may answer that, by an empty document
	}
	return document, err
}

func (r Request) limit() int {
	if r.Limit <= 0 {
		return defaultLimit
	}
	return r.Limit
}

func (r Request) build(ctx context.Context) (*http.Request, error) {
	u, err := Parse(r.URL)
	if err != nil {
		return nil, err
	}
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if r.Body != nil {
		method, body = http.MethodPost, bytes.NewReader(r.Body)
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	request.Header.Set("User-Agent", "postern")
	request.Header.Set("Accept-Encoding", "identity")
	if r.Accept != "" {
		request.Header.Set("Accept", r.Accept)
	}
	if r.ContentType != "" {
		request.Header.Set("Content-Type", r.ContentType)
	}
	if strongTag(r.IfNoneMatch) != "" {
		request.Header.Set("If-None-Match", r.IfNoneMatch)
	}
	return request, nil
}

// transport returns one for a single fetch: what is never reused cannot pile up,
// and no connection serves two strangers.
func (c *Client) transport(way *course, connect time.Duration) *http.Transport {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := c.dial(ctx, c.Network.Dialer(connect), network, address)
		if err == nil {
			way.reach(connected)
		}
		return conn, err
	}
	return &http.Transport{
		Proxy:                  nil, // a proxy would connect where the guard cannot look
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
		TLSHandshakeTimeout:    stepTimeout,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// dial connects to the first address of a host that takes the connection. The
// guard sees the very address, after the resolution.
func (c *Client) dial(ctx context.Context, dialer *net.Dialer, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	_, notAddress := netip.ParseAddr(host)
	if c.Lookup == nil || notAddress == nil {
		return dialer.DialContext(ctx, network, address)
	}
	all, err := c.Lookup(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	failed := fmt.Errorf("%w: %s", ErrNoHost, host)
	for _, a := range all[:min(len(all), maxAddresses)] {
		var conn net.Conn
		conn, failed = dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if failed == nil {
			return conn, nil
		}
	}
	return nil, failed
}

// mayFollow judges a redirection. The guard judges where it leads.
func mayFollow(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("%w: more than %d", ErrRedirect, maxRedirects)
	}
	last := via[len(via)-1]
	_, err := Parse(next.URL.String())
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrRedirect, err)
	case last.URL.Scheme == "https" && next.URL.Scheme == "http":
		return fmt.Errorf("%w: from https to http", ErrRedirect)
	case last.Method != next.Method:
		return fmt.Errorf("%w: the request would be lost", ErrRedirect)
	}
	next.Header.Del("Referer")
	return nil
}

// read takes the answer, if it is one.
func (c *Client) read(request *http.Request, response *http.Response, r Request) (Document, error) {
	fail := func(err error) (Document, error) {
		return Document{}, fmt.Errorf("fetching from %s: %w", request.URL.Host, err)
	}
	if response.StatusCode == http.StatusNotModified && request.Header.Get("If-None-Match") != "" {
		return c.document(response, nil, true), nil
	}
	if response.StatusCode != http.StatusOK {
		return fail(&StatusError{Code: response.StatusCode})
	}
	encoding := response.Header.Get("Content-Encoding")
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fail(fmt.Errorf("%w: %.20q", ErrEncoded, encoding)) // nobody asked for it
	}
	limit := r.limit()
	if response.ContentLength > int64(limit) {
		return fail(fmt.Errorf("%w: more than %d octets", ErrTooLarge, limit))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err != nil {
		return fail(fmt.Errorf("reading the answer: %w", err))
	}
	if len(body) > limit {
		return fail(fmt.Errorf("%w: more than %d octets", ErrTooLarge, limit))
	}
	return c.document(response, body, false), nil
}

func (c *Client) document(response *http.Response, body []byte, notModified bool) Document {
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	d := Document{
		Body: body, Fetched: now(), NotModified: notModified,
		ETag: strongTag(response.Header.Get("ETag")),
	}
	d.Expires = expires(response.Header, d.Fetched)
	return d
}

// strongTag returns an ETag that no two versions have, or "". A weak one only says
// that they mean the same (RFC 9110 §8.8.1).
func strongTag(s string) string {
	const longest = 256
	if len(s) > longest || !strings.HasPrefix(s, `"`) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return s
}

// Parse reads a URL that may be fetched: of http or https, with a host, without
// a user's name, of at most 2048 octets of visible ASCII, and not at the port of
// another protocol. Its errors wrap ErrURL.
func Parse(raw string) (*url.URL, error) {
	const longest = 2048
	if len(raw) > longest {
		return nil, fmt.Errorf("%w: it has more than %d octets", ErrURL, longest)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%w: it is not of visible ASCII", ErrURL)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be read", ErrURL)
	}
	u.Scheme, u.Host, u.Fragment = strings.ToLower(u.Scheme), strings.ToLower(u.Host), ""
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%w: its scheme is %.20q", ErrURL, u.Scheme)
	case u.Hostname() == "" || strings.Contains(u.Host, "%"):
		return nil, fmt.Errorf("%w: it has no host that can be asked", ErrURL)
	case u.User != nil:
		return nil, fmt.Errorf("%w: it has a user's name", ErrURL)
	}
	err = checkPort(u.Port())
	if err != nil {
		return nil, err
	}
	return u, nil
}

func checkPort(port string) error {
	if port == "" {
		return nil // the scheme's
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("%w: its port is none", ErrURL)
	}
	err = guard.CheckPort(uint16(n))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrURL, err)
	}
	return nil
}
