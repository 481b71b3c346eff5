package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

// wrapIV is the initial value of AES key wrap (RFC 3394 §2.2.3.1).
const wrapIV = 0xa6a6a6a6a6a6a6a6

// wrapOverhead is by how many octets a wrapped key is longer.
const wrapOverhead = 8

// wrapKey is AES key wrap (RFC 3394 §2.2.1) of a key of 16, 24 or 32 octets.
func wrapKey(block cipher.Block, key []byte) []byte {
	n := len(key) / 8
	out := append(make([]byte, wrapOverhead, wrapOverhead+len(key)), key...)
	var b [aes.BlockSize]byte
	a := uint64(wrapIV)
	for j := range uint64(6) {
		for i := 1; i <= n; i++ {
			binary.BigEndian.PutUint64(b[:], a)
			copy(b[8:], out[8*i:])
			block.Encrypt(b[:], b[:])
			a = binary.BigEndian.Uint64(b[:]) ^ (uint64(n)*j + uint64(i))
			copy(out[8*i:8*i+8], b[8:])
		}
	}
	binary.BigEndian.PutUint64(out, a)
	return out
}

// unwrapKey undoes wrapKey (RFC 3394 §2.2.2) for a wrapped key of 24, 32 or 40
// octets. good is 1 if the key is whole and 0 if not, found in constant time;
// key has its length either way.
func unwrapKey(block cipher.Block, wrapped []byte) (key []byte, good int) {
	n := len(wrapped)/8 - 1
	out := append([]byte(nil), wrapped...)
	var b [aes.BlockSize]byte
	a := binary.BigEndian.Uint64(out)
	for j := 5; j >= 0; j-- {
		for i := n; i >= 1; i-- {
			binary.BigEndian.PutUint64(b[:], a^(uint64(n)*uint64(j)+uint64(i)))
			copy(b[8:], out[8*i:8*i+8])
			block.Decrypt(b[:], b[:])
			a = binary.BigEndian.Uint64(b[:])
			copy(out[8*i:8*i+8], b[8:])
		}
	}
	binary.BigEndian.PutUint64(out, a^wrapIV)
	return out[wrapOverhead:], subtle.ConstantTimeCompare(out[:wrapOverhead], make([]byte, wrapOverhead))
}
