package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"slices"
	"testing"
)

// A kari is a KeyAgreeRecipientInfo whose every part can be another.
type kari struct {
	keyParams []byte // of the originatorKey; id-ecPublicKey
	scheme    asn1.ObjectIdentifier
	hash      crypto.Hash
	wrap      []byte // AlgorithmIdentifier, as sent
	hashed    []byte // the same, as hashed
	wrapSize  int
	ukm       []byte
	rid       []byte
	before    [][]byte // recipientEncryptedKeys before ours
	point     []byte   // in place of the ephemeral key
	key       []byte   // to wrap
	damage    bool     // of the wrapped key
}

func newKARI(c *x509.Certificate) kari {
	wrap := algorithmTLV(oidAES256Wrap)
	return kari{
		keyParams: oidTLV(oidP256), scheme: oidStdDHSHA256, hash: crypto.SHA256,
		wrap: wrap, hashed: wrap, wrapSize: 32, rid: issuerAndSerial(c), key: testKey,
	}
}

func (k kari) bytes(t testing.TB, c *x509.Certificate) []byte {
	t.Helper()
	static, err := c.PublicKey.(*ecdsa.PublicKey).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	own, err := static.Curve().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := own.ECDH(static)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := sharedInfo(k.hashed, k.ukm, k.wrapSize)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(deriveKey(k.hash, secret, shared, k.wrapSize))
	if err != nil {
		t.Fatal(err)
	}
	wrapped := wrapKey(block, k.key)
	if k.damage {
		wrapped[0] ^= 1
	}
	point := k.point
	if point == nil {
		point = own.PublicKey().Bytes()
	}
	var ukm []byte
	if k.ukm != nil {
		ukm = tlv(0xa1, tlv(tagOctetString, k.ukm))
	}
	keys := slices.Concat(slices.Concat(k.before...), tlv(tagSequence, k.rid, tlv(tagOctetString, wrapped)))
	return tlv(0xa1, integerTLV(3),
		tlv(0xa0, tlv(0xa1, algorithmTLV(oidECPublicKey, k.keyParams...), tlv(0x03, []byte{0}, point))),
		ukm, tlv(tagSequence, oidTLV(k.scheme), k.wrap), tlv(tagSequence, keys))
}

// toP256 is a message under testKey with this recipient.
func toP256(t testing.TB, recipients ...[]byte) []byte {
	return enveloped{
		recipients: recipients,
		cipher:     cbcTLV(oidAES256CBC),
		ciphertext: tlv(tagContext0, cbc(t, testKey, padded([]byte("here")))),
	}.bytes()
}

