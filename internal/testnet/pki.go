package testnet

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"
)

// A PKI makes certificates around one moment. Its RSA-2048 keys are different
// from each other until RSA2048Keys of them are used; then the test fails.
type PKI struct {
	t      testing.TB
	now    time.Time
	rsa    int
	serial int64
}

// NewPKI returns a PKI whose certificates are in date at now: authorities from
// a year before to ten years after, leaves from a day before to a year after.
func NewPKI(t testing.TB, now time.Time) *PKI {
	return &PKI{t: t, now: now.UTC().Truncate(time.Second)}
}

// Now returns the moment the PKI was made for.
func (p *PKI) Now() time.Time { return p.now }

// An Identity is a certificate with its private key.
type Identity struct {
	Cert   *x509.Certificate
	Key    crypto.Signer
	Issuer *Identity // nil for a root

	pki *PKI
}

// Root makes a self-signed authority with a P-256 key.
func (p *PKI) Root(name string, opts ...Option) *Identity {
	p.t.Helper()
	return p.issue(nil, p.authority(name), opts)
}

// Intermediate makes an authority under id with a P-256 key.
func (id *Identity) Intermediate(name string, opts ...Option) *Identity {
	id.pki.t.Helper()
	return id.pki.issue(id, id.pki.authority(name), opts)
}

// Leaf makes an end-entity certificate with an RSA-2048 key for name: an
// address (it becomes an rfc822Name) or a domain (a dNSName). It may both sign
// and encrypt.
func (id *Identity) Leaf(name string, opts ...Option) *Identity {
	id.pki.t.Helper()
	return id.pki.issue(id, id.pki.leaf(name), opts)
}

// SelfSigned makes an end-entity certificate that is its own issuer.
func (p *PKI) SelfSigned(name string, opts ...Option) *Identity {
	p.t.Helper()
	return p.issue(nil, p.leaf(name), opts)
}

func (p *PKI) authority(name string) *request {
	return &request{
		key: func() crypto.Signer { return ECKey(p.t, elliptic.P256()) },
		template: x509.Certificate{
			Subject:               pkix.Name{CommonName: name, Organization: []string{"Postern TEST ONLY"}},
			NotBefore:             p.now.AddDate(-1, 0, 0),
			NotAfter:              p.now.AddDate(10, 0, 0),
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			BasicConstraintsValid: true,
			IsCA:                  true,
		},
	}
}

func (p *PKI) leaf(name string) *request {
	r := &request{
		key: p.nextRSA,
		template: x509.Certificate{
			Subject:               pkix.Name{CommonName: name, Organization: []string{"Postern TEST ONLY"}},
			NotBefore:             p.now.AddDate(0, 0, -1),
			NotAfter:              p.now.AddDate(1, 0, 0),
			KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
			ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
			BasicConstraintsValid: true,
		},
	}
	if strings.Contains(name, "@") {
		r.template.EmailAddresses = []string{name}
	} else {
		r.template.DNSNames = []string{name}
	}
	return r
}

func (p *PKI) nextRSA() crypto.Signer {
	p.t.Helper()
	p.rsa++
	return RSAKey(p.t, 2048, p.rsa)
}

func (p *PKI) issue(issuer *Identity, r *request, opts []Option) *Identity {
	p.t.Helper()
	for _, o := range opts {
		o(p, r)
	}
	p.serial++
	if r.template.SerialNumber == nil {
		r.template.SerialNumber = big.NewInt(p.serial)
	}
	id := &Identity{Key: r.key(), Issuer: issuer, pki: p}
	parent, signer := &r.template, id.Key
	if issuer != nil {
		parent, signer = issuer.Cert, issuer.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, &r.template, parent, id.Key.Public(), signer)
	if err != nil {
		p.t.Fatalf("testnet: making the certificate of %s: %v", r.template.Subject.CommonName, err)
	}
	id.Cert, err = x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatalf("testnet: reading back the certificate of %s: %v", r.template.Subject.CommonName, err)
	}
	return id
}
