package cms

import (
	"crypto/aes"
	"crypto/subtle"
	"errors"
	"io"
)

// fill decrypts the next buffer. The last block stays encrypted in tail until
// it is known whether more follows, since it may be padding.
func (e *EnvelopedReader) fill() {
	n := copy(e.buffer[:], e.tail[:e.carry])
	got, err := io.ReadFull(e.content, e.buffer[n:])
	n += got
	switch {
	case err == nil:
		e.carry = copy(e.tail[:], e.buffer[n-aes.BlockSize:n])
		e.plain = e.buffer[:n-aes.BlockSize]
		e.mode.CryptBlocks(e.plain, e.plain)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		e.last(e.buffer[:n])
	default:
		e.stop(err)
	}
}

// last decrypts the end of the ciphertext. The rest of the structure is read
// before the padding is judged, so that what an outsider can see of the time
// does not depend on it.
func (e *EnvelopedReader) last(text []byte) {
	whole := len(text) > 0 && len(text)%aes.BlockSize == 0
	good, padding := 0, 0
	if whole {
		e.mode.CryptBlocks(text, text)
		good, padding = checkPadding(text[len(text)-aes.BlockSize:])
	}
	err := e.finish()
	switch {
	case err != nil:
		e.stop(err)
	case good != 1:
		e.stop(ErrUndecryptable)
	default:
		e.plain = text[:len(text)-padding]
		e.err = io.EOF
		if len(e.plain) == 0 {
			e.stop(io.EOF)
		}
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
