// Package keyfile reads and writes what operators exchange with authorities and
// other systems: certificates with their private keys in PKCS #12 (RFC 7292) or
// PEM, and requests for certificates (PKCS #10, RFC 2986). It makes keys, too.
package keyfile

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits of what is read.
const (
	MaxFile         = 1 << 20  // bytes
	maxKey          = 8 << 10  // bytes of a PKCS #8 key; checking a huge one takes hours
	maxCertificate  = 64 << 10 // bytes of DER
	maxCertificates = 32
	maxKeys         = 8    // a signing and an encryption key, with room to spare
	maxRSA          = 8192 // bits; above, one signature takes seconds
)

// Errors of Read. Each is one line with a hint, and may be wrapped with more.
var (
	ErrPassphrase    = errors.New("the passphrase is wrong (it is the one that was set when the file was made)")
	ErrNoKey         = errors.New("the file has no private key (export certificate and key together)")
	ErrNoCertificate = errors.New("the file has no certificate (put the certificate and its key into one file)")
	ErrManyKeys      = fmt.Errorf("the file has too many private keys (at most %d are taken; export fewer)", maxKeys)
	ErrMismatch      = errors.New("the private key belongs to none of the file's certificates (was the certificate renewed with another key?)")
	ErrKeyKind       = errors.New("the key is neither RSA nor ECDSA")
	ErrEncryptedPEM  = errors.New("the private key is encrypted in a way that is not read (convert it: openssl pkcs12 -export -in FILE -out FILE.p12)")
	ErrTooLarge      = fmt.Errorf("the file is too large for a key with its certificates: at most %d bytes are read", MaxFile)
	ErrUndecryptable = errors.New("the passphrase is right, but a part of the file does not decrypt with it (make the file again: gpgsm spoils some of those that it writes)")
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

// Read reads a PKCS #12 or PEM file: each of its private keys with the newest of
// the file's certificates that belongs to it, in the order of the keys. Two or
// more are single-use keys in one file (AS-21). The passphrase is asked for
// when the file is encrypted, once; nil stands for the empty one. Certificates
// that do not lead up from a key's are left out. Read judges neither the strength
// of the keys nor the certificates; package trust does. A file
// of certificates alone, in PEM, DER or PKCS #7, is ErrNoKey.
func Read(data []byte, passphrase func() ([]byte, error)) ([]*Pair, error) {
	if len(data) > MaxFile {
		return nil, ErrTooLarge
	}
	ask := &asker{ask: passphrase}
	var found contents
	var err error
	switch {
	case bytes.Contains(data, []byte("-----BEGIN ")):
		found, err = readPEM(data, ask)
	case holdsCertificates(data):
		err = ErrNoKey
	case len(data) > 0 && data[0] == 0x30: // a DER SEQUENCE
		found, err = readPKCS12(data, ask)
	default:
		err = ErrUnreadable
	}
	if err != nil {
		return nil, err
	}
	return found.pairs()
}

// holdsCertificates reports whether data begins as a certificate or PKCS #7 in
// DER or BER does: with a SEQUENCE or an OBJECT IDENTIFIER within a SEQUENCE.
// In a PFX, an INTEGER is there.
func holdsCertificates(data []byte) bool {
	if len(data) < 2 || data[0] != 0x30 {
		return false
	}
	header := 2
	if n := int(data[1]); n > 0x80 {
		header += n - 0x80
	}
	return header < len(data) && header <= 6 && (data[header] == 0x30 || data[header] == 0x06)
}

// An asker asks for the passphrase when it is needed, and once.
type asker struct {
	ask    func() ([]byte, error)
	secret []byte
	asked  bool
}

// passphrase returns ErrPassphrase for one that cannot be right.
func (a *asker) passphrase() (string, error) {
	if !a.asked && a.ask != nil {
		secret, err := a.ask()
		if err != nil {
			return "", fmt.Errorf("asking for the passphrase: %w", err)
		}
		a.secret, a.asked = secret, true
	}
	if len(a.secret) > maxPassphrase || !utf8.Valid(a.secret) {
		return "", fmt.Errorf("%w: it is too long or not UTF-8", ErrPassphrase)
	}
	return string(a.secret), nil
}

// contents is what a file holds, before it is known to fit together.
type contents struct {
	keys         []any // as crypto/x509 parses them
	certificates []*x509.Certificate
}

// pairs puts keys and certificates together. A key that is there twice counts
// once.
func (c contents) pairs() ([]*Pair, error) {
	switch {
	case len(c.keys) == 0:
		return nil, ErrNoKey
	case len(c.keys) > maxKeys:
		return nil, ErrManyKeys
	case len(c.certificates) == 0:
		return nil, ErrNoCertificate
	case len(c.certificates) > maxCertificates:
		return nil, fmt.Errorf("%w (more than %d certificates)", ErrUnreadable, maxCertificates)
	}
	var pairs []*Pair
	for _, k := range c.keys {
		key, err := checkKey(k)
		if err != nil {
			return nil, err
		}
		newest := newestOf(key, c.certificates)
		if newest == nil {
			return nil, ErrMismatch
		}
		if slices.ContainsFunc(pairs, func(p *Pair) bool { return p.Certificate == newest }) {
			continue
		}
		pairs = append(pairs, &Pair{Certificate: newest, Chain: ChainOf(newest, c.certificates), Key: key})
	}
	return pairs, nil
}

// newestOf returns the certificate of a key that became valid last, or nil.
func newestOf(key crypto.Signer, all []*x509.Certificate) *x509.Certificate {
	var newest *x509.Certificate
	for _, c := range all {
		if Matches(c, key.Public()) && (newest == nil || c.NotBefore.After(newest.NotBefore)) {
			newest = c
		}
	}
	return newest
}

// checkKey holds a key to the kinds that Direct uses, and to what it costs little
// to use.
func checkKey(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() > maxRSA {
			return nil, fmt.Errorf("%w (an RSA key of %d bits; at most %d are taken)", ErrUnreadable, k.N.BitLen(), maxRSA)
		}
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	}
	return nil, ErrKeyKind
}

// Matches reports whether a certificate is for a public key.
func Matches(certificate *x509.Certificate, key crypto.PublicKey) bool {
	public, ok := key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(certificate.PublicKey)
}

// ChainOf orders those of all that lead up from leaf, each signed by the next,
// up to the last or to one that signs itself; without leaf.
func ChainOf(leaf *x509.Certificate, all []*x509.Certificate) []*x509.Certificate {
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
