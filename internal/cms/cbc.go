package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"io"
)

// A cbcContent decrypts the content of an EnvelopedData.
type cbcContent struct {
	mode  cipher.BlockMode
	tail  [aes.BlockSize]byte // the last block of ciphertext seen, which may be the padding
	carry int                 // octets of tail in use
}

// fill decrypts the next buffer. The last block stays encrypted in tail until
// it is known whether more follows, since it may be padding.
func (c *cbcContent) fill(e *EnvelopedReader) {
	n := copy(e.buffer[:], c.tail[:c.carry])
	got, err := io.ReadFull(e.content, e.buffer[n:])
	n += got
	switch {
	case err == nil:
		c.carry = copy(c.tail[:], e.buffer[n-aes.BlockSize:n])
		e.plain = e.buffer[:n-aes.BlockSize]
		c.mode.CryptBlocks(e.plain, e.plain)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		c.last(e, e.buffer[:n])
	default:
		e.stop(err)
	}
}

// last decrypts the end of the ciphertext. The rest of the structure is read
// before the padding is judged, and what was decrypted is handed out before bad
// padding is told, so that whoever reads it does the same work whatever the
// padding is.
func (c *cbcContent) last(e *EnvelopedReader, text []byte) {
	whole := len(text) > 0 && len(text)%aes.BlockSize == 0
	good, padding := 0, 0
	if whole {
		c.mode.CryptBlocks(text, text)
		good, padding = checkPadding(text[len(text)-aes.BlockSize:])
	}
	err := e.finish()
	switch {
	case err != nil:
		e.stop(err)
	case !whole:
		e.stop(ErrUndecryptable)
	case good != 1:
		e.end(text, ErrUndecryptable)
	default:
		e.end(text[:len(text)-padding], io.EOF)
	}
}

// checkPadding judges the padding of the last block (RFC 5652 §6.3) in constant
// time. good is 1 or 0; padding is its length, 1 to 16, if it is good.
func checkPadding(block []byte) (good, padding int) {
	last := block[len(block)-1]
	n := int(last)
	good = subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, len(block))
	for i := range block {
		inside := subtle.ConstantTimeLessOrEq(len(block)-i, n)
		same := subtle.ConstantTimeByteEq(block[i], last)
		good &= subtle.ConstantTimeSelect(inside, same, 1)
	}
	return good, n
}
