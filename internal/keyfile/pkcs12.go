package keyfile

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// maxPassphrase is in bytes. Each round of the old key derivation hashes it.
const maxPassphrase = 1024

// readPKCS12 reads a PFX with its integrity and privacy by password
// (RFC 7292 §4), of the modern and of the legacy algorithms.
func readPKCS12(data []byte, ask *asker) (contents, error) {
	var work cost
	err := work.add(data)
	if err != nil {
		return contents{}, err
	}
	secret, err := ask.passphrase()
	if err != nil {
		return contents{}, err
	}
	found, err := decode(data, secret)
	if err != nil && isOfSeveral(err) {
		found, err = readSeveral(data, secret, &work)
	}
	if err != nil {
		return contents{}, pkcs12Error(err)
	}
	return found, nil
}

// decode reads a PFX that has one key, with the errors of the library.
func decode(data []byte, secret string) (contents, error) {
	key, certificate, chain, err := pkcs12.DecodeChain(data, secret)
	if err != nil {
		return contents{}, err
	}
	return contents{keys: []any{key}, certificates: append([]*x509.Certificate{certificate}, chain...)}, nil
}

// pkcs12Error translates the library's errors, most of which have no values.
func pkcs12Error(err error) error {
	for _, ours := range []error{ErrUnreadable, ErrManyKeys, ErrNoKey} {
		if errors.Is(err, ours) {
			return err
		}
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return ErrPassphrase
	}
	// The library decrypts after it has verified the MAC, and drops this error's identity.
	// The padding of what a wrong key decrypts is right once in 256 times.
	for _, text := range []string{pkcs12.ErrDecryption.Error(), "unmarshaling decrypted private key"} {
		if strings.Contains(err.Error(), text) {
			return ErrUndecryptable
		}
	}
	var unsupported pkcs12.NotImplementedError
	if errors.As(err, &unsupported) {
		return fmt.Errorf("%w (%s)", ErrUnreadable, unsupported.Error())
	}
	for text, known := range map[string]error{
		"certificate missing":           ErrNoCertificate,
		"private key missing":           ErrNoKey,
		"expected exactly one key bag":  fmt.Errorf("%w (keys lie encrypted beside certificates)", ErrManyKeys),
		"no MAC in data":                fmt.Errorf("%w (it has no integrity check)", ErrUnreadable),
		"negative serial number":        fmt.Errorf("%w (a certificate has a negative serial number)", ErrUnreadable),
		"unknown private key algorithm": ErrKeyKind,
	} {
		if strings.Contains(err.Error(), text) {
			return known
		}
	}
	return fmt.Errorf("%w (its PKCS #12 structure cannot be read)", ErrUnreadable)
}
