package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"postern/trust"
)

// MaxCRL is the size in octets up to which a CRL is read.
const MaxCRL = 32 << 20

// A CRL is a complete certificate revocation list for all reasons
// (RFC 5280 §5.1). It is safe for concurrent use.
type CRL struct {
	ThisUpdate time.Time
	NextUpdate time.Time // zero if the issuer does not say

	size    int
	signed  signed
	issuer  cryptobyte.String // DER of the Name
	entries entries
	scope   scope
	// verified is the SubjectPublicKeyInfo by which the signature is known to
	// be good.
	verified atomic.Pointer[string]
}

// ParseCRL reads a CRL in DER or PEM. The CRL keeps der, which must not change
// any more; beyond that it needs four octets for each entry, and sixteen while it is
// read.
//
// CRLs that can answer for nobody are errors: deltas (RFC 5280 §5.2.4),
// indirect ones (§5.2.5, §5.3.3), those for some reasons only or for attribute
// certificates, those with critical extensions that are not known, anywhere, and
// those with algorithms that are not allowed.
func ParseCRL(der []byte) (*CRL, error) {
	if len(der) > MaxCRL {
		return nil, fmt.Errorf("reading a CRL: it has more than %d octets", MaxCRL)
	}
	der, err := unarmored(der)
	if err != nil {
		return nil, fmt.Errorf("reading a CRL: %w", err)
	}
	c := &CRL{size: len(der)}
	err = c.read(der)
	if err != nil {
		return nil, fmt.Errorf("reading a CRL: %w", err)
	}
	return c, nil
}

// unarmored takes off the PEM of RFC 7468 §6, if there is one.
func unarmored(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("-----BEGIN ")) {
		return b, nil
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "X509 CRL" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("the PEM is not that of one CRL")
	}
	return block.Bytes, nil
}

// read reads CertificateList (RFC 5280 §5.1.1).
func (c *CRL) read(der cryptobyte.String) error {
	var list, tbs cryptobyte.String
	if !der.ReadASN1(&list, asn1.SEQUENCE) || !der.Empty() || !list.ReadASN1Element(&tbs, asn1.SEQUENCE) {
		return errMalformed
	}
	c.signed.octets = tbs
	algorithm, err := c.signed.readSignature(&list)
	if err != nil {
		return err
	}
	if !list.Empty() || !tbs.ReadASN1(&tbs, asn1.SEQUENCE) {
		return errMalformed
	}
	return c.readTBS(tbs, algorithm)
}

// readTBS reads TBSCertList (RFC 5280 §5.1.2).
func (c *CRL) readTBS(tbs, algorithm cryptobyte.String) error {
	v2, err := c.readHead(&tbs, algorithm)
	if err != nil {
		return err
	}
	var list cryptobyte.String
	if !tbs.ReadOptionalASN1(&list, nil, asn1.SEQUENCE) {
		return errMalformed
	}
	c.entries, err = readEntries(list, v2)
	if err != nil {
		return err
	}
	if tbs.Empty() {
		return nil
	}
	var outer, extensions cryptobyte.String
	if !v2 || !tbs.ReadASN1(&outer, explicit0) || !tbs.Empty() ||
		!outer.ReadASN1(&extensions, asn1.SEQUENCE) || !outer.Empty() {
		return errMalformed
	}
	return eachExtension(extensions, c.readExtension)
}

