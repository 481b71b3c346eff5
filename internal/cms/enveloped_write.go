package cms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// EncryptOptions say how to encrypt. The zero value is AES-256-CBC with RSA
// PKCS #1 v1.5 (AS-32, AS-33).
type EncryptOptions struct {
	Cipher    ContentCipher
	Transport KeyTransport
	Rand      io.Reader // of the content key and the initialization vector; nil is crypto/rand
}

func (o EncryptOptions) check() error {
	if !o.Cipher.known() {
		return fmt.Errorf("%w: content cipher %v", ErrUnsupported, o.Cipher)
	}
	if !o.Transport.known() || o.Transport == RSAOAEPSHA1 {
		return fmt.Errorf("%w: encrypting by %v", ErrUnsupported, o.Transport)
	}
	return nil
}

// EnvelopedSize is the number of octets that NewEnvelopedWriter writes for
// plain octets of content. It uses no key.
func EnvelopedSize(plain int64, to []*x509.Certificate, o EncryptOptions) (int64, error) {
	head, err := envelope(plain, to, o, make([]byte, aes.BlockSize), func(pub *rsa.PublicKey) ([]byte, error) {
		return make([]byte, pub.Size()), nil
	})
	if err != nil {
		return 0, err
	}
	return int64(len(head)) + paddedSize(plain), nil
}

// NewEnvelopedWriter writes a ContentInfo with EnvelopedData, in DER, of exactly
// plain octets of content, which anybody of to can decrypt. The octets before
// the ciphertext are written at once. Only RSA recipients can be had: another
// kind of key is an error that wraps ErrUnsupported. Write fails if more than
// plain octets come, Close if fewer came; Close does not close w.
func NewEnvelopedWriter(w io.Writer, plain int64, to []*x509.Certificate, o EncryptOptions) (io.WriteCloser, error) {
	err := o.check()
	if err != nil {
		return nil, err
	}
	secret := make([]byte, o.Cipher.keySize()+aes.BlockSize)
	random := o.Rand
	if random == nil {
		random = rand.Reader
	}
	_, err = io.ReadFull(random, secret)
	if err != nil {
		return nil, fmt.Errorf("making a content key: %w", err)
	}
	key, iv := secret[:o.Cipher.keySize()], secret[o.Cipher.keySize():]
	head, err := envelope(plain, to, o, iv, func(pub *rsa.PublicKey) ([]byte, error) {
		return o.Transport.wrap(pub, key)
	})
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("preparing the content cipher: %w", err)
	}
	_, err = w.Write(head)
	if err != nil {
		return nil, fmt.Errorf("writing the recipients: %w", err)
	}
	return &envelopedWriter{w: w, left: plain, mode: cipher.NewCBCEncrypter(block, iv), buffer: getBuffer()}, nil
}

// paddedSize is the length of the ciphertext (RFC 5652 §6.3): there is always
// padding.
func paddedSize(plain int64) int64 {
	return plain - plain%aes.BlockSize + aes.BlockSize
}

// envelope makes everything before the ciphertext (RFC 5652 §6.1).
func envelope(plain int64, to []*x509.Certificate, o EncryptOptions, iv []byte, wrap func(*rsa.PublicKey) ([]byte, error)) ([]byte, error) {
	err := o.check()
	if err != nil {
		return nil, err
	}
	if plain < 0 || plain > 1<<48 {
		return nil, fmt.Errorf("%w: content of %d octets", ErrLimit, plain)
	}
	recipients, err := recipientInfos(to, o.Transport, wrap)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(oidData)
	o.Cipher.addAlgorithm(&b, iv)
	content, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding the content cipher: %w", err)
	}
	length := paddedSize(plain)
	content = appendHeader(content, tagContext0, length)

	// From the inside out: each header knows the length of all that follows it.
	before := []byte{tagInteger, 1, 0} // version 0: only issuerAndSerialNumber recipients
	before = append(before, recipients...)
	before = appendHeader(before, tagSequence, int64(len(content))+length)
	body := append(before, content...)
	return contentInfoHead(body, length)
}

// contentInfoHead puts the headers of a ContentInfo with EnvelopedData around
// body, which length more octets follow.
func contentInfoHead(body []byte, length int64) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(oidEnvelopedData)
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

