package gateway

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// maxRoots bounds the file of network.ca, in octets.
const maxRoots = 4 << 20

// httpsRoots returns whom the certificates of HTTPS servers are believed from:
// the system's authorities and those of a PEM file. Nil, without a file, is the
// system's alone.
func httpsRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	fail := func(err error) (*x509.CertPool, error) {
		return nil, fmt.Errorf("reading the authorities of network.ca: %w", err)
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