// readHead reads what stands before the entries, and tells version 2 from
// version 1, which has no extensions.
func (c *CRL) readHead(tbs *cryptobyte.String, algorithm cryptobyte.String) (v2 bool, err error) {
	if tbs.PeekASN1Tag(asn1.INTEGER) {
		version, ok := readInteger(tbs)
		if !ok || !bytes.Equal(version, []byte{1}) {
			return false, errMalformed
		}
		v2 = true
	}
	var inner cryptobyte.String
	if !tbs.ReadASN1Element(&inner, asn1.SEQUENCE) {
		return false, errMalformed
	}
	if !bytes.Equal(inner, algorithm) { // RFC 5280 §5.1.1.2
		return false, errors.New("its two algorithm identifiers differ")
	}
	if !tbs.ReadASN1Element(&c.issuer, asn1.SEQUENCE) {
		return false, errMalformed
	}
	var ok bool
	c.ThisUpdate, ok = readTime(tbs)
	if ok && (tbs.PeekASN1Tag(asn1.UTCTime) || tbs.PeekASN1Tag(asn1.GeneralizedTime)) {
		c.NextUpdate, ok = readTime(tbs)
	}
	if !ok {
		return false, errMalformed
	}
	if !c.NextUpdate.IsZero() && c.NextUpdate.Before(c.ThisUpdate) {
		return false, errors.New("its nextUpdate is before its thisUpdate")
	}
	return v2, nil
}

func (c *CRL) readExtension(e extension) error {
	switch string(e.id) {
	case oidIssuingPoint:
		return c.scope.read(e.value)
	case oidDeltaCRL:
		return errors.New("it is a delta CRL") // RFC 5280 §5.2.4
	case oidAuthorityKey, oidIssuerAltName, oidCRLNumber, oidFreshestCRL, oidAuthorityInfoAccess:
		return nil
	}
	if e.critical { // RFC 5280 §5.2
		return fmt.Errorf("it has a critical extension %x that is not known", []byte(e.id))
	}
	return nil
}

// Size returns the size of the CRL's DER in octets.
func (c *CRL) Size() int { return c.size }

// Len returns the number of entries.
func (c *CRL) Len() int { return len(c.entries.offsets) }

// Expires returns until when the CRL counts: NextUpdate, or a day after
// ThisUpdate if there is none.
func (c *CRL) Expires() time.Time { return c.period().expires() }

// Premature reports whether the CRL was made later than now, by more than
// clocks may differ.
func (c *CRL) Premature(now time.Time) bool { return premature(c.ThisUpdate, now) }

func (c *CRL) period() period { return period{this: c.ThisUpdate, next: c.NextUpdate, life: crlLife} }

// Verify checks that the issuer made the CRL: its name, its right to sign CRLs
// and its signature (RFC 5280 §6.3.3 (f), (g); AS-72). The costs of a success
// are paid once for each key.
func (c *CRL) Verify(issuer *x509.Certificate) error {
	switch {
	case issuer == nil:
		return errors.New("verifying a CRL: no issuer is given")
	case !trust.SameName(c.issuer, issuer.RawSubject):
		return errors.New("verifying a CRL: it is of another issuer")
	case hasExtension(issuer, oidKeyUsage) && issuer.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("verifying a CRL: its issuer may not sign CRLs (keyUsage)")
	}
	key := c.verified.Load()
	if key != nil && *key == string(issuer.RawSubjectPublicKeyInfo) {
		return nil
	}
	err := c.signed.check(issuer)
	if err != nil {
		return fmt.Errorf("verifying a CRL: %w", err)
	}
	good := string(issuer.RawSubjectPublicKeyInfo)
	c.verified.Store(&good)
	return nil
}

// Check answers for a certificate of the issuer at a moment. The CRL is
// verified first. One that is for other distribution points than the certificate
// names does not count (RFC 5280 §6.3.3 (b)), and neither does one that has
// expired, except that who was revoked for good stays so.
func (c *CRL) Check(cert, issuer *x509.Certificate, at time.Time) (Answer, error) {
	a, err := c.check(cert, issuer, at)
	if err != nil {
		return Answer{}, fmt.Errorf("the CRL does not count: %w", err)
	}
	return a, nil
}

func (c *CRL) check(cert, issuer *x509.Certificate, at time.Time) (Answer, error) {
	err := c.Verify(issuer)
	if err != nil {
		return Answer{}, err
	}
	err = belongs(cert, issuer)
	if err != nil {
		return Answer{}, err
	}
	err = c.scope.check(cert)
	if err != nil {
		return Answer{}, err
	}
	against, err := c.entries.find(serialOf(cert))
	if err != nil {
		return Answer{}, err
	}
	return c.period().answer(at, cert.NotAfter, against)
}
