package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A gcmContent decrypts the content of an AuthEnvelopedData (RFC 5083). What it
// gives out before the end is as little authenticated as the plaintext of CBC.
// The tag only says that whoever made the message had the content key, which
// anybody can be; who it was, the signature inside says.
type gcmContent struct {
	stream  cipher.Stream
	hash    *ghash
	tagSize int
	length  int64 // octets of ciphertext so far
}

func newGCMContent(block cipher.Block, c cipherChoice) (*gcmContent, error) {
	hash, stream, err := newGHASH(block, c.iv)
	if err != nil {
		return nil, err
	}
	return &gcmContent{stream: stream, hash: hash, tagSize: c.tagSize}, nil
}

// fill decrypts the next buffer.
func (c *gcmContent) fill(e *EnvelopedReader) {
	n, err := io.ReadFull(e.content, e.buffer[:])
	text := e.buffer[:n]
	c.length += int64(n)
	if c.length > maxGCM {
		e.stop(fmt.Errorf("%w: more than %d octets of AES-GCM", ErrLimit, int64(maxGCM)))
		return
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !ended {
		e.stop(err)
		return
	}
	c.hash.write(text)
	c.stream.XORKeyStream(text, text)
	if !ended {
		e.plain = text
		return
	}
	c.last(e, text)
}

// last judges the tag, when all of the structure has been read.
func (c *gcmContent) last(e *EnvelopedReader, text []byte) {
	a, err := e.finishAuthenticated(c.tagSize)
	switch {
	case err != nil:
		e.stop(err)
	case !c.verify(a):
		e.stop(ErrUndecryptable)
	default:
		e.end(text)
	}
}

// verify compares the tag in constant time. The additional data is the DER of
// the authAttrs as a SET OF (RFC 5083 §2.2), which is sorted; senders that
// authenticate the order they sent are met as those that sign it are.
func (c *gcmContent) verify(a authentication) bool {
	state, good := c.hash.y, 0
	for _, additional := range a.additional {
		c.hash.y = state
		c.hash.prepend(additional, c.length)
		tag := c.hash.sum(int64(len(additional)), c.length)
		good |= subtle.ConstantTimeCompare(tag[:c.tagSize], a.mac)
	}
	return good == 1
}

// An authentication is what follows the ciphertext of an AuthEnvelopedData.
type authentication struct {
	additional [][]byte // what may have been authenticated beside the content; never empty
	mac        []byte
}

// finishAuthenticated reads what follows the ciphertext (RFC 5083 §2.1).
func (e *EnvelopedReader) finishAuthenticated(tagSize int) (authentication, error) {
	a := authentication{additional: [][]byte{nil}}
	err := e.ber.leave() // EncryptedContentInfo
	if err != nil {
		return a, err
	}
	h, more, err := e.ber.next()
	if err != nil {
		return a, err
	}
	if more && h.tag == tagContext1|tagConstructed {
		a.additional, err = e.ber.authAttrs(h)
		if err != nil {
			return a, fmt.Errorf("reading the authenticated attributes: %w", err)
		}
		h, more, err = e.ber.next()
		if err != nil {
			return a, err
		}
	}
	if !more || !h.is(tagOctetString) {
		return a, malformed("the authentication tag is missing")
	}
	der, err := e.ber.octetString(nil, h)
	if err != nil {
		return a, fmt.Errorf("reading the authentication tag: %w", err)
	}
	s := cryptobyte.String(der)
	var mac cryptobyte.String
	if !s.ReadASN1(&mac, cbasn1.OCTET_STRING) || len(mac) != tagSize {
		return a, malformed("the authentication tag is not of %d octets", tagSize)
	}
	a.mac = mac
	return a, e.leaveEnvelope(tagContext2 | tagConstructed) // unauthAttrs
}

// authAttrs reads the authenticated attributes, and returns the encodings that
// may be meant.
func (b *berReader) authAttrs(h header) ([][]byte, error) {
	der, err := b.element(nil, h)
	if err != nil {
		return nil, err
	}
	s := cryptobyte.String(der)
	var contents cryptobyte.String
	if !s.ReadASN1(&contents, contextTag(1)) {
		return nil, malformed("they are no set")
	}
	attrs, err := parseSignedAttributes(contents)
	if err != nil {
		return nil, malformed("one cannot be read")
	}
	// RFC 5083 §2.1: the content-type attribute, if it is there, tells the type
	// of the encrypted content, which is id-data always.
	if len(attrs.contentType) > 0 && !attrs.contentType.Equal(oidData) {
		return nil, malformed("they are for another type of content")
	}
	return attrs.sets(), nil
}

// aesBlock prepares the block cipher of a content key.
func aesBlock(key []byte) (cipher.Block, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("preparing the content cipher: %w", err)
	}
	return block, nil
}
