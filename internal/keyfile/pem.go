package keyfile

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

// maxBlocks bounds the PEM blocks of a file, those that are passed over included.
const maxBlocks = 100

// readPEM collects the keys and the certificates of a PEM file, in any order and
// with any text between (RFC 7468 §2). Blocks of other kinds, such as the
// parameters of a curve, are passed over.
func readPEM(data []byte, ask *asker) (contents, error) {
	var found contents
	var sealed [][]byte // EncryptedPrivateKeyInfo
	for range maxBlocks {
		block, rest := pem.Decode(data)
		if block == nil {
			return found, found.unseal(sealed, ask)
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" { // RFC 7468 §11
			sealed, data = append(sealed, block.Bytes), rest
			continue
		}
		err := found.addBlock(block)
		if err != nil {
			return contents{}, err
		}
		data = rest
	}
	return contents{}, fmt.Errorf("%w (%d PEM blocks or more)", ErrUnreadable, maxBlocks)
}

func (c *contents) addBlock(block *pem.Block) error {
	if _, encrypted := block.Headers["DEK-Info"]; encrypted {
		return ErrEncryptedPEM
	}
	switch block.Type {
	case "CERTIFICATE":
		return c.addCertificate(block.Bytes)
	case "PRIVATE KEY":
		return addKey(c, block.Bytes, x509.ParsePKCS8PrivateKey)
	case "RSA PRIVATE KEY":
		return addKey(c, block.Bytes, x509.ParsePKCS1PrivateKey)
	case "EC PRIVATE KEY":
		return addKey(c, block.Bytes, x509.ParseECPrivateKey)
	}
	return nil
}

func (c *contents) addCertificate(der []byte) error {
	certificate, err := parseCertificate(der)
	if err != nil {
		return err
	}
	c.certificates = append(c.certificates, certificate)
	return nil
}

func addKey[K any](c *contents, der []byte, parse func([]byte) (K, error)) error {
	if len(c.keys) == maxKeys {
		return ErrManyKeys
	}
	if len(der) > maxKey {
		return fmt.Errorf("%w (a private key of more than %d bytes)", ErrUnreadable, maxKey)
	}
	key, err := parse(der)
	if err != nil {
		// The parser's words stay inside: they could hold parts of the key.
		return fmt.Errorf("%w (the private key cannot be parsed)", ErrUnreadable)
	}
	c.keys = append(c.keys, key)
	return nil
}

// unseal adds private keys that were encrypted by a passphrase. Such a key is
// what PKCS #12 calls a shrouded key, and so is read as part of one.
func (c *contents) unseal(sealed [][]byte, ask *asker) error {
	if len(sealed) == 0 {
		return nil
	}
	if len(c.certificates) == 0 {
		return ErrNoCertificate
	}
	if len(c.keys)+len(sealed) > maxKeys {
		return ErrManyKeys
	}
	var work cost
	var all []assembly
	for _, der := range sealed {
		a := assembly{bags: [][]byte{shroudedBag(der), certificateBag(c.certificates[0].Raw)}}
		err := work.add(a.pfx(""))
		if err != nil {
			return err
		}
		all = append(all, a)
	}
	secret, err := ask.passphrase()
	if err != nil {
		return err
	}
	for _, a := range all {
		found, err := decode(a.pfx(secret), secret)
		if err != nil {
			return sealedKeyError(err)
		}
		c.keys = append(c.keys, found.keys...)
	}
	return nil
}

// sealedKeyError translates the library's errors about an encrypted key. The
// file has nothing to tell a wrong passphrase from a damaged key by.
func sealedKeyError(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "is not supported"), strings.Contains(text, "are supported"):
		return ErrEncryptedPEM
	case strings.Contains(text, "parsing PKCS#8 private key"):
		return fmt.Errorf("%w (the private key cannot be parsed)", ErrUnreadable)
	}
	return ErrPassphrase
}
