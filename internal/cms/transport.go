package cms

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A KeyTransport wraps the content key for an RSA recipient (AS-33). The zero
// value is RSA PKCS #1 v1.5.
type KeyTransport uint8

// The key transports. With OAEP the hash named serves the label and, on
// sending, MGF1. RSAOAEPSHA1 is only read: it is the default of old Java peers.
const (
	RSAPKCS1v15 KeyTransport = iota
	RSAOAEPSHA1
	RSAOAEPSHA256
	RSAOAEPSHA384
	RSAOAEPSHA512
)

// keyTransports is indexed by KeyTransport.
var keyTransports = [...]struct {
	name string
	hash crypto.Hash // of OAEP
	oid  asn1.ObjectIdentifier
}{
	RSAPKCS1v15:   {"RSA-PKCS1-v1.5", 0, nil},
	RSAOAEPSHA1:   {"RSA-OAEP-SHA-1", crypto.SHA1, oidSHA1},
	RSAOAEPSHA256: {"RSA-OAEP-SHA-256", crypto.SHA256, oidSHA256},
	RSAOAEPSHA384: {"RSA-OAEP-SHA-384", crypto.SHA384, oidSHA384},
	RSAOAEPSHA512: {"RSA-OAEP-SHA-512", crypto.SHA512, oidSHA512},
}

// String returns a name such as "RSA-OAEP-SHA-256".
func (t KeyTransport) String() string {
	if !t.known() {
		return fmt.Sprintf("KeyTransport(%d)", uint8(t))
	}
	return keyTransports[t].name
}

func (t KeyTransport) known() bool { return int(t) < len(keyTransports) }

// A keyUnwrap is a keyEncryptionAlgorithm that was understood.
type keyUnwrap struct {
	transport KeyTransport
	mgf       crypto.Hash // of OAEP; often not the hash of the label (the JCE's default pair)
}

func (u keyUnwrap) describe(info *EnvelopedInfo) {
	info.Transport, info.MGFHash = u.transport, u.mgf
}

// keyTransport reads a keyEncryptionAlgorithm.
func keyTransport(a algorithm) (keyUnwrap, error) {
	switch {
	case a.oid.Equal(oidRSAEncryption) && a.noParams(): // RFC 3370 §4.2.1
		return keyUnwrap{transport: RSAPKCS1v15}, nil
	case a.oid.Equal(oidRSAESOAEP):
		return oaepParams(a.params)
	}
	return keyUnwrap{}, fmt.Errorf("%w: key transport %v", ErrUnsupported, a.oid)
}

// oaepParams reads RSAES-OAEP-params (RFC 4055 §4.1). Their parts default to
// SHA-1, but the sequence itself must be there.
func oaepParams(der []byte) (keyUnwrap, error) {
	unknown := fmt.Errorf("%w: RSA-OAEP parameters", ErrUnsupported)
	in := cryptobyte.String(der)
	var params cryptobyte.String
	if !in.ReadASN1(&params, cbasn1.SEQUENCE) || !in.Empty() {
		return keyUnwrap{}, unknown
	}
	u := keyUnwrap{transport: RSAOAEPSHA1, mgf: crypto.SHA1}
	var field cryptobyte.String
	var present bool
	if !params.ReadOptionalASN1(&field, &present, contextTag(0)) {
		return keyUnwrap{}, unknown
	}
	if present {
		a, ok := onlyAlgorithm(field)
		u.transport = oaepByHash(a)
		if !ok || u.transport == RSAPKCS1v15 {
			return keyUnwrap{}, unknown
		}
	}
	if !params.ReadOptionalASN1(&field, &present, contextTag(1)) {
		return keyUnwrap{}, unknown
	}
	if present {
		u.mgf = mgf1Hash(field)
	}
	if !params.ReadOptionalASN1(&field, &present, contextTag(2)) || !params.Empty() {
		return keyUnwrap{}, unknown
	}
	if u.mgf == 0 || present && !emptyLabel(field) {
		return keyUnwrap{}, unknown
	}
	return u, nil
}

func contextTag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

