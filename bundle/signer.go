package bundle

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/internal/cms"
)

// minRSABits is the least that the key of a signer has whose word counts (AS-34).
const minRSABits = 2048

// verify returns the signature that counts. The content of c is good when there
// is no error.
func (o Options) verify(c *cms.Collection) (cms.SignerResult, error) {
	var known []*x509.Certificate
	if o.Signer != nil {
		known = append(known, o.Signer) // which the bundle need not bring along
	}
	var by cms.SignerResult
	failed := ErrBadSignature
	for i, r := range c.Verify(known...) {
		err := o.judge(r)
		switch {
		case err == nil && by.Certificate == nil:
			by = r
		case o.Signer == nil && errors.Is(err, cms.ErrBadSignature):
			return r, err // damaged, whoever else signed
		case i == 0 || rank(err) > rank(failed):
			failed = err
		}
	}
	if by.Certificate == nil {
		return by, failed
	}
	return by, nil
}

// rank orders errors of judge by how much they tell of what is wrong with a
// bundle: a signer who would be right but for the dates, a signature that is
// damaged, one by somebody else.
func rank(err error) int {
	return slices.IndexFunc([]error{ErrWrongSigner, ErrBadSignature, ErrSignerExpired}, func(kind error) bool { return errors.Is(err, kind) })
}

// judge says whether a signature is the one that is asked for.
func (o Options) judge(r cms.SignerResult) error {
	if r.Err != nil {
		return fmt.Errorf("%w: %w", ErrBadSignature, r.Err)
	}
	if o.Signer == nil {
		return nil
	}
	err := o.stands(r.Certificate)
	if err != nil {
		return err
	}
	key, ok := r.Certificate.PublicKey.(*rsa.PublicKey)
	if ok && key.N.BitLen() < minRSABits {
		return fmt.Errorf("%w: the signer's RSA key has %d bits, less than %d", ErrBadSignature, key.N.BitLen(), minRSABits)
	}
	return nil
}

// stands says whether a certificate is the one asked for or was issued by it for
// signing mail (TB-5), and is in date: what an authority's web servers and OCSP
// responders have signs no bundle. A certificate that a bundle was signed by long ago may
// have expired since; then nobody answers for its key any more, and an old bundle
// must not pass for today's.
func (o Options) stands(signer *x509.Certificate) error {
	if signer.Equal(o.Signer) {
		return inDate(signer, o.Now)
	}
	signs := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if signer.KeyUsage != 0 && signer.KeyUsage&signs == 0 { // RFC 5280 §4.2.1.3
		return fmt.Errorf("%w: its certificate is not for signing", ErrWrongSigner)
	}
	roots := x509.NewCertPool()
	roots.AddCert(o.Signer)
	_, err := signer.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: o.Now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: %w", ErrSignerExpired, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrWrongSigner, err)
	}
	return nil
}

func inDate(c *x509.Certificate, now time.Time) error {
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return fmt.Errorf("%w: it is from %s to %s", ErrSignerExpired, c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}
