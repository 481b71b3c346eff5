// Package testca is a certificate authority for trials: its certificates say
// TEST ONLY in their names, are unfit for patients' records, and let a gateway
// be tried before an accredited authority has issued real ones.
package testca

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"postern/internal/keyfile"
)

// How long certificates are valid, and how far a peer's clock may be behind.
const (
	authorityYears = 5
	leafYears      = 1
	clockSkew      = time.Hour
)

const (
	mark         = "TEST ONLY"
	organization = "TEST ONLY, not for patients' records"
)

// An Order says what certificate is wanted.
type Order struct {
	// Owner is an address (bound by rfc822Name) or a domain (bound by dNSName).
	Owner string
	Kind  keyfile.Kind // of the key
	Use   keyfile.Use
}

// Made reports whether a certificate is a test authority's or issued by one. It
// goes by the names alone: it tells operators, and proves nothing.
func Made(c *x509.Certificate) bool {
	return slices.Contains(c.Subject.Organization, organization) || slices.Contains(c.Issuer.Organization, organization)
}

// New makes an authority: a key and a certificate that it signs itself, good
// for five years from now and for end certificates alone. Its name ends in 8
// hexadecimal digits of the SHA-256 of its key.
func New(now time.Time) (*keyfile.Pair, error) {
	pair, err := issue(nil, keyfile.RSA2048, "", &x509.Certificate{
		Subject:        name(mark + " Postern CA"),
		NotBefore:      now.Add(-clockSkew),
		NotAfter:       now.AddDate(authorityYears, 0, 0),
		KeyUsage:       x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:           true,
		MaxPathLen:     0,
		MaxPathLenZero: true,
	})
	if err != nil {
		return nil, fmt.Errorf("making a test authority: %w", err)
	}
	return pair, nil
}

// Issue makes a key and a certificate, good for a year from now or for as long as
// the authority is. The authority is what New made.
func Issue(authority *keyfile.Pair, o Order, now time.Time) (*keyfile.Pair, error) {
	err := checkAuthority(authority, now)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.AddDate(leafYears, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
	err = bind(template, o.Owner)
	if err != nil {
		return nil, fmt.Errorf("issuing a test certificate: %w", err)
	}
	if template.NotBefore.Before(authority.Certificate.NotBefore) {
		template.NotBefore = authority.Certificate.NotBefore
	}
	if template.NotAfter.After(authority.Certificate.NotAfter) {
		template.NotAfter = authority.Certificate.NotAfter
	}
	pair, err := issue(authority, o.Kind, o.Use, template)
	if err != nil {
		return nil, fmt.Errorf("issuing a test certificate for %s: %w", o.Owner, err)
	}
	return pair, nil
}

// checkAuthority refuses to sign with a certificate that is not a test
// authority's: nobody who has a real one may come to use it here.
func checkAuthority(authority *keyfile.Pair, now time.Time) error {
	c := authority.Certificate
	if !c.IsCA || !strings.HasPrefix(c.Subject.CommonName, mark) {
		return errors.New("the authority is not a test authority")
	}
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return fmt.Errorf("the test authority is valid from %s to %s only (make a new one)",
			c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// bind puts owner into the subject alternative name, and into the subject as far
// as there is room.
func bind(template *x509.Certificate, owner string) error {
	binding, err := keyfile.BindingOf(owner)
	if err != nil {
		return err
	}
	template.EmailAddresses, template.DNSNames = binding.Addresses, binding.Domains
	commonName := mark + " " + binding.Shown
	if len(commonName) > keyfile.MaxCommonName {
		commonName = mark
	}
	template.Subject = name(commonName)
	return nil
}

func name(commonName string) pkix.Name {
	return pkix.Name{CommonName: commonName, Organization: []string{organization}}
}

// issue makes a key and the certificate of the template, signed by the authority
// or, without one, by itself.
func issue(authority *keyfile.Pair, kind keyfile.Kind, use keyfile.Use, template *x509.Certificate) (*keyfile.Pair, error) {
	key, err := kind.Generate()
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	if template.KeyUsage == 0 {
		template.KeyUsage = use.KeyUsage(key.Public()) // AS-20
	}
	template.BasicConstraintsValid = true
	template.SerialNumber, err = serial()
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("writing a public key: %w", err)
	}
	digest := sha256.Sum256(public)
	template.SubjectKeyId = digest[:20] // RFC 7093 §2, method 4, its first 160 bits
	if authority == nil {
		template.Subject.CommonName += fmt.Sprintf(" %x", digest[:4]) // tells it from others of its name
		authority = &keyfile.Pair{Certificate: template, Key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority.Certificate, key.Public(), authority.Key)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading what was signed: %w", err)
	}
	pair := &keyfile.Pair{Certificate: certificate, Key: key}
	if !certificate.IsCA {
		pair.Chain = []*x509.Certificate{authority.Certificate}
	}
	return pair, nil
}

// serial is a positive number of 127 random bits (RFC 5280 §4.1.2.2).
func serial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}
