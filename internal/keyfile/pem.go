package keyfile

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// maxBlocks bounds the PEM blocks of a file, those that are passed over included.
const maxBlocks = 100

// readPEM collects the key and the certificates of a PEM file, in any order and
// with any text between (RFC 7468 §2). Blocks of other kinds, such as the
// parameters of a curve, are passed over.
func readPEM(data []byte) (contents, error) {
	var found contents
	for range maxBlocks {
		block, rest := pem.Decode(data)
		if block == nil {
			return found, nil
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
	if _, encrypted := block.Headers["DEK-Info"]; encrypted || block.Type == "ENCRYPTED PRIVATE KEY" {
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
	if c.key != nil {
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
	c.key = key
	return nil
}
