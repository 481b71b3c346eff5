package cms

import (
	"encoding/binary"
	"math/bits"
)

// A gfElement is an element of GF(2^128) as GCM writes it (NIST SP 800-38D
// §6.3): the first bit of the block is the coefficient of x^0.
type gfElement struct{ hi, lo uint64 }

func gfLoad(block []byte) gfElement {
	return gfElement{binary.BigEndian.Uint64(block), binary.BigEndian.Uint64(block[8:])}
}

func (x gfElement) store(block []byte) {
	binary.BigEndian.PutUint64(block, x.hi)
	binary.BigEndian.PutUint64(block[8:], x.lo)
}

// add is also subtraction.
func (x gfElement) add(y gfElement) gfElement { return gfElement{x.hi ^ y.hi, x.lo ^ y.lo} }

// mul multiplies bit by bit (NIST SP 800-38D §6.3, algorithm 1), without a
// branch or a table that depends on its operands, which are secret.
func (x gfElement) mul(y gfElement) gfElement {
	var z gfElement
	for _, word := range [2]uint64{x.hi, x.lo} {
		for range 64 {
			take := -(word >> 63) // all ones or none
			word <<= 1
			z.hi ^= y.hi & take
			z.lo ^= y.lo & take
			carry := -(y.lo & 1)
			y.lo = y.lo>>1 | y.hi<<63
			y.hi = y.hi>>1 ^ carry&(0xe1<<56)
		}
	}
	return z
}

// pow raises x to the power n, which is public.
func (x gfElement) pow(n uint64) gfElement {
	result := gfElement{hi: 1 << 63} // one
	for i := bits.Len64(n) - 1; i >= 0; i-- {
		result = result.mul(result)
		if n>>i&1 == 1 {
			result = result.mul(x)
		}
	}
	return result
}
