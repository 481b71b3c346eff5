// Package keyfile reads the certificates and private keys that operators
// import: PKCS #12 (RFC 7292), or PEM with a key and its chain.
package keyfile

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// Limits of what is read.
const (
	MaxFile         = 1 << 20  // bytes
	maxKey          = 8 << 10  // bytes of a PKCS #8 key; checking a huge one takes hours
	maxCertificate  = 64 << 10 // bytes of DER
	maxCertificates = 32
	minRSA          = 2048 // bits, AS-34
	maxRSA          = 8192 // bits; above, one signature takes seconds
)

// Errors of Read. Each is one line with a hint, and may be wrapped with more.
var (
	ErrPassphrase    = errors.New("the passphrase is wrong (it is the one that was set when the PKCS #12 file was exported)")
	ErrNoKey         = errors.New("the file has no private key (export certificate and key together)")
	ErrNoCertificate = errors.New("the file has no certificate (put the certificate and its key into one file)")
	ErrManyKeys      = errors.New("the file has more than one private key (keep the one that is to be imported)")
	ErrMismatch      = errors.New("the private key belongs to none of the file's certificates (was the certificate renewed with another key?)")
	ErrWeakKey       = errors.New("the key is too weak: RSA of 2048 bits or more, or ECDSA on P-256, P-384 or P-521, is needed")
	ErrKeyKind       = errors.New("the key is neither RSA nor ECDSA")
	ErrEncryptedPEM  = errors.New("the private key is encrypted within the PEM file (convert it: openssl pkcs12 -export -in FILE -out FILE.p12)")
	ErrTooLarge      = fmt.Errorf("the file is too large for a key with its certificates: at most %d bytes are read", MaxFile)
	ErrUnreadable    = errors.New("the file is neither PKCS #12 nor PEM with certificate and key")
)

// A Pair is a certificate with its private key.
type Pair struct {
	Certificate *x509.Certificate
	// Chain leads from the issuer of Certificate upwards, as far as the file
	// has it; without Certificate.
	Chain []*x509.Certificate
	Key   crypto.Signer // *rsa.PrivateKey or *ecdsa.PrivateKey
}

// Read reads a PKCS #12 or PEM file that holds exactly one private key, which
// belongs to one of the file's certificates. The passphrase is asked for when
// the file is PKCS #12; nil stands for the empty one. Certificates that do not
// lead up from the key's are left out. Read judges the key's strength, not who
// issued the certificate or until when it is valid.
func Read(data []byte, passphrase func() ([]byte, error)) (*Pair, error) {
	if len(data) > MaxFile {
		return nil, ErrTooLarge
	}
	var found contents
	var err error
	switch {
	case bytes.Contains(data, []byte("-----BEGIN ")):
		found, err = readPEM(data)
	case len(data) > 0 && data[0] == 0x30: // a DER SEQUENCE
		found, err = readPKCS12(data, passphrase)
	default:
		err = ErrUnreadable
	}
	if err != nil {
		return nil, err
	}
	return found.pair()
}

// contents is what a file holds, before it is known to fit together.
type contents struct {
	key          any // as crypto/x509 parses it
	certificates []*x509.Certificate
}

func (c contents) pair() (*Pair, error) {
	switch {
	case c.key == nil:
		return nil, ErrNoKey
	case len(c.certificates) == 0:
		return nil, ErrNoCertificate
	case len(c.certificates) > maxCertificates:
		return nil, fmt.Errorf("%w (more than %d certificates)", ErrUnreadable, maxCertificates)
	}
	key, err := checkKey(c.key)
	if err != nil {
		return nil, err
	}
	for _, certificate := range c.certificates {
		if matches(certificate, key) {
			return &Pair{Certificate: certificate, Chain: chainOf(certificate, c.certificates), Key: key}, nil
		}
	}
	return nil, ErrMismatch
}

// checkKey holds a key to the kinds and sizes that Direct uses (AS-34).
func checkKey(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < minRSA {
			return nil, fmt.Errorf("%w; this is RSA of %d bits", ErrWeakKey, k.N.BitLen())
		}
		if k.N.BitLen() > maxRSA {
			return nil, fmt.Errorf("%w (an RSA key of %d bits; at most %d are taken)", ErrUnreadable, k.N.BitLen(), maxRSA)
		}
		return k, nil
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P224() {
			return nil, fmt.Errorf("%w; this is P-224", ErrWeakKey)
		}
		return k, nil
	}
	return nil, ErrKeyKind
}

func matches(certificate *x509.Certificate, key crypto.Signer) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(certificate.PublicKey)
}

// chainOf orders those of all that lead up from leaf, each signed by the next,
// up to the last or to one that signs itself.
func chainOf(leaf *x509.Certificate, all []*x509.Certificate) []*x509.Certificate {
	used := []*x509.Certificate{leaf}
	for {
		issuer := issuerOf(used[len(used)-1], all, used)
		if issuer == nil {
			return used[1:]
		}
		used = append(used, issuer)
	}
}

// issuerOf returns the one of all, not yet used, that signed child.
func issuerOf(child *x509.Certificate, all, used []*x509.Certificate) *x509.Certificate {
	if bytes.Equal(child.RawIssuer, child.RawSubject) { // the top
		return nil
	}
	for _, candidate := range all {
		if !bytes.Equal(candidate.RawSubject, child.RawIssuer) || contains(used, candidate) {
			continue
		}
		if key, ok := candidate.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			continue
		}
		err := child.CheckSignatureFrom(candidate)
		if err == nil {
			return candidate
		}
	}
	return nil
}

func contains(list []*x509.Certificate, certificate *x509.Certificate) bool {
	for _, c := range list {
		if c.Equal(certificate) {
			return true
		}
	}
	return false
}

func parseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("%w (a certificate of more than %d bytes)", ErrUnreadable, maxCertificate)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w (a certificate cannot be parsed: %w)", ErrUnreadable, err)
	}
	return certificate, nil
}
