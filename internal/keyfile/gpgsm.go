package keyfile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"math/big"
	"unicode/utf16"
)

// legacyRounds is of the MAC and of the encryption. Older programs take no more
// than they know.
const legacyRounds = 2048

// legacySalts is a source of salts from which every program derives the same
// keys. gpgsm 2.2 takes a block of the key derivation that begins with a zero
// octet for a shorter one, and cannot read one file in 64 for it. So a salt that
// leads to such a block is not used.
type legacySalts struct{ passphrase string }

// Read fills salt, which is one salt, as the library reads them.
func (s legacySalts) Read(salt []byte) (int, error) {
	for {
		n, err := io.ReadFull(rand.Reader, salt)
		if err != nil || !beginsWithZero(salt, s.passphrase) {
			return n, err
		}
	}
}

// beginsWithZero reports whether the derivation of an encryption key by SHA-1
// comes upon a block that begins with a zero octet (RFC 7292 appendix B.2). The
// key of 3DES takes two hashes, and the blocks change between them, once.
func beginsWithZero(salt []byte, passphrase string) bool {
	const block = sha1.BlockSize
	secret := bmpString(passphrase)
	blocks := append(repeated(salt, block), repeated(secret, (len(secret)+block-1)/block*block)...) // I
	hash := sha1.Sum(append(bytes.Repeat([]byte{1}, block), blocks...))                             // of D, with ID 1, and I
	for range legacyRounds - 1 {
		hash = sha1.Sum(hash[:])
	}
	add := new(big.Int).SetBytes(repeated(hash[:], block)) // B + 1
	add.Add(add, big.NewInt(1))
	for ; len(blocks) > 0; blocks = blocks[block:] {
		sum := new(big.Int).SetBytes(blocks[:block])
		sum.Add(sum, add)
		if new(big.Int).Rsh(sum, 8*(block-1)).Uint64()&0xff == 0 { // the first octet, modulo 2^512
			return true
		}
	}
	return false
}

// repeated is as many copies of pattern as fill size octets, the last one cut.
func repeated(pattern []byte, size int) []byte {
	return bytes.Repeat(pattern, size/len(pattern)+1)[:size]
}

// bmpString is a passphrase in two octets a character, with two of zero at the end
// (RFC 7292 appendix B.1).
func bmpString(passphrase string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(passphrase)) {
		b = binary.BigEndian.AppendUint16(b, unit)
	}
	return append(b, 0, 0)
}
