package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
)

// EncryptOptions say how to encrypt. The zero value is AES-256-CBC with RSA
// PKCS #1 v1.5 (AS-32, AS-33).
type EncryptOptions struct {
	Cipher    ContentCipher // one that authenticates makes an AuthEnvelopedData
	Transport KeyTransport  // to RSA keys; to EC keys, key agreement follows from the curve
	Rand      io.Reader     // of the content key and the initialization vector; nil is crypto/rand
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

// KeyManagement says for people how the content key goes to a certificate, in
// the words of EnvelopedInfo.KeyManagement; "" for one that cannot be sent to.
func (o EncryptOptions) KeyManagement(to *x509.Certificate) string {
	if to.PublicKeyAlgorithm == x509.RSA && o.Transport.known() {
		return EnvelopedInfo{Transport: o.Transport, MGFHash: keyTransports[o.Transport].hash}.KeyManagement()
	}
	curve, ok := curveOf(to.PublicKey)
	if !ok {
		return ""
	}
	return KeyAgreement{Curve: fmt.Sprint(curve.ecdh), KDF: curve.hash, Wrap: wrapKeySize * 8}.String()
}

// NewEnvelopedWriter writes a ContentInfo with EnvelopedData, or with
// AuthEnvelopedData if the cipher authenticates, in DER, of exactly plain octets
// of content, which anybody of to can decrypt: RSA keys of 2048 bits and more
// (AS-34), and EC keys on P-256, P-384 and P-521. Another kind of key is an
// error that wraps ErrUnsupported. The octets before the ciphertext are written
// at once. Write fails if more than plain octets come, Close if fewer came;
// Close does not close w.
func NewEnvelopedWriter(w io.Writer, plain int64, to []*x509.Certificate, o EncryptOptions) (io.WriteCloser, error) {
	e, err := newEnvelope(plain, o)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, o.Cipher.keySize()+o.Cipher.ivSize())
	random := o.Rand
	if random == nil {
		random = rand.Reader
	}
	_, err = io.ReadFull(random, secret)
	if err != nil {
		return nil, fmt.Errorf("making a content key: %w", err)
	}
	key, iv := secret[:o.Cipher.keySize()], secret[o.Cipher.keySize():]
	head, err := e.head(to, iv, keyWrapper{o, key})
	if err != nil {
		return nil, err
	}
	c, err := newContentEncrypter(o.Cipher, key, iv)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(head)
	if err != nil {
		return nil, fmt.Errorf("writing the recipients: %w", err)
	}
	return &envelopedWriter{w: w, left: plain, cipher: c, buffer: getBuffer()}, nil
}

// A contentEncrypter encrypts in place.
type contentEncrypter interface {
	// blocks encrypts whole blocks.
	blocks(p []byte)
	// last encrypts the end of the content, which has room for one block more
	// behind it if it is not a whole buffer. after is what follows the
	// ciphertext in the envelope.
	last(p []byte) (text, after []byte)
}

func newContentEncrypter(c ContentCipher, key, iv []byte) (contentEncrypter, error) {
	block, err := aesBlock(key)
	if err != nil {
		return nil, err
	}
	if !c.Authenticates() {
		return cbcEncrypter{cipher.NewCBCEncrypter(block, iv)}, nil
	}
	hash, stream, err := newGHASH(block, iv)
	if err != nil {
		return nil, err
	}
	return &gcmEncrypter{hash: hash, stream: stream}, nil
}

type cbcEncrypter struct{ mode cipher.BlockMode }

func (c cbcEncrypter) blocks(p []byte) { c.mode.CryptBlocks(p, p) }

// last adds the padding (RFC 5652 §6.3).
func (c cbcEncrypter) last(p []byte) (text, after []byte) {
	padding := aes.BlockSize - len(p)%aes.BlockSize
	for range padding {
		p = append(p, byte(padding))
	}
	c.blocks(p)
	return p, nil
}

type gcmEncrypter struct {
	stream cipher.Stream
	hash   *ghash
	length int64
}

func (c *gcmEncrypter) blocks(p []byte) {
	c.stream.XORKeyStream(p, p)
	c.hash.write(p)
	c.length += int64(len(p))
}

// last makes the mac (RFC 5083 §2.1). There are no authenticated attributes:
// the content is id-data, which needs none.
func (c *gcmEncrypter) last(p []byte) (text, after []byte) {
	c.blocks(p)
	tag := c.hash.sum(0, c.length)
	return p, append(appendHeader(nil, tagOctetString, int64(len(tag))), tag[:]...)
}

// An envelopedWriter encrypts in buffers of blockBuffer octets.
type envelopedWriter struct {
	w      io.Writer
	left   int64 // octets of content still to come
	cipher contentEncrypter
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

// Close writes the end of the ciphertext and of the envelope.
func (e *envelopedWriter) Close() error {
	if e.buffer == nil {
		return errClosed
	}
	defer e.stop()
	if e.left > 0 {
		return fmt.Errorf("cms: %d octets less content than were announced", e.left)
	}
	text, after := e.cipher.last(e.buffer[:e.n]) // a full buffer was emptied by Write
	for _, part := range [][]byte{text, after} {
		_, err := e.w.Write(part)
		if err != nil {
			return fmt.Errorf("writing the ciphertext: %w", err)
		}
	}
	return nil
}

func (e *envelopedWriter) flush() error {
	text := e.buffer[:e.n]
	e.cipher.blocks(text)
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
