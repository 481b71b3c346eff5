package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Builders of messages that no honest sender makes.

func tlv(tag byte, parts ...[]byte) []byte {
	contents := slices.Concat(parts...)
	return append(appendHeader(nil, tag, int64(len(contents))), contents...)
}

// openTLV is tlv with an indefinite length.
func openTLV(tag byte, parts ...[]byte) []byte {
	return slices.Concat([]byte{tag, 0x80}, slices.Concat(parts...), []byte{0, 0})
}

func oidTLV(oid asn1.ObjectIdentifier) []byte {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(oid)
	return b.BytesOrPanic()
}

func algorithmTLV(oid asn1.ObjectIdentifier, params ...byte) []byte {
	return tlv(tagSequence, oidTLV(oid), params)
}

func integerTLV(v byte) []byte { return tlv(tagInteger, []byte{v}) }

func issuerAndSerial(c *x509.Certificate) []byte {
	var b cryptobyte.Builder
	addIssuerAndSerial(&b, c)
	return b.BytesOrPanic()
}

// enveloped is an EnvelopedData around parts of choice.
type enveloped struct {
	recipients [][]byte
	cipher     []byte // AlgorithmIdentifier
	ciphertext []byte // the [0], whole
	after      []byte // within EnvelopedData, after the encrypted content
}

func (e enveloped) bytes() []byte {
	return tlv(tagSequence, oidTLV(oidEnvelopedData), tlv(0xa0, tlv(tagSequence,
		integerTLV(0),
		tlv(tagSet, e.recipients...),
		tlv(tagSequence, oidTLV(oidData), e.cipher, e.ciphertext),
		e.after,
	)))
}

// ktri is a KeyTransRecipientInfo by issuer and serial number.
func ktri(c *x509.Certificate, algorithm, encryptedKey []byte) []byte {
	return tlv(tagSequence, integerTLV(0), issuerAndSerial(c), algorithm, tlv(tagOctetString, encryptedKey))
}

var rsaEncryption = algorithmTLV(oidRSAEncryption, tagNull, 0)

// wrapRSA encrypts a content key by PKCS #1 v1.5.
func wrapRSA(t testing.TB, c *x509.Certificate, key []byte) []byte {
	t.Helper()
	encrypted, err := RSAPKCS1v15.wrap(c.PublicKey.(*rsa.PublicKey), key)
	if err != nil {
		t.Fatal(err)
	}
	return encrypted
}

var testIV = bytes.Repeat([]byte{7}, aes.BlockSize)

func cbcTLV(oid asn1.ObjectIdentifier) []byte {
	return algorithmTLV(oid, tlv(tagOctetString, testIV)...)
}

// cbc encrypts whole blocks as they are, padding or not.
func cbc(t testing.TB, key, blocks []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(blocks))
	cipher.NewCBCEncrypter(block, testIV).CryptBlocks(out, blocks)
	return out
}

// padded adds the padding of RFC 5652 §6.3.
func padded(plain []byte) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	return append(slices.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
}

var testKey = bytes.Repeat([]byte{0x42}, 32)

// toAlice is a message to alice under testKey, with this ciphertext.
func toAlice(t testing.TB, ciphertext []byte) enveloped {
	alice := certificate(t, "alice")
	return enveloped{
		recipients: [][]byte{ktri(alice, rsaEncryption, wrapRSA(t, alice, testKey))},
		cipher:     cbcTLV(oidAES256CBC),
		ciphertext: tlv(tagContext0, ciphertext),
	}
}

// forgery is a SignedData by alice whose every part can be another.
type forgery struct {
	content     []byte
	contentType asn1.ObjectIdentifier
	sid         []byte
	digest      []byte // AlgorithmIdentifier
	signature   []byte // AlgorithmIdentifier
	attrs       [][]byte
	signUnsort  bool // sign the attributes in the order given
	value       []byte
	certs       [][]byte
	copies      int // of the SignerInfo
}

func attr(oid asn1.ObjectIdentifier, values ...[]byte) []byte {
	return tlv(tagSequence, oidTLV(oid), tlv(tagSet, values...))
}

func newForgery(t testing.TB, content []byte) *forgery {
	alice := certificate(t, "alice")
	return &forgery{
		content:     content,
		contentType: oidData,
		sid:         issuerAndSerial(alice),
		digest:      algorithmTLV(oidSHA256),
		signature:   rsaEncryption,
		attrs: [][]byte{
			attr(oidContentType, oidTLV(oidData)),
			attr(oidMessageDigest, tlv(tagOctetString, digester(content)(crypto.SHA256))),
		},
		certs:  [][]byte{alice.Raw},
		copies: 1,
	}
}

// bytes signs and encodes, detached.
func (f *forgery) bytes(t testing.TB) []byte {
	t.Helper()
	return f.around(bytes.Repeat(f.info(t), f.copies))
}

// info signs and makes the SignerInfo.
func (f *forgery) info(t testing.TB) []byte {
	t.Helper()
	toSign := setOf(tagSet, f.attrs)
	if f.signUnsort {
		toSign = tlv(tagSet, f.attrs...)
	}
	value := f.value
	if value == nil {
		var err error
		value, err = privateKey(t, "alice").Sign(rand.Reader, digester(toSign)(crypto.SHA256), crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
	}
	return tlv(tagSequence, integerTLV(1), f.sid, f.digest, tlv(0xa0, f.attrs...), f.signature, tlv(tagOctetString, value))
}

// around encodes, with these SignerInfos.
func (f *forgery) around(infos ...[]byte) []byte {
	return tlv(tagSequence, oidTLV(oidSignedData), tlv(0xa0, tlv(tagSequence,
		integerTLV(1),
		tlv(tagSet, f.digest),
		tlv(tagSequence, oidTLV(f.contentType)),
		tlv(0xa0, f.certs...),
		tlv(tagSet, infos...),
	)))
}

// readAlgorithmTLV is used where a test wants the parsed form.
func readAlgorithmTLV(t testing.TB, der []byte) algorithm {
	t.Helper()
	s := cryptobyte.String(der)
	if !s.PeekASN1Tag(cbasn1.SEQUENCE) {
		t.Fatal("no sequence")
	}
	a, ok := readAlgorithm(&s)
	if !ok {
		t.Fatal("no algorithm identifier")
	}
	return a
}
