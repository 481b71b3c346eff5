package keyfile

import (
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// BeginsWithZero is for TestLegacySaltsSuitGpgsm.
var BeginsWithZero = beginsWithZero

// WriteQuickly is WritePKCS12 with few rounds, for tests of something else.
func WriteQuickly(p *Pair, passphrase []byte, legacy bool) ([]byte, error) {
	return writePKCS12(p, passphrase, legacy, 2048)
}

// Mixed is a PFX whose integrity is by a passphrase, and an encrypted key within by
// whatever it was encrypted by.
func Mixed(secret string, sealed, certificate []byte) []byte {
	return assembly{bags: [][]byte{shroudedBag(sealed), certificateBag(certificate)}}.pfx(secret)
}

// Merged is a PFX with the safes of several, as programs write it that make a
// safe for each key and each certificate.
func Merged(secret string, files ...[]byte) []byte {
	all := sequence(func(b *cryptobyte.Builder) {
		for _, file := range files {
			s := cryptobyte.String(file)
			var pfx, content, safes cryptobyte.String
			s.ReadASN1(&pfx, der.SEQUENCE)
			pfx.SkipASN1(der.INTEGER)
			contentInfo(&pfx, &content)
			octetsOfSequence(content, &safes)
			b.AddBytes(safes)
		}
	})
	return sequence(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		addContentInfo(b, oidData, octets(all))
		addMAC(b, all, secret)
	})
}
