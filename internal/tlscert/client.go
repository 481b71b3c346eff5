package tlscert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	requestTime = 30 * time.Second // of one request to an authority
	connectTime = 10 * time.Second
	maxAnswer   = 1 << 20 // octets
	maxHeader   = 64 << 10
)

// A Lookup returns the addresses of a host.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// NewClient returns the HTTP client for an authority: HTTPS alone, by the authorities of
// roots (nil is the system's), bounded in time and size. A nil lookup is the system's.
func NewClient(roots *x509.CertPool, lookup Lookup) *http.Client {
	d := dialer{lookup: lookup, Dialer: net.Dialer{Timeout: connectTime}}
	return &http.Client{
		Timeout: requestTime,
		Transport: bounded{&http.Transport{
			DialContext:         d.dial,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout: connectTime, MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true,
		}},
	}
}

// bounded lets nothing through but HTTPS (RFC 8555 §6.1), and no endless answer.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, errors.New("the authority names a URL that is not https")
	}
	response, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

type dialer struct {
	net.Dialer
	lookup Lookup
}

// dial connects to the first address of a host that takes the connection.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	_, notAddress := netip.ParseAddr(host)
	if d.lookup == nil || notAddress == nil {
		return d.DialContext(ctx, network, address)
	}
	all, err := d.lookup(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("looking up %s: %w", host, err)
	}
	failed := fmt.Errorf("%s has no address", host)
	for _, a := range all {
		var conn net.Conn
		conn, failed = d.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if failed == nil {
			return conn, nil
		}
	}
	return nil, failed
}