// What is met in the field, beside what OpenSSL writes.
func TestAgreementForms(t *testing.T) {
	c := certificate(t, "p256")
	withNULL := algorithmTLV(oidAES256Wrap, tagNull, 0)
	keyID := func(more ...[]byte) []byte {
		return tlv(0xa0, append([][]byte{tlv(tagOctetString, c.SubjectKeyId)}, more...)...)
	}
	other := tlv(tagSequence, issuerAndSerial(certificate(t, "bob")), tlv(tagOctetString, make([]byte, 40)))
	tests := map[string]func(*kari){
		"as we write it":     func(*kari) {},
		"ukm":                func(k *kari) { k.ukm = []byte("user keying material") },
		"empty ukm":          func(k *kari) { k.ukm = []byte{} },
		"wrap with NULL":     func(k *kari) { k.wrap, k.hashed = withNULL, withNULL },
		"NULL hashed alone":  func(k *kari) { k.hashed = withNULL },
		"NULL sent alone":    func(k *kari) { k.wrap = withNULL },
		"no curve":           func(k *kari) { k.keyParams = nil },
		"NULL for the curve": func(k *kari) { k.keyParams = []byte{tagNull, 0} },
		"cofactor":           func(k *kari) { k.scheme = oidCofactorSHA256 },
		"cofactor SHA-1":     func(k *kari) { k.scheme, k.hash = oidCofactorDHSHA1, crypto.SHA1 },
		"AES-128 wrap, SHA-1": func(k *kari) {
			k.wrap = algorithmTLV(oidAES128Wrap)
			k.hashed = k.wrap
			k.wrapSize = 16
			k.scheme, k.hash = oidStdDHSHA1, crypto.SHA1
		},
		"key identifier":              func(k *kari) { k.rid = keyID() },
		"key identifier, date, other": func(k *kari) { k.rid = keyID(tlv(0x18, []byte("20260102030405Z")), tlv(tagSequence, oidTLV(oidData))) },
		"behind others":               func(k *kari) { k.before = [][]byte{other, other} },
		"behind a damaged one":        func(k *kari) { k.before = [][]byte{tlv(tagSequence, integerTLV(1))} },
	}
	for name, change := range tests {
		k := newKARI(c)
		change(&k)
		plain, err := decrypt(toP256(t, k.bytes(t, c)), recipientKey(t, "p256"))
		if err != nil || string(plain) != "here" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
}

// What goes wrong in key agreement looks like any wrong content key.
func TestAgreementFailuresAreOne(t *testing.T) {
	c := certificate(t, "p256")
	off := append([]byte{4}, noise(64)...)
	tests := map[string]func(*kari){
		"wrong integrity":       func(k *kari) { k.damage = true },
		"point off the curve":   func(k *kari) { k.point = off },
		"point at infinity":     func(k *kari) { k.point = []byte{0} },
		"no point":              func(k *kari) { k.point = []byte{} },
		"point on another":      func(k *kari) { k.point = noise(97) },
		"content key too short": func(k *kari) { k.key = testKey[:16] },
		"ukm not hashed":        func(k *kari) { k.hashed = tlv(tagSequence) },
		"another KDF":           func(k *kari) { k.hash = crypto.SHA512 },
		"another content key":   func(k *kari) { k.key = make([]byte, 32) },
		"another announced AES": func(k *kari) { k.wrap = algorithmTLV(oidAES128Wrap) },
	}
	for name, change := range tests {
		k := newKARI(c)
		change(&k)
		message := toP256(t, k.bytes(t, c))
		for range 4 { // a random key makes valid padding once in 256 times
			plain, err := decrypt(message, recipientKey(t, "p256"))
			if err == nil && string(plain) != "here" {
				continue
			}
			if err != ErrUndecryptable { // the very same, unwrapped
				t.Errorf("%s: %q, %v", name, plain, err)
			}
			break
		}
	}
	failing := RecipientKey{Certificate: c, Agreement: failingAgreer{}}
	for range 4 {
		_, err := decrypt(toP256(t, newKARI(c).bytes(t, c)), failing)
		if err == nil {
			continue
		}
		if err != ErrUndecryptable {
			t.Errorf("a module that fails: %v", err)
		}
		break
	}
}

type failingAgreer struct{}

func (failingAgreer) ECDH(*ecdh.PublicKey) ([]byte, error) {
	return nil, errors.New("CKR_DEVICE_ERROR")
}

func TestAS37_AgreementUnsupported(t *testing.T) {
	c := certificate(t, "p256")
	des3Wrap := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 3, 6}
	for name, change := range map[string]func(*kari){
		"another scheme":       func(k *kari) { k.scheme = oidECDH },
		"no wrap":              func(k *kari) { k.wrap = nil },
		"3DES wrap":            func(k *kari) { k.wrap = algorithmTLV(des3Wrap, tagNull, 0) },
		"wrap with parameters": func(k *kari) { k.wrap = algorithmTLV(oidAES256Wrap, integerTLV(1)...) },
	} {
		k := newKARI(c)
		change(&k)
		key := recipientKey(t, "p256")
		_, err := decrypt(toP256(t, k.bytes(t, c)), key)
		if !errors.Is(err, ErrUnsupported) || key.Agreement.(*opaqueAgreer).uses != 0 {
			t.Errorf("%s: %v, %d uses of the key", name, err, key.Agreement.(*opaqueAgreer).uses)
		}
		// One that we can do beside it opens the message.
		plain, err := decrypt(toP256(t, k.bytes(t, c), newKARI(c).bytes(t, c)), key)
		if err != nil || string(plain) != "here" {
			t.Errorf("%s, beside a good one: %q, %v", name, plain, err)
		}
	}
}

// Recipients by key agreement that are damaged, or of another kind, are passed
// over.
func TestAgreementPassedOver(t *testing.T) {
	c := certificate(t, "p256")
	ours := newKARI(c).bytes(t, c)
	key := tlv(0xa1, algorithmTLV(oidECPublicKey), tlv(0x03, []byte{0, 4}))
	x25519 := tlv(0xa1, algorithmTLV(asn1.ObjectIdentifier{1, 3, 101, 110}), tlv(0x03, append([]byte{0}, make([]byte, 32)...)))
	others := [][]byte{
		tlv(0xa1), tlv(0xa1, integerTLV(3)), tlv(0xa1, integerTLV(3), tlv(0xa0)),
		tlv(0xa1, integerTLV(3), tlv(0xa0, issuerAndSerial(c)), algorithmTLV(oidStdDHSHA256), tlv(tagSequence)),
		tlv(0xa1, integerTLV(3), tlv(0xa0, x25519), algorithmTLV(oidStdDHSHA256), tlv(tagSequence)),
		tlv(0xa1, integerTLV(3), tlv(0xa0, key), tlv(0xa1, integerTLV(1)), algorithmTLV(oidStdDHSHA256), tlv(tagSequence)),
		tlv(0xa1, integerTLV(3), tlv(0xa0, key), algorithmTLV(oidStdDHSHA256)),
		tlv(0xa1, integerTLV(3), tlv(0xa0, key), algorithmTLV(oidStdDHSHA256), tlv(tagSequence, integerTLV(1))),
		tlv(0xa1, integerTLV(3), tlv(0xa0, key), algorithmTLV(oidStdDHSHA256), tlv(tagSequence, tlv(tagSequence, tlv(0xa0, tlv(tagOctetString)), tlv(tagOctetString)))),
		tlv(0xa1, integerTLV(3), tlv(0xa0, tlv(0xa1, algorithmTLV(oidECPublicKey), tlv(0x03, []byte{3, 8}))), algorithmTLV(oidStdDHSHA256), tlv(tagSequence)),
	}
	for i := range len(others) + 1 {
		plain, err := decrypt(toP256(t, slices.Insert(slices.Clone(others), i, ours)...), recipientKey(t, "p256"))
		if err != nil || string(plain) != "here" {
			t.Errorf("at %d: %q, %v", i, plain, err)
		}
	}
	_, err := decrypt(toP256(t, others...), recipientKey(t, "p256"))
	if !errors.Is(err, ErrNoRecipient) {
		t.Errorf("without ours: %v", err)
	}
}