// onlyAlgorithm reads an AlgorithmIdentifier that is all of s.
func onlyAlgorithm(s cryptobyte.String) (algorithm, bool) {
	a, ok := readAlgorithm(&s)
	return a, ok && s.Empty()
}

// oaepByHash returns RSAPKCS1v15 for a hash that OAEP is not done with.
func oaepByHash(a algorithm) KeyTransport {
	for i, t := range keyTransports {
		if t.hash != 0 && t.oid.Equal(a.oid) && a.noParams() {
			return KeyTransport(i)
		}
	}
	return RSAPKCS1v15
}

// mgf1Hash returns 0 for anything but MGF1 with a hash that is known.
func mgf1Hash(field cryptobyte.String) crypto.Hash {
	mgf, ok := onlyAlgorithm(field)
	if !ok || !mgf.oid.Equal(oidMGF1) {
		return 0
	}
	hash, ok := onlyAlgorithm(mgf.params)
	if !ok {
		return 0
	}
	return keyTransports[oaepByHash(hash)].hash
}

func emptyLabel(field cryptobyte.String) bool {
	source, ok := onlyAlgorithm(field)
	if !ok || !source.oid.Equal(oidPSpecified) {
		return false
	}
	return string(source.params) == string([]byte{tagOctetString, 0})
}

// addAlgorithm writes the keyEncryptionAlgorithm.
func (t KeyTransport) addAlgorithm(b *cryptobyte.Builder) {
	if t == RSAPKCS1v15 {
		addAlgorithm(b, oidRSAEncryption, tagNull, 0) // RFC 3370 §4.2.1: NULL
		return
	}
	hash := keyTransports[t].oid
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidRSAESOAEP)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { addAlgorithm(b, hash, tagNull, 0) })
			b.AddASN1(contextTag(1), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidMGF1)
					addAlgorithm(b, hash, tagNull, 0)
				})
			})
		})
	})
}

// wrap encrypts the content key to an RSA public key.
func (t KeyTransport) wrap(pub *rsa.PublicKey, key []byte) ([]byte, error) {
	if t == RSAPKCS1v15 {
		//lint:ignore SA1019 what every Direct peer reads (AS-33)
		return rsa.EncryptPKCS1v15(rand.Reader, pub, key)
	}
	return rsa.EncryptOAEP(keyTransports[t].hash.New(), rand.Reader, pub, key, nil)
}

// contentKey decrypts the content key with the private key, which is used once. It
// cannot fail: where RSA does, the key is random instead, as long as the content
// cipher wants it. So whoever sent a made-up ciphertext learns from the outcome,
// which is damaged content either way, nothing about its padding (RFC 3218
// §2.3.2; for OAEP the same bars the attack on a distinguishable first octet).
func (u keyUnwrap) contentKey(k RecipientKey, encrypted []byte, size int) []byte {
	key := make([]byte, size)
	_, _ = rand.Read(key) // never fails
	var opts crypto.DecrypterOpts
	if u.transport == RSAPKCS1v15 {
		// The standard library picks in constant time between the key and a
		// random one. A hardware module may answer by an error instead.
		//lint:ignore SA1019 what most Direct peers send (AS-33)
		opts = &rsa.PKCS1v15DecryptOptions{SessionKeyLen: size}
	} else {
		opts = &rsa.OAEPOptions{Hash: keyTransports[u.transport].hash, MGFHash: u.mgf}
	}
	got, err := k.Decrypter.Decrypt(rand.Reader, encrypted, opts)
	if err == nil && len(got) == size {
		copy(key, got)
	}
	return key
}

// checkRSA refuses keys of fewer than least bits, and keys so long that using
// them is an attack.
func checkRSA(pub *rsa.PublicKey, least int) error {
	bits := pub.N.BitLen()
	if bits < least {
		return fmt.Errorf("%w: RSA of %d bits", ErrWeakAlgorithm, bits)
	}
	if bits > maxRSABits {
		return fmt.Errorf("%w: RSA of %d bits", ErrLimit, bits)
	}
	return nil
}
