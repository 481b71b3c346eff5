package cms

import (
	"crypto/aes"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A ContentCipher encrypts the content of an EnvelopedData. The zero value is
// AES-256-CBC.
type ContentCipher uint8

// The content ciphers (AS-32): AES in CBC mode, RFC 3565.
const (
	AES256CBC ContentCipher = iota
	AES192CBC
	AES128CBC
)

// contentCiphers is indexed by ContentCipher.
var contentCiphers = [...]struct {
	name    string
	oid     asn1.ObjectIdentifier
	keySize int
}{
	AES256CBC: {"AES-256-CBC", oidAES256CBC, 32},
	AES192CBC: {"AES-192-CBC", oidAES192CBC, 24},
	AES128CBC: {"AES-128-CBC", oidAES128CBC, 16},
}

// String returns the usual name, as "AES-256-CBC".
func (c ContentCipher) String() string {
	if !c.known() {
		return fmt.Sprintf("ContentCipher(%d)", uint8(c))
	}
	return contentCiphers[c].name
}

func (c ContentCipher) known() bool { return int(c) < len(contentCiphers) }

func (c ContentCipher) keySize() int { return contentCiphers[c].keySize }

// contentCipher reads a contentEncryptionAlgorithm and its initialization
// vector. 3DES and RC2 are not among the ciphers (AS-32).
func contentCipher(a algorithm) (c ContentCipher, iv []byte, err error) {
	for i, known := range contentCiphers {
		if !known.oid.Equal(a.oid) {
			continue
		}
		params := cryptobyte.String(a.params)
		var octets cryptobyte.String
		if !params.ReadASN1(&octets, cbasn1.OCTET_STRING) || !params.Empty() || len(octets) != aes.BlockSize {
			return 0, nil, malformed("the initialization vector is not of %d octets", aes.BlockSize) // RFC 3565 §4.1
		}
		return ContentCipher(i), octets, nil
	}
	return 0, nil, fmt.Errorf("%w: content cipher %v", ErrUnsupported, a.oid)
}

func (c ContentCipher) addAlgorithm(b *cryptobyte.Builder, iv []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(contentCiphers[c].oid)
		b.AddASN1OctetString(iv)
	})
}
