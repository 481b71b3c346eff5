package cms

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/x509"
	"fmt"
	"io"
)

// EnvelopedInfo says how a message was encrypted to us.
type EnvelopedInfo struct {
	Certificate   *x509.Certificate // the one of ours whose key opens it
	KeyIdentifier bool              // it was named by its subjectKeyIdentifier, not by issuer and serial number
	Cipher        ContentCipher
	Transport     KeyTransport // how the content key came, for an RSA key
	MGFHash       crypto.Hash  // of RSA-OAEP; else 0
	Agreement     KeyAgreement // how the content key came, for an EC key; else zero
	Recipients    int          // RecipientInfos in the message, ours and others
}

// KeyManagement says for people how the content key came, such as
// "RSA-OAEP-SHA-256, MGF1-SHA-1" or "ECDH P-256, SHA-256 KDF, AES-256 key wrap".
func (i EnvelopedInfo) KeyManagement() string {
	switch {
	case i.Agreement != KeyAgreement{}:
		return i.Agreement.String()
	case i.MGFHash != 0:
		return i.Transport.String() + ", MGF1-" + i.MGFHash.String()
	}
	return i.Transport.String()
}

// An EnvelopedReader streams the plaintext of an EnvelopedData or of an
// AuthEnvelopedData. It is not authenticated: CBC lets others change it, and
// GCM tells of a change at the end only. Only internal/cms/smime may use it.
type EnvelopedReader struct {
	info          EnvelopedInfo
	key           []byte
	choice        cipherChoice
	authenticated bool // it is an AuthEnvelopedData
	limits        Limits

	ber     *berReader
	content *octets
	cipher  contentDecrypter
	buffer  *[blockBuffer]byte
	plain   []byte // of buffer, not yet handed out
	err     error  // what Read ends with
}

// A contentDecrypter puts the next plaintext into the reader, or its end.
type contentDecrypter interface{ fill(e *EnvelopedReader) }

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
	again := &EnvelopedReader{info: e.info, key: e.key, choice: e.choice, limits: e.limits}
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
// (RFC 5652 §6.1, RFC 5083 §2.1).
func (e *EnvelopedReader) open(r io.Reader, keys []RecipientKey) (*match, algorithm, error) {
	e.ber = newBERReader(r, indefinite, e.limits)
	which, err := e.ber.contentInfo(oidEnvelopedData, oidAuthEnvelopedData)
	if err != nil {
		return nil, algorithm{}, err
	}
	e.authenticated = which == 1
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
	if inner.Equal(oidCompressedData) {
		return algorithm{}, ErrCompressed // AS-59
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
	var err error
	e.choice, err = contentCipher(a, e.authenticated)
	if err != nil {
		return err
	}
	e.info.Certificate = keys[m.key].Certificate
	e.info.KeyIdentifier = m.byKeyID
	e.info.Cipher = e.choice.cipher
	m.unwrap.describe(&e.info)
	e.key = m.unwrap.contentKey(keys[m.key], m.encrypted, e.choice.cipher.keySize())
	return nil
}

func (e *EnvelopedReader) sameCipher(a algorithm) error {
	c, err := contentCipher(a, e.authenticated)
	if err != nil {
		return err
	}
	if c.cipher != e.choice.cipher || c.tagSize != e.choice.tagSize || c.tagInside != e.choice.tagInside || !bytes.Equal(c.iv, e.choice.iv) {
		return malformed("it is not the same message")
	}
	return nil
}

func (e *EnvelopedReader) start() error {
	block, err := aesBlock(e.key)
	if err != nil {
		return err
	}
	if e.choice.cipher.Authenticates() {
		e.cipher, err = newGCMContent(block, e.choice)
		if err != nil {
			return err
		}
	} else {
		e.cipher = &cbcContent{mode: cipher.NewCBCDecrypter(block, e.choice.iv)}
	}
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

// end leaves the last plaintext to be read, and then err.
func (e *EnvelopedReader) end(plain []byte, err error) {
	e.plain = plain
	e.err = err
	if len(plain) == 0 {
		e.stop(err)
	}
}

// Read returns plaintext. It returns io.EOF only after the padding or the
// authentication tag was right, the rest of the structure was right, and r was
// at its end. Plaintext that came before another error must be thrown away.
func (e *EnvelopedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(e.plain) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.cipher.fill(e)
	}
	n := copy(p, e.plain)
	e.plain = e.plain[n:]
	if len(e.plain) == 0 && e.err != nil {
		e.stop(e.err)
	}
	return n, nil
}

// finish reads what follows the ciphertext of an EnvelopedData.
func (e *EnvelopedReader) finish() error {
	err := e.ber.leave() // EncryptedContentInfo
	if err != nil {
		return err
	}
	return e.leaveEnvelope(tagContext1 | tagConstructed) // unprotectedAttrs
}

// leaveEnvelope passes over the attributes of this tag, if there are any, and
// reads up to the very end.
func (e *EnvelopedReader) leaveEnvelope(attributes byte) error {
	h, more, err := e.ber.next()
	if err != nil {
		return err
	}
	if more {
		// Attributes outside of the protection bind nobody; they are passed over.
		if h.tag != attributes {
			return malformed("something odd stands at the end of the envelope")
		}
		err = e.ber.skip(h)
		if err != nil {
			return err
		}
	}
	err = e.ber.leaveAll(3) // the enveloped data, [0], ContentInfo
	if err != nil {
		return err
	}
	return e.ber.finish()
}
