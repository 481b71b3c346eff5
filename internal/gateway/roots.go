package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"postern/internal/config"
	"postern/internal/fetch"
)

// ErrRoots says that the file of network.ca cannot be used.
var ErrRoots = errors.New("the authorities of network.ca cannot be read")

// CheckFiles reads the files that a configuration names, as serving needs them.
func CheckFiles(cfg *config.Config) error {
	_, err := httpsRoots(cfg.Network.CA)
	if err != nil {
		return err
	}
	return checkTLS(cfg)
}

// A fetcher gets nothing by HTTPS while nobody knows whom to believe there; the
// rest of the gateway does not need it.
type fetcher struct {
	*fetch.Client
	roots error
}

// Do implements the Fetchers.
func (f fetcher) Do(ctx context.Context, r fetch.Request) (fetch.Document, error) {
	if f.roots != nil && !strings.HasPrefix(strings.ToLower(r.URL), "http:") {
		return fetch.Document{}, f.roots
	}
	return f.Client.Do(ctx, r)
}

// Post implements Poster.
func (f fetcher) Post(ctx context.Context, p fetch.Post) (fetch.Reply, error) {
	if f.roots != nil {
		return fetch.Reply{}, f.roots
	}
	return f.Client.Post(ctx, p)
}

// maxRoots bounds the file of network.ca, in octets.
const maxRoots = 4 << 20

// httpsRoots returns whom the certificates of HTTPS servers are believed from:
// the system's authorities and those of a PEM file. Nil, without a file, is the
// system's alone. With an error it is nobody.
func httpsRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	fail := func(err error) (*x509.CertPool, error) {
		return x509.NewCertPool(), fmt.Errorf("%w: %w", ErrRoots, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	if info.Size() > maxRoots {
		return fail(fmt.Errorf("%s has more than %d octets", path, maxRoots))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // a system without any: those of the file must do
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(data) {
		return fail(errors.New(path + " has no certificate in PEM"))
	}
	return pool, nil
}
