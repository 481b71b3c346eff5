package testnet

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"
)

// request is a certificate about to be made.
type request struct {
	template x509.Certificate
	key      func() crypto.Signer
}

// An Option changes a certificate before it is made. Options apply in order.
type Option func(*PKI, *request)

// Template changes anything of the template that has no option of its own.
func Template(change func(*x509.Certificate)) Option {
	return func(_ *PKI, r *request) { change(&r.template) }
}

// Valid sets both dates, as distances from the PKI's moment.
func Valid(from, to time.Duration) Option {
	return func(p *PKI, r *request) {
		r.template.NotBefore, r.template.NotAfter = p.now.Add(from), p.now.Add(to)
	}
}

// Usage replaces the keyUsage; 0 leaves the extension out.
func Usage(u x509.KeyUsage) Option {
	return Template(func(c *x509.Certificate) { c.KeyUsage = u })
}

// SAN replaces the subjectAltName. Without any name the extension is left out.
func SAN(addresses, domains []string) Option {
	return Template(func(c *x509.Certificate) { c.EmailAddresses, c.DNSNames = addresses, domains })
}

// SubjectEmail adds the emailAddress attribute to the subject name.
func SubjectEmail(address string) Option {
	return Template(func(c *x509.Certificate) {
		c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{
			Type:  asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1},
			Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(address)},
		})
	})
}

// PathLen limits how many authorities may follow (RFC 5280 §4.2.1.9).
func PathLen(n int) Option {
	return Template(func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = n, n == 0 })
}

// Extension adds an extension with the given DER value.
func Extension(id asn1.ObjectIdentifier, critical bool, value []byte) Option {
	return Template(func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	})
}

// RSA takes an RSA key of 1024, 2048, 3072 or 4096 bits.
func RSA(bits int) Option {
	return func(p *PKI, r *request) {
		if bits == 2048 {
			r.key = p.nextRSA
			return
		}
		r.key = func() crypto.Signer { return RSAKey(p.t, bits, 1) }
	}
}

// EC takes a new key on the curve. A leaf's keyEncipherment becomes
// keyAgreement, which is what such a key can do (RFC 5480 §3).
func EC(curve elliptic.Curve) Option {
	return func(p *PKI, r *request) {
		r.key = func() crypto.Signer { return ECKey(p.t, curve) }
		if r.template.KeyUsage&x509.KeyUsageKeyEncipherment != 0 {
			r.template.KeyUsage ^= x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement
		}
	}
}

// Key takes this very key.
func Key(k crypto.Signer) Option {
	return func(_ *PKI, r *request) { r.key = func() crypto.Signer { return k } }
}
