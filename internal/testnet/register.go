package testnet

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Register is what an authority knows of its certificates. OpenSSL makes CRLs
// and OCSP answers of it, signed with the authority's key, for whom they last a
// day from the real clock's now.
type Register struct {
	t       testing.TB
	openssl string
	dir     string

	mu      sync.Mutex
	number  int
	entries map[string]string // lines of OpenSSL's index by the serial number
}

// NewRegister makes the empty register of an authority.
func NewRegister(t testing.TB, authority *Identity) *Register {
	t.Helper()
	r := &Register{t: t, openssl: Require(t, "openssl"), dir: t.TempDir(), entries: make(map[string]string)}
	write(t, r.dir, "ca.pem", string(PEM(authority.Cert)))
	write(t, r.dir, "ca.key", string(authority.KeyPEM()))
	write(t, r.dir, "cnf", lines(
		"[ca]", "default_ca = d",
		"[d]", "database = "+filepath.Join(r.dir, "index"), "crlnumber = "+filepath.Join(r.dir, "number"),
		"default_md = sha256", "default_crl_days = 1", "crl_extensions = x",
		"[x]", "authorityKeyIdentifier = keyid",
	))
	return r
}

// Issued enters certificates of the authority, so that OCSP knows them.
func (r *Register) Issued(certs ...*x509.Certificate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range certs {
		r.entries[serial(c)] = fmt.Sprintf("V\t%s\t\t%s\tunknown\t/CN=%s", indexTime(c.NotAfter), serial(c), serial(c))
	}
}

// Revoke enters a certificate as revoked since a time. The reason is one as
// OpenSSL calls it, such as "keyCompromise", or "".
func (r *Register) Revoke(c *x509.Certificate, since time.Time, reason string) {
	if reason != "" {
		reason = "," + reason
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries[serial(c)] = fmt.Sprintf("R\t%s\t%s%s\t%s\tunknown\t/CN=%s", indexTime(c.NotAfter), indexTime(since), reason, serial(c), serial(c))
}

// serial is a serial number as OpenSSL's index has it: whole octets.
func serial(c *x509.Certificate) string {
	return fmt.Sprintf("%X", c.SerialNumber.Bytes())
}

func indexTime(t time.Time) string { return t.UTC().Format("060102150405Z") }

// CRL returns the authority's list of now, in DER.
func (r *Register) CRL() []byte {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.save()
	if err == nil {
		err = r.run("ca", "-config", "cnf", "-gencrl", "-cert", "ca.pem", "-keyfile", "ca.key", "-out", "crl.pem")
	}
	if err == nil {
		err = r.run("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
	}
	var der []byte
	if err == nil {
		der, err = os.ReadFile(filepath.Join(r.dir, "crl.der"))
	}
	if err != nil {
		r.t.Fatalf("testnet: making a CRL: %v", err)
	}
	return der
}

// OCSP answers a request as the authority's responder, in DER.
func (r *Register) OCSP(request []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.save()
	if err != nil {
		return nil, err
	}
	err = os.WriteFile(filepath.Join(r.dir, "request"), request, 0o600)
	if err != nil {
		return nil, err
	}
	err = r.run("ocsp", "-index", "index", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key",
		"-ndays", "1", "-reqin", "request", "-respout", "answer")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(r.dir, "answer"))
}

// save writes OpenSSL's files anew.
func (r *Register) save() error {
	var index strings.Builder
	for _, line := range r.entries {
		index.WriteString(line + "\n")
	}
	r.number++
	err := os.WriteFile(filepath.Join(r.dir, "index"), []byte(index.String()), 0o600)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, "number"), fmt.Appendf(nil, "%04X\n", r.number), 0o600)
}

func (r *Register) run(args ...string) error {
	cmd := exec.Command(r.openssl, args...)
	cmd.Dir = r.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if err != nil {
		return fmt.Errorf("openssl %s: %w\n%s", args[0], err, stderr.String())
	}
	return nil
}

// Media types of what authorities publish (RFC 5280 §4.2.1.13 and §4.2.2.1,
// RFC 6960 appendix C).
const (
	TypeCRL  = "application/pkix-crl"
	TypeCert = "application/pkix-cert"
	TypeOCSP = "application/ocsp-response"
)

// PublishedAt names in a certificate where its authority publishes: a CRL, an
// OCSP responder, the authority's own certificate. What is "" is not named.
func PublishedAt(crl, ocsp, issuer string) Option {
	list := func(u string) []string {
		if u == "" {
			return nil
		}
		return []string{u}
	}
	return Template(func(c *x509.Certificate) {
		c.CRLDistributionPoints, c.OCSPServer, c.IssuingCertificateURL = list(crl), list(ocsp), list(issuer)
	})
}
