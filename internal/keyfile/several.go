package keyfile

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/asn1"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// The library reads files with one key in two safes at most. Files of single-use
// certificates have two keys, and some programs write a safe for each. So such a
// file is taken apart, as far as that needs no passphrase, and put together again
// as several files with one key each, which the library decrypts.

// Object identifiers of RFC 7292 §4.2.3, RFC 2985 §5.6.1 and RFC 8018 appendix A.
var (
	oidCertBag         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509Certificate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidPBMAC1          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidPBKDF2          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACWithSHA256  = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
)

// isOfSeveral reports whether the library gave up on a PFX because it has several
// keys or safes. It says so only after it verified the MAC.
func isOfSeveral(err error) bool {
	return strings.Contains(err.Error(), "expected exactly one key bag") ||
		strings.Contains(err.Error(), "items in the authenticated safe")
}

// parts is what a PFX is made of, as elements of DER.
type parts struct {
	safes        [][]byte // ContentInfo of encrypted safes
	keys         [][]byte // SafeBag, out of safes that are not encrypted
	certificates [][]byte // SafeBag, likewise
}

// readSeveral reads a PFX whose MAC was verified.
func readSeveral(data []byte, secret string, work *cost) (contents, error) {
	var p parts
	switch {
	case !p.read(data):
		return contents{}, ErrUnreadable
	case len(p.keys) == 0:
		return contents{}, ErrNoKey
	case len(p.keys) > maxKeys:
		return contents{}, ErrManyKeys
	}
	var all []assembly
	for i := range max(len(p.safes), len(p.keys)) {
		a := assembly{bags: append([][]byte{p.keys[i%len(p.keys)]}, p.certificates...)}
		if len(p.safes) > 0 {
			a.safe = p.safes[i%len(p.safes)]
		}
		err := work.add(a.pfx(""))
		if err != nil {
			return contents{}, err
		}
		all = append(all, a)
	}
	var found contents
	for i, a := range all {
		one, err := decode(a.pfx(secret), secret)
		if err != nil {
			return contents{}, err
		}
		if i < len(p.keys) {
			found.keys = append(found.keys, one.keys...)
		}
		for _, c := range one.certificates {
			if !contains(found.certificates, c) {
				found.certificates = append(found.certificates, c)
			}
		}
	}
	return found, nil
}

// read takes a PFX apart. It reports whether it could.
func (p *parts) read(data []byte) bool {
	s := cryptobyte.String(data)
	var pfx, content, safes cryptobyte.String
	if !s.ReadASN1(&pfx, der.SEQUENCE) || !pfx.SkipASN1(der.INTEGER) {
		return false
	}
	_, ok := contentInfo(&pfx, &content)
	if !ok || !octetsOfSequence(content, &safes) {
		return false
	}
	for !safes.Empty() {
		var safe cryptobyte.String
		if !safes.ReadASN1Element(&safe, der.SEQUENCE) || !p.readSafe(safe) {
			return false
		}
	}
	return true
}

func (p *parts) readSafe(safe cryptobyte.String) bool {
	var content, bags cryptobyte.String
	whole := safe
	kind, ok := contentInfo(&safe, &content)
	if !ok {
		return false
	}
	if !kind.Equal(oidData) {
		p.safes = append(p.safes, whole)
		return true
	}
	if !octetsOfSequence(content, &bags) {
		return false
	}
	for !bags.Empty() {
		var bag, value cryptobyte.String
		if !bags.ReadASN1Element(&bag, der.SEQUENCE) {
			return false
		}
		whole := bag
		kind, ok := contentInfo(&bag, &value)
		switch {
		case !ok:
			return false
		case kind.Equal(oidKeyBag), kind.Equal(oidShroudedBag):
			p.keys = append(p.keys, whole)
		case kind.Equal(oidCertBag):
			p.certificates = append(p.certificates, whole)
		}
	}
	return true
}

// An assembly is a PFX made of parts: an encrypted safe, if it is not nil, and
// bags in a safe that is not encrypted.
type assembly struct {
	safe []byte
	bags [][]byte
}

// pfx writes the assembly with a MAC by the passphrase, without which the library
// would not read it.
func (a assembly) pfx(secret string) []byte {
	safes := sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(a.safe)
		addContentInfo(b, oidData, octets(sequence(func(b *cryptobyte.Builder) {
			for _, bag := range a.bags {
				b.AddBytes(bag)
			}
		})))
	})
	return sequence(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		addContentInfo(b, oidData, octets(safes))
		addMAC(b, safes, secret)
	})
}

// addMAC adds MacData by PBMAC1 (RFC 9879). One round is enough for a file that
// never leaves the process.
func addMAC(b *cryptobyte.Builder, content []byte, secret string) {
	const rounds = 1
	salt := make([]byte, 16)
	key, err := pbkdf2.Key(sha256.New, secret, salt, rounds, sha256.Size)
	if err != nil {
		b.SetError(err)
		return
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(content)
	sha256ID := sequence(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidHMACWithSHA256) })
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // MacData
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // DigestInfo
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidPBMAC1)
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // PBMAC1-params
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidPBKDF2)
						b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1OctetString(salt)
							b.AddASN1Int64(rounds)
							b.AddASN1Int64(sha256.Size)
							b.AddBytes(sha256ID)
						})
					})
					b.AddBytes(sha256ID)
				})
			})
			b.AddASN1OctetString(mac.Sum(nil))
		})
		b.AddASN1OctetString(salt)
		b.AddASN1Int64(rounds)
	})
}

// shroudedBag wraps an EncryptedPrivateKeyInfo in a SafeBag.
func shroudedBag(key []byte) []byte {
	return sequence(func(b *cryptobyte.Builder) { addTagged(b, oidShroudedBag, key) })
}

// certificateBag wraps a certificate in a SafeBag.
func certificateBag(certificate []byte) []byte {
	value := sequence(func(b *cryptobyte.Builder) { addTagged(b, oidX509Certificate, octets(certificate)) })
	return sequence(func(b *cryptobyte.Builder) { addTagged(b, oidCertBag, value) })
}

func addContentInfo(b *cryptobyte.Builder, kind asn1.ObjectIdentifier, content []byte) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { addTagged(b, kind, content) })
}

// addTagged adds an identifier and a value in an explicit [0].
func addTagged(b *cryptobyte.Builder, kind asn1.ObjectIdentifier, value []byte) {
	b.AddASN1ObjectIdentifier(kind)
	b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(value) })
}

func octets(value []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1OctetString(value)
	return built(&b)
}

func sequence(add cryptobyte.BuilderContinuation) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, add)
	return built(&b)
}

// built returns what was built, or nothing, which nobody takes for a PFX, if it
// could not be: it is made of elements that were read, and so it can.
func built(b *cryptobyte.Builder) []byte {
	out, err := b.Bytes()
	if err != nil {
		return nil
	}
	return out
}
