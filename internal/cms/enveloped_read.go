package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509"
	"fmt"
	"io"
)

// EnvelopedInfo says how a message was encrypted to us.
type EnvelopedInfo struct {
	Certificate *x509.Certificate // the one of ours whose key opens it
	Cipher      ContentCipher
	Transport   KeyTransport
	MGFHash     crypto.Hash // of RSA-OAEP; else 0
	Recipients  int         // RecipientInfos in the message, ours and others
}

// An EnvelopedReader streams the plaintext of an EnvelopedData, which is not
// authenticated: CBC lets others change it. Only internal/cms/smime may use it.
type EnvelopedReader struct {
	info   EnvelopedInfo
	key    []byte
	iv     []byte
	limits Limits

	ber     *berReader
	content *octets
	mode    cipher.BlockMode
	buffer  *[blockBuffer]byte
	plain   []byte              // of buffer, not yet handed out
	tail    [aes.BlockSize]byte // the last block of ciphertext seen, which may be the padding
	carry   int                 // octets of tail in use
	err     error               // what Read ends with
}

// OpenEnveloped reads r up to the ciphertext and unwraps the content key with
// the first of keys that a RecipientInfo names; one private-key operation. It
// fails with ErrNoRecipient if none is named. A key that does not unwrap shows
// only as ErrUndecryptable, by Read.
func OpenEnveloped(r io.Reader, keys []RecipientKey, l Limits) (*EnvelopedReader, error) {
	e := &EnvelopedReader{limits: l}
	m, algorithm, err := e.open(r, keys)
	if err != nil {
		e.stop(err)
		return nil, err
	}
	err = e.unwrap(m, algorithm, keys)
	if err == nil {
		err = e.start()
	}
	if err != nil {
		e.stop(err)
		return nil, err
	}
	return e, nil
}

// Reopen reads the same message again from r, with the content key already
// unwrapped: no private-key operation. e itself may have been read or not.
func (e *EnvelopedReader) Reopen(r io.Reader) (*EnvelopedReader, error) {
	again := &EnvelopedReader{info: e.info, key: e.key, iv: e.iv, limits: e.limits}
	_, algorithm, err := again.open(r, nil)
	if err == nil {
		err = again.sameCipher(algorithm)
	}
	if err == nil {
		err = again.start()
	}
	if err != nil {
		again.stop(err)
		return nil, fmt.Errorf("reading the message again: %w", err)
	}
	return again, nil
}

// Info says which key opens the message, and by which algorithms.
func (e *EnvelopedReader) Info() EnvelopedInfo { return e.info }

// open reads the structure up to the first octet of the ciphertext
// (RFC 5652 §6.1).
func (e *EnvelopedReader) open(r io.Reader, keys []RecipientKey) (*match, algorithm, error) {
	e.ber = newBERReader(r, indefinite, e.limits)
	err := e.ber.contentInfo(oidEnvelopedData)
	if err != nil {
		return nil, algorithm{}, err
	}
	err = e.ber.version()
	if err != nil {
		return nil, algorithm{}, err
	}
	m, count, err := e.ber.matchRecipients(keys)
	if err != nil {
		return nil, algorithm{}, fmt.Errorf("reading the recipients: %w", err)
	}
	e.info.Recipients = count
	a, err := e.encryptedContentInfo()
	return m, a, err
}

// encryptedContentInfo reads up to the ciphertext.
func (e *EnvelopedReader) encryptedContentInfo() (algorithm, error) {
	err := e.ber.wantInside(tagSequence, "the encrypted content")
	if err != nil {
		return algorithm{}, err
	}
	inner, err := e.ber.oid("the type of the encrypted content")
	if err != nil {
		return algorithm{}, err
	}
	if !inner.Equal(oidData) { // RFC 8551 §3.3: a MIME entity, always
		return algorithm{}, fmt.Errorf("%w: encrypted content of type %v", ErrUnsupported, inner)
	}
	a, err := e.ber.readAlgorithm("the content cipher")
	if err != nil {
		return a, err
	}
	h, more, err := e.ber.next()
	if err != nil {
		return a, err
	}
	if !more || !h.is(tagContext0) {
		return a, malformed("there is no ciphertext")
	}
	e.content, err = newOctets(e.ber, h)
	return a, err
}

// unwrap takes the content key out of the RecipientInfo that was picked.
func (e *EnvelopedReader) unwrap(m *match, a algorithm, keys []RecipientKey) error {
	if m == nil {
		return ErrNoRecipient
	}
	if m.err != nil {
		return m.err
	}
	c, iv, err := contentCipher(a)
	if err != nil {
		return err
	}
	e.info.Certificate = keys[m.key].Certificate
	e.info.Cipher = c
	e.info.Transport = m.unwrap.transport
	e.info.MGFHash = m.unwrap.mgf
	e.iv = iv
	e.key = m.unwrap.unwrap(keys[m.key].Decrypter, m.encrypted, c.keySize())
	return nil
}

func (e *EnvelopedReader) sameCipher(a algorithm) error {
	c, iv, err := contentCipher(a)
	if err != nil {
		return err
	}
	if c != e.info.Cipher || !bytes.Equal(iv, e.iv) {
		return malformed("it is not the same message")
	}
	return nil
}

func (e *EnvelopedReader) start() error {
	block, err := aes.NewCipher(e.key)
	if err != nil {
		return fmt.Errorf("preparing the content cipher: %w", err)
	}
	e.mode = cipher.NewCBCDecrypter(block, e.iv)
	e.buffer = getBuffer()
	return nil
}

// stop gives the buffers back. Read returns err from now on.
func (e *EnvelopedReader) stop(err error) {
	e.err = err
	e.plain = nil
	if e.ber != nil {
		e.ber.release()
	}
	if e.buffer != nil {
		putBuffer(e.buffer)
		e.buffer = nil
	}
}

// Read returns plaintext. It returns io.EOF only after the padding was right,
// the rest of the structure was right, and r was at its end. Plaintext that came
// before another error must be thrown away.
func (e *EnvelopedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(e.plain) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.fill()
	}
	n := copy(p, e.plain)
	e.plain = e.plain[n:]
	if len(e.plain) == 0 && e.err != nil {
		e.stop(e.err)
	}
	return n, nil
}

// finish reads what follows the ciphertext.
func (e *EnvelopedReader) finish() error {
	err := e.ber.leave() // EncryptedContentInfo
	if err != nil {
		return err
	}
	h, more, err := e.ber.next()
	if err != nil {
		return err
	}
	if more {
		// Attributes outside of the encryption bind nobody; they are passed over.
		if h.tag != tagContext1|tagConstructed {
			return malformed("something follows the encrypted content")
		}
		err = e.ber.skip(h)
		if err != nil {
			return err
		}
	}
	err = e.ber.leaveAll(3) // EnvelopedData, [0], ContentInfo
	if err != nil {
		return err
	}
	return e.ber.finish()
}
