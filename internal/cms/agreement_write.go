package cms

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// agreementInfo makes a KeyAgreeRecipientInfo (RFC 5652 §6.2.2, RFC 5753 §3.1.1)
// for one certificate: an ephemeral key of its own, standard Diffie-Hellman, a
// KDF as strong as the curve, and AES-256 key wrap.
func agreementInfo(c *x509.Certificate, pub *ecdsa.PublicKey, w keyWrapper) ([]byte, error) {
	curve, ok := curveOf(pub)
	if !ok {
		return nil, fmt.Errorf("%w: key agreement on curve %s", ErrUnsupported, pub.Curve.Params().Name)
	}
	var b cryptobyte.Builder
	addAlgorithm(&b, oidAES256Wrap) // RFC 3565 §2.3.2: no parameters
	wrap, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding the key wrap: %w", err)
	}
	shared, err := sharedInfo(wrap, nil, wrapKeySize)
	if err != nil {
		return nil, fmt.Errorf("encoding the shared info: %w", err)
	}
	ephemeral, encrypted, err := w.agree(pub, curve, shared)
	if err != nil {
		return nil, fmt.Errorf("wrapping the content key: %w", err)
	}
	return encodeAgreement(c, curve, wrap, ephemeral, encrypted)
}

// wrapKeySize is the length of the wrapping key that we send with, in octets.
const wrapKeySize = 32

func encodeAgreement(c *x509.Certificate, curve agreementCurve, wrap, ephemeral, encrypted []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(contextTag(1), func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3) // RFC 5652 §6.2.2
		b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
			b.AddASN1(contextTag(1), func(b *cryptobyte.Builder) { // originatorKey
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidECPublicKey)
					b.AddASN1ObjectIdentifier(curve.oid)
				})
				b.AddASN1BitString(ephemeral)
			})
		})
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // RFC 5753 §7.1.4
			b.AddASN1ObjectIdentifier(curve.scheme)
			b.AddBytes(wrap)
		})
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addIssuerAndSerial(b, c)
				b.AddASN1OctetString(encrypted)
			})
		})
	})
	return b.Bytes()
}

// A keyWrapper encrypts the content key for one recipient after the other: it
// makes what is to stand in a KeyTransRecipientInfo or a KeyAgreeRecipientInfo.
type keyWrapper struct {
	options EncryptOptions
	key     []byte
}

func (w keyWrapper) transport(pub *rsa.PublicKey) ([]byte, error) {
	return w.options.Transport.wrap(pub, w.key)
}

func (w keyWrapper) agree(pub *ecdsa.PublicKey, curve agreementCurve, shared []byte) (ephemeral, encrypted []byte, err error) {
	static, err := pub.ECDH() // checks that the point is on the curve
	if err != nil {
		return nil, nil, err
	}
	own, err := curve.ecdh.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	secret, err := own.ECDH(static)
	if err != nil {
		return nil, nil, err
	}
	block, err := aesBlock(deriveKey(curve.hash, secret, shared, wrapKeySize))
	if err != nil {
		return nil, nil, err
	}
	return own.PublicKey().Bytes(), wrapKey(block, w.key), nil
}