// recipientInfos makes the SET OF RecipientInfo in the order of DER.
func recipientInfos(to []*x509.Certificate, t KeyTransport, wrap func(*rsa.PublicKey) ([]byte, error)) ([]byte, error) {
	if len(to) == 0 {
		return nil, errors.New("cms: encrypting to nobody")
	}
	infos := make([][]byte, 0, len(to))
	for _, c := range to {
		info, err := recipientInfo(c, t, wrap)
		if err != nil {
			return nil, fmt.Errorf("encrypting to certificate %x: %w", c.SerialNumber, err)
		}
		infos = append(infos, info)
	}
	return setOf(tagSet, infos), nil
}

func recipientInfo(c *x509.Certificate, t KeyTransport, wrap func(*rsa.PublicKey) ([]byte, error)) ([]byte, error) {
	pub, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: a key of kind %v", ErrUnsupported, c.PublicKeyAlgorithm)
	}
	err := checkRSA(pub, minSendingBits)
	if err != nil {
		return nil, err
	}
	encrypted, err := wrap(pub)
	if err != nil {
		return nil, fmt.Errorf("wrapping the content key: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0) // RFC 5652 §6.2.1: version 0 goes with issuerAndSerialNumber
		addIssuerAndSerial(b, c)
		t.addAlgorithm(b)
		b.AddASN1OctetString(encrypted)
	})
	return b.Bytes()
}

// checkRSA refuses keys of fewer than least bits, and keys so long that using
// them is an attack.
func checkRSA(pub *rsa.PublicKey, least int) error {
	bits := pub.N.BitLen()
	if bits < least {
		return fmt.Errorf("%w: RSA of %d bits", ErrWeakAlgorithm, bits)
	}
	if bits > maxRSABits {
		return fmt.Errorf("%w: RSA of %d bits", ErrLimit, bits)
	}
	return nil
}

// setOf joins elements to a SET OF, or to one tagged otherwise, sorted as DER
// wants it (X.690 §11.6).
func setOf(tag byte, elements [][]byte) []byte {
	sorted := slices.Clone(elements)
	slices.SortFunc(sorted, bytes.Compare)
	joined := slices.Concat(sorted...)
	return append(appendHeader(nil, tag, int64(len(joined))), joined...)
}

// An envelopedWriter encrypts in buffers of blockBuffer octets.
type envelopedWriter struct {
	w      io.Writer
	left   int64 // octets of content still to come
	mode   cipher.BlockMode
	buffer *[blockBuffer]byte // nil when closed or failed
	n      int                // octets of buffer in use
}

var errClosed = errors.New("cms: writing to a closed envelope")

func (e *envelopedWriter) Write(p []byte) (int, error) {
	if e.buffer == nil {
		return 0, errClosed
	}
	if int64(len(p)) > e.left {
		e.stop()
		return 0, errors.New("cms: more content than was announced")
	}
	written := 0
	for len(p) > 0 {
		n := copy(e.buffer[e.n:], p)
		e.n += n
		e.left -= int64(n)
		written += n
		p = p[n:]
		if e.n == len(e.buffer) {
			err := e.flush()
			if err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// Close writes the padding and the last block.
func (e *envelopedWriter) Close() error {
	if e.buffer == nil {
		return errClosed
	}
	defer e.stop()
	if e.left > 0 {
		return fmt.Errorf("cms: %d octets less content than were announced", e.left)
	}
	padding := aes.BlockSize - e.n%aes.BlockSize
	for range padding {
		e.buffer[e.n] = byte(padding) // fits: flush empties a full buffer
		e.n++
	}
	return e.flush()
}

func (e *envelopedWriter) flush() error {
	text := e.buffer[:e.n]
	e.mode.CryptBlocks(text, text)
	_, err := e.w.Write(text)
	e.n = 0
	if err != nil {
		e.stop()
		return fmt.Errorf("writing the ciphertext: %w", err)
	}
	return nil
}

func (e *envelopedWriter) stop() {
	if e.buffer != nil {
		putBuffer(e.buffer)
		e.buffer = nil
	}
}
