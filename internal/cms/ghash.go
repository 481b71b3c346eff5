package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// gcmNonce is the length of a nonce in octets: RFC 5084 §3.2 recommends it, all
// peers send it, and others would need a counter block of another making.
const gcmNonce = 12

// maxGCM is how much one key and nonce may encrypt, in octets: the counter has
// 32 bits (NIST SP 800-38D §5.2.1.1).
const maxGCM = 1<<36 - 32

// A ghash computes the GHASH of AES-GCM (NIST SP 800-38D §6.4) piece by piece,
// which the standard library does not offer: its GCM wants the whole message at
// once. GHASH runs over blocks B1, B2, … with the secret H:
//
//	Y0 = 0,  Yi = (Yi-1 + Bi)·H
//
// The library does that fast, and shows it, when it seals an empty plaintext
// with blocks B1 … Bn as additional data, for the tag it then returns is
//
//	T = (Yn + L)·H + E(J0) = Yn·H + L·H + E(J0)
//
// with L, the block of the two lengths, and E(J0), the encrypted counter block,
// known to us. A step to one more block is (Yn + Bn+1)·H = Yn·H + Bn+1·H, so
//
//	Yn+1 = T + E(J0) + (L + Bn+1)·H
//
// That is one multiplication by our own hand for a piece of any length: all of
// its blocks but the last go through the library, the last through gfElement.
// A piece begins at another state Y than 0 when Y is added to its first block.
type ghash struct {
	aead  cipher.AEAD
	nonce [gcmNonce]byte
	h     gfElement // the hash key
	mask  gfElement // E(J0)
	y     gfElement // the state
	tag   [aes.BlockSize]byte
}

// newGHASH prepares the GHASH, and the key stream for the content, of one key
// and one nonce.
func newGHASH(block cipher.Block, nonce []byte) (*ghash, cipher.Stream, error) {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, err
	}
	if len(nonce) != gcmNonce {
		return nil, nil, fmt.Errorf("%w: a nonce of %d octets", ErrUnsupported, len(nonce))
	}
	g := &ghash{aead: aead}
	copy(g.nonce[:], nonce)
	var b [aes.BlockSize]byte
	block.Encrypt(b[:], b[:])
	g.h = gfLoad(b[:])
	// NIST SP 800-38D §7.1: J0 is the nonce and a counter of 1; the content
	// begins at 2. A stream that counts in 128 bits is the same up to maxGCM.
	j0 := [aes.BlockSize]byte{aes.BlockSize - 1: 1}
	copy(j0[:], nonce)
	block.Encrypt(b[:], j0[:])
	g.mask = gfLoad(b[:])
	j0[aes.BlockSize-1] = 2
	return g, cipher.NewCTR(block, j0[:]), nil
}

// write goes on over p. Only the last piece of one input may have a length that
// is not a multiple of the block; it is filled up with zeros. p is changed
// while write runs, and is as before when it returns.
func (g *ghash) write(p []byte) {
	whole := len(p) - len(p)%aes.BlockSize
	if whole > 0 {
		g.blocks(p[:whole])
	}
	if whole < len(p) {
		var last [aes.BlockSize]byte
		copy(last[:], p[whole:])
		g.block(gfLoad(last[:]))
	}
}

func (g *ghash) block(b gfElement) { g.y = g.y.add(b).mul(g.h) }

func (g *ghash) blocks(p []byte) {
	n := len(p) - aes.BlockSize
	last := gfLoad(p[n:])
	if n == 0 {
		g.block(last)
		return
	}
	first := gfLoad(p)
	first.add(g.y).store(p)
	t := gfLoad(g.aead.Seal(g.tag[:0], g.nonce[:], nil, p[:n]))
	first.store(p)
	lengths := gfElement{hi: uint64(n) * 8}
	g.y = t.add(g.mask).add(lengths.add(last).mul(g.h))
}

// prepend makes the state as if additional data had been hashed before the
// octets of text that were. GHASH is linear: what comes m blocks earlier adds
// its own hash times H^m. So the additional data, which this syntax sends after
// the ciphertext, need not be known before.
func (g *ghash) prepend(additional []byte, octets int64) {
	after := g.y
	g.y = gfElement{}
	g.write(additional)
	m := uint64(octets+aes.BlockSize-1) / aes.BlockSize
	g.y = g.y.mul(g.h.pow(m)).add(after)
}

// sum returns the tag (NIST SP 800-38D §7.1) for these lengths in octets. The
// state stays as it is.
func (g *ghash) sum(additional, text int64) [aes.BlockSize]byte {
	lengths := gfElement{uint64(additional) * 8, uint64(text) * 8}
	var tag [aes.BlockSize]byte
	g.y.add(lengths).mul(g.h).add(g.mask).store(tag[:])
	return tag
}
