package cms

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An envelope is the form of an EnvelopedData or AuthEnvelopedData whose content
// is still to come.
type envelope struct {
	options EncryptOptions
	text    int64 // octets of ciphertext
	tag     int64 // octets of the mac, its header included
}

func newEnvelope(plain int64, o EncryptOptions) (envelope, error) {
	e := envelope{options: o}
	err := o.check()
	if err != nil {
		return e, err
	}
	if plain < 0 || plain > maxContent {
		return e, fmt.Errorf("%w: content of %d octets", ErrLimit, plain)
	}
	if o.Cipher.Authenticates() {
		if plain > maxGCM {
			return e, fmt.Errorf("%w: content of %d octets by AES-GCM", ErrLimit, plain)
		}
		e.text, e.tag = plain, headerSize(aes.BlockSize)+aes.BlockSize
		return e, nil
	}
	e.text = plain - plain%aes.BlockSize + aes.BlockSize // RFC 5652 §6.3: there is always padding
	return e, nil
}

// following is how many octets follow the head.
func (e envelope) following() int64 { return e.text + e.tag }

// head makes everything before the ciphertext (RFC 5652 §6.1, RFC 5083 §2.1).
func (e envelope) head(to []*x509.Certificate, iv []byte, w keyWrapper) ([]byte, error) {
	recipients, agreed, err := recipientInfos(to, w)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(oidData)
	e.options.Cipher.addAlgorithm(&b, iv)
	content, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding the content cipher: %w", err)
	}
	content = appendHeader(content, tagContext0, e.text)

	// RFC 5652 §6.1: version 2 goes with a recipient by key agreement, 0 with
	// issuerAndSerialNumber alone. RFC 5083 §2.1: always 0.
	version, contentType := byte(0), oidAuthEnvelopedData
	if !e.options.Cipher.Authenticates() {
		contentType = oidEnvelopedData
		if agreed {
			version = 2
		}
	}
	// From the inside out: each header knows the length of all that follows it.
	body := append([]byte{tagInteger, 1, version}, recipients...)
	body = appendHeader(body, tagSequence, int64(len(content))+e.text)
	body = append(body, content...)
	return contentInfoHead(contentType, body, e.following())
}

// contentInfoHead puts the headers of a ContentInfo around body, which length
// more octets follow.
func contentInfoHead(contentType []int, body []byte, length int64) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(contentType)
	oid, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding the content type: %w", err)
	}
	size := int64(len(body)) + length
	inner := appendHeader(nil, tagSequence, size)
	size += int64(len(inner))
	explicit := appendHeader(nil, tagContext0|tagConstructed, size)
	size += int64(len(explicit))
	size += int64(len(oid))
	return slices.Concat(appendHeader(nil, tagSequence, size), oid, explicit, inner, body), nil
}

// recipientInfos makes the SET OF RecipientInfo in the order of DER. agreed is
// true if there is one by key agreement.
func recipientInfos(to []*x509.Certificate, w keyWrapper) (set []byte, agreed bool, err error) {
	if len(to) == 0 {
		return nil, false, errors.New("cms: encrypting to nobody")
	}
	infos := make([][]byte, 0, len(to))
	for _, c := range to {
		info, err := recipientInfo(c, w)
		if err != nil {
			return nil, false, fmt.Errorf("encrypting to certificate %x: %w", c.SerialNumber, err)
		}
		infos = append(infos, info)
		agreed = agreed || info[0] != tagSequence
	}
	return setOf(tagSet, infos), agreed, nil
}

func recipientInfo(c *x509.Certificate, w keyWrapper) ([]byte, error) {
	switch pub := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return transportInfo(c, pub, w)
	case *ecdsa.PublicKey:
		return agreementInfo(c, pub, w)
	}
	return nil, fmt.Errorf("%w: a key of kind %v", ErrUnsupported, c.PublicKeyAlgorithm)
}

// transportInfo makes a KeyTransRecipientInfo (RFC 5652 §6.2.1).
func transportInfo(c *x509.Certificate, pub *rsa.PublicKey, w keyWrapper) ([]byte, error) {
	err := checkRSA(pub, minSendingBits)
	if err != nil {
		return nil, err
	}
	encrypted, err := w.transport(pub)
	if err != nil {
		return nil, fmt.Errorf("wrapping the content key: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0) // RFC 5652 §6.2.1: version 0 goes with issuerAndSerialNumber
		addIssuerAndSerial(b, c)
		w.options.Transport.addAlgorithm(b)
		b.AddASN1OctetString(encrypted)
	})
	return b.Bytes()
}

// setOf joins elements to a SET OF, or to one tagged otherwise, sorted as DER
// wants it (X.690 §11.6).
func setOf(tag byte, elements [][]byte) []byte {
	sorted := slices.Clone(elements)
	slices.SortFunc(sorted, bytes.Compare)
	joined := slices.Concat(sorted...)
	return append(appendHeader(nil, tag, int64(len(joined))), joined...)
}
