// Package testca is a certificate authority for trials: its certificates say
// TEST ONLY in their names, are unfit for patients' records, and let a gateway
// be tried before an accredited authority has issued real ones.
package testca

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"postern/internal/keyfile"
	"postern/mime"
)

// How long certificates are valid, and how far a peer's clock may be behind.
const (
	authorityYears = 5
	leafYears      = 1
	clockSkew      = time.Hour
)

const (
	keyBits = 2048
	// maxCommonName is ub-common-name of RFC 5280 appendix A.1, in characters.
	maxCommonName = 64
	mark          = "TEST ONLY"
	organization  = "TEST ONLY, not for patients' records"
)

// New makes an authority: a key and a certificate that it signs itself, good
// for five years from now and for end certificates alone. Its name ends in 8
// hexadecimal digits of the SHA-256 of its key.
func New(now time.Time) (*keyfile.Pair, error) {
	pair, err := issue(nil, &x509.Certificate{
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

// Issue makes a key and a certificate for owner, an address (bound by
// rfc822Name) or a domain (bound by dNSName): for signing and for encryption,
// good for a year from now or for as long as the authority is. The authority is
// what New made.
func Issue(authority *keyfile.Pair, owner string, now time.Time) (*keyfile.Pair, error) {
	err := checkAuthority(authority, now)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.AddDate(leafYears, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, // AS-20
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
	err = bind(template, owner)
	if err != nil {
		return nil, fmt.Errorf("issuing a test certificate: %w", err)
	}
	if template.NotBefore.Before(authority.Certificate.NotBefore) {
		template.NotBefore = authority.Certificate.NotBefore
	}
	if template.NotAfter.After(authority.Certificate.NotAfter) {
		template.NotAfter = authority.Certificate.NotAfter
	}
	pair, err := issue(authority, template)
	if err != nil {
		return nil, fmt.Errorf("issuing a test certificate for %s: %w", owner, err)
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
	shown := ""
	if strings.Contains(owner, "@") {
		address, err := mime.ParseAddress(owner)
		if err != nil {
			return err
		}
		shown = address.String()
		template.EmailAddresses = []string{shown}
	} else {
		domain, err := mime.ParseDomain(owner)
		if err != nil {
			return err
		}
		shown = domain.String()
		template.DNSNames = []string{shown}
	}
	commonName := mark + " " + shown
	if len(commonName) > maxCommonName {
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
func issue(authority *keyfile.Pair, template *x509.Certificate) (*keyfile.Pair, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	template.BasicConstraintsValid = true
	template.SerialNumber, err = serial()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	template.SubjectKeyId = digest[:20] // RFC 7093 §2, method 1
	if authority == nil {
		template.Subject.CommonName += fmt.Sprintf(" %x", digest[:4]) // tells it from others of its name
		authority = &keyfile.Pair{Certificate: template, Key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority.Certificate, &key.PublicKey, authority.Key)
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