func TestAS78_EarliestKeyOpensOnceOfBothKinds(t *testing.T) {
	rsa, ec := recipientKey(t, "alice"), recipientKey(t, "p256")
	message := encrypt(t, []byte("x"), EncryptOptions{}, ec.Certificate, rsa.Certificate, ec.Certificate, rsa.Certificate)
	for _, keys := range [][]RecipientKey{{rsa, ec}, {ec, rsa}} {
		e, err := OpenEnveloped(bytes.NewReader(message), keys, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if e.Info().Certificate != keys[0].Certificate {
			t.Errorf("opened by %v", e.Info().Certificate.Subject)
		}
	}
	uses := []int{rsa.Decrypter.(*opaqueDecrypter).uses, ec.Agreement.(*opaqueAgreer).uses}
	if !slices.Equal(uses, []int{1, 1}) {
		t.Errorf("uses of the private keys: %v", uses)
	}
}

// However many recipients there are, they cost little.
func TestHostileFloodOfAgreements(t *testing.T) {
	c := certificate(t, "p256")
	k := newKARI(c)
	ours := tlv(tagSequence, k.rid, tlv(tagOctetString, make([]byte, 40)))
	k.before = [][]byte{bytes.Repeat(ours, maxAgreed-1)}
	full := toP256(t, k.bytes(t, c))
	k.before = append(k.before, ours)
	over := toP256(t, k.bytes(t, c))
	one := newKARI(c).bytes(t, c)
	many := toP256(t, bytes.Repeat(one, maxAgreed+1))
	soon(t, func() {
		key := recipientKey(t, "p256")
		_, err := decrypt(full, key)
		if err != nil && err != ErrUndecryptable || key.Agreement.(*opaqueAgreer).uses != 1 {
			t.Errorf("%v, %d uses of the key", err, key.Agreement.(*opaqueAgreer).uses)
		}
	})
	for name, message := range map[string][]byte{"keys of one recipient": over, "recipients": many} {
		soon(t, func() {
			_, err := decrypt(message, recipientKey(t, "p256"))
			if !errors.Is(err, ErrLimit) {
				t.Errorf("more than %d %s: %v", maxAgreed, name, err)
			}
		})
	}
}

func TestPeersNewlyReadable(t *testing.T) {
	for name, who := range map[string]string{"env-openssl-refuse-gcm": "alice", "env-openssl-refuse-ec": "p256", "env-openssl-with-ec": "p256"} {
		plain, err := decrypt(fixture(t, name+".p7m"), recipientKey(t, who))
		if err != nil || !isContent(t, plain) {
			t.Errorf("%s: %d octets, %v", name, len(plain), err)
		}
	}
}

// FuzzRecipientInfo takes one RecipientInfo, of any kind, to keys of both.
func FuzzRecipientInfo(f *testing.F) {
	rsa, ec := certificate(f, "alice"), certificate(f, "p256")
	keys := []RecipientKey{
		{Certificate: ec, Agreement: recipientKey(f, "p256").Agreement},
		{Certificate: rsa, Decrypter: module{recipientKey(f, "alice").Decrypter, testKey, nil}},
	}
	k := newKARI(ec)
	f.Add(k.bytes(f, ec))
	k.ukm, k.rid = []byte("ukm"), tlv(0xa0, tlv(tagOctetString, ec.SubjectKeyId))
	f.Add(k.bytes(f, ec))
	f.Add(ktri(rsa, rsaEncryption, wrapRSA(f, rsa, testKey)))
	f.Add(openTLV(0xa2, integerTLV(4)))
	f.Fuzz(func(t *testing.T, info []byte) {
		e, err := OpenEnveloped(bytes.NewReader(toP256(t, info)), keys, Limits{})
		known(t, err)
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, e)
		known(t, err)
		if e.Info().Certificate == nil || e.Info().KeyManagement() == "" {
			t.Fatal("opened by nobody")
		}
	})
}
