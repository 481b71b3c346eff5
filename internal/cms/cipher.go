package cms

import (
	"crypto/aes"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A ContentCipher encrypts the content of an EnvelopedData, or of an
// AuthEnvelopedData if it authenticates. The zero value is AES-256-CBC.
type ContentCipher uint8

// The content ciphers (AS-32): AES in CBC mode, RFC 3565, and in GCM, RFC 5084.
const (
	AES256CBC ContentCipher = iota
	AES192CBC
	AES128CBC
	AES256GCM
	AES192GCM
	AES128GCM
)

// contentCiphers is indexed by ContentCipher.
var contentCiphers = [...]struct {
	name    string
	oid     asn1.ObjectIdentifier
	keySize int
	gcm     bool
}{
	AES256CBC: {"AES-256-CBC", oidAES256CBC, 32, false},
	AES192CBC: {"AES-192-CBC", oidAES192CBC, 24, false},
	AES128CBC: {"AES-128-CBC", oidAES128CBC, 16, false},
	AES256GCM: {"AES-256-GCM", oidAES256GCM, 32, true},
	AES192GCM: {"AES-192-GCM", oidAES192GCM, 24, true},
	AES128GCM: {"AES-128-GCM", oidAES128GCM, 16, true},
}

// String returns the usual name, as "AES-256-CBC".
func (c ContentCipher) String() string {
	if !c.known() {
		return fmt.Sprintf("ContentCipher(%d)", uint8(c))
	}
	return contentCiphers[c].name
}

// Authenticates reports whether the cipher is an authenticated one, so that
// its content is an AuthEnvelopedData (RFC 5083).
func (c ContentCipher) Authenticates() bool { return c.known() && contentCiphers[c].gcm }

func (c ContentCipher) known() bool { return int(c) < len(contentCiphers) }

func (c ContentCipher) keySize() int { return contentCiphers[c].keySize }

// ivSize is the length of the initialization vector, or of the nonce.
func (c ContentCipher) ivSize() int {
	if c.Authenticates() {
		return gcmNonce
	}
	return aes.BlockSize
}

// A cipherChoice is a contentEncryptionAlgorithm that was understood.
type cipherChoice struct {
	cipher    ContentCipher
	iv        []byte // the nonce, of GCM
	tagSize   int    // of GCM, in octets
	tagInside bool   // of GCM: the tag is the end of the ciphertext; see gcmContent
}

// contentCipher reads a contentEncryptionAlgorithm. 3DES and RC2 are not among
// the ciphers (AS-32). An AuthEnvelopedData needs one that authenticates.
func contentCipher(a algorithm, authenticated bool) (cipherChoice, error) {
	for i, known := range contentCiphers {
		if !known.oid.Equal(a.oid) {
			continue
		}
		if authenticated && !known.gcm {
			return cipherChoice{}, fmt.Errorf("%w: %s in this type of envelope", ErrUnsupported, known.name)
		}
		choice := cipherChoice{cipher: ContentCipher(i), tagInside: known.gcm && !authenticated}
		if known.gcm {
			err := choice.readGCMParameters(a.params)
			return choice, err
		}
		params := cryptobyte.String(a.params)
		var octets cryptobyte.String
		if !params.ReadASN1(&octets, cbasn1.OCTET_STRING) || !params.Empty() || len(octets) != aes.BlockSize {
			return cipherChoice{}, malformed("the initialization vector is not of %d octets", aes.BlockSize) // RFC 3565 §4.1
		}
		choice.iv = octets
		return choice, nil
	}
	return cipherChoice{}, fmt.Errorf("%w: content cipher %v", ErrUnsupported, a.oid)
}

// The tag lengths of RFC 5084 §3.2, in octets.
const (
	minTag     = 12
	defaultTag = 12
)

// readGCMParameters reads GCMParameters (RFC 5084 §3.2).
func (c *cipherChoice) readGCMParameters(der []byte) error {
	in := cryptobyte.String(der)
	var params, nonce cryptobyte.String
	if !in.ReadASN1(&params, cbasn1.SEQUENCE) || !in.Empty() || !params.ReadASN1(&nonce, cbasn1.OCTET_STRING) {
		return malformed("the parameters of AES-GCM are none")
	}
	if len(nonce) != gcmNonce {
		return fmt.Errorf("%w: AES-GCM with a nonce of %d octets", ErrUnsupported, len(nonce))
	}
	c.tagSize = defaultTag
	if !params.Empty() && !params.ReadASN1Integer(&c.tagSize) || !params.Empty() {
		return malformed("the parameters of AES-GCM are none")
	}
	if c.tagSize < minTag || c.tagSize > aes.BlockSize {
		return fmt.Errorf("%w: AES-GCM with a tag of %d octets", ErrUnsupported, c.tagSize)
	}
	c.iv = nonce
	return nil
}

func (c ContentCipher) addAlgorithm(b *cryptobyte.Builder, iv []byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(contentCiphers[c].oid)
		if !c.Authenticates() {
			b.AddASN1OctetString(iv)
			return
		}
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(iv)
			b.AddASN1Int64(aes.BlockSize) // of the tag, whole
		})
	})
}
