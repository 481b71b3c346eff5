package cms

import (
	"bytes"
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
//
// It also reads AES-GCM in an EnvelopedData, with the tag at the end of the
// ciphertext: no standard knows that, but BouncyCastle's generator of enveloped
// data, and so Java peers, write it when GCM is asked for.
type gcmContent struct {
	stream  cipher.Stream
	hash    *ghash
	tagSize int
	inside  bool // the tag is the end of the ciphertext
	tail    [aes.BlockSize]byte
	carry   int   // octets of tail in use, which may be the tag
	length  int64 // octets of ciphertext so far, without the tag
}

func newGCMContent(block cipher.Block, c cipherChoice) (*gcmContent, error) {
	hash, stream, err := newGHASH(block, c.iv)
	if err != nil {
		return nil, err
	}
	return &gcmContent{stream: stream, hash: hash, tagSize: c.tagSize, inside: c.tagInside}, nil
}

// fill decrypts the next buffer.
func (c *gcmContent) fill(e *EnvelopedReader) {
	n := copy(e.buffer[:], c.tail[:c.carry])
	got, err := io.ReadFull(e.content, e.buffer[n:])
	text := e.buffer[:n+got]
	switch {
	case err == nil && c.inside:
		// A whole block stays, so that ghash goes on at the start of one.
		text = text[:len(text)-aes.BlockSize]
		c.carry = copy(c.tail[:], e.buffer[len(text):])
		fallthrough
	case err == nil:
		e.plain = c.decrypt(text)
		if c.length > maxGCM {
			e.stop(fmt.Errorf("%w: more than %d octets of AES-GCM", ErrLimit, int64(maxGCM)))
		}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		c.last(e, text)
	default:
		e.stop(err)
	}
}

func (c *gcmContent) decrypt(text []byte) []byte {
	c.length += int64(len(text))
	c.hash.write(text)
	c.stream.XORKeyStream(text, text)
	return text
}

// last judges the tag, when all of the structure has been read.
func (c *gcmContent) last(e *EnvelopedReader, text []byte) {
	a := authentication{additional: [][]byte{nil}}
	if c.inside {
		at := max(0, len(text)-c.tagSize)
		a.mac = bytes.Clone(text[at:])
		text = text[:at]
	}
	text = c.decrypt(text)
	var err error
	if c.inside {
		err = e.finish()
	} else {
		a, err = e.finishAuthenticated(c.tagSize)
	}
	switch {
	case err != nil:
		e.stop(err)
	case !c.verify(a):
		e.stop(ErrUndecryptable)
	default:
		e.end(text, io.EOF)
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
