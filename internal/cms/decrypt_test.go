package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/rsa"
	"errors"
	"io"
	"slices"
	"testing"
)

// What goes wrong after a RecipientInfo was found must not be told apart.
func TestDecryptionFailuresAreOne(t *testing.T) {
	alice := certificate(t, "alice")
	bob := certificate(t, "bob")
	good := cbc(t, testKey, padded([]byte("some record of a patient, long enough for blocks")))
	withKey := func(algorithm, encrypted []byte) []byte {
		e := toAlice(t, good)
		e.recipients = [][]byte{ktri(alice, algorithm, encrypted)}
		return e.bytes()
	}
	lastBlock := func(last byte) []byte {
		block := make([]byte, aes.BlockSize)
		block[aes.BlockSize-1] = last
		return toAlice(t, cbc(t, testKey, block)).bytes()
	}
	almost := bytes.Repeat([]byte{5}, aes.BlockSize)
	almost[aes.BlockSize-5] = 4
	oaep := EncryptOptions{Transport: RSAOAEPSHA256}
	wrongOAEP := encrypt(t, good, oaep, alice)
	at := bytes.Index(wrongOAEP, []byte{tagOctetString, 0x82, 1, 0}) + 100
	wrongOAEP[at] ^= 1
	tests := map[string][]byte{
		"a key wrapped for another":     withKey(rsaEncryption, wrapRSA(t, bob, testKey)),
		"a wrapped key of zeros":        withKey(rsaEncryption, make([]byte, 256)),
		"a wrapped key above the N":     withKey(rsaEncryption, bytes.Repeat([]byte{0xff}, 256)),
		"a wrapped key too short":       withKey(rsaEncryption, make([]byte, 16)),
		"no wrapped key":                withKey(rsaEncryption, nil),
		"a content key of 16 octets":    withKey(rsaEncryption, wrapRSA(t, alice, testKey[:16])),
		"a content key of 33 octets":    withKey(rsaEncryption, wrapRSA(t, alice, append(testKey[:32:32], 1))),
		"another content key":           withKey(rsaEncryption, wrapRSA(t, alice, make([]byte, 32))),
		"OAEP that does not unwrap":     wrongOAEP,
		"v1.5 announced as OAEP":        withKey(algorithmTLV(oidRSAESOAEP, tagSequence, 0), wrapRSA(t, alice, testKey)),
		"no ciphertext":                 toAlice(t, nil).bytes(),
		"half a block":                  toAlice(t, good[:8]).bytes(),
		"a block and a half":            toAlice(t, good[:24]).bytes(),
		"padding of 0":                  lastBlock(0),
		"padding of 17":                 lastBlock(17),
		"padding of 200":                lastBlock(200),
		"padding of 2, only one there":  lastBlock(2),
		"padding of 5, the first wrong": toAlice(t, cbc(t, testKey, almost)).bytes(),
	}
	for name, message := range tests {
		for range 4 { // a random key makes valid padding once in 256 times
			plain, err := decrypt(message, recipientKey(t, "alice"))
			if err == nil && !bytes.Contains(plain, []byte("patient")) {
				continue
			}
			if err != ErrUndecryptable { // the very same, unwrapped
				t.Errorf("%s: %q, %v", name, plain, err)
			}
			break
		}
	}
}

// A module that reports damaged padding instead of hiding it makes no difference.
func TestCP23_ImplicitRejectionForModules(t *testing.T) {
	alice := recipientKey(t, "alice")
	e := toAlice(t, cbc(t, testKey, padded(noise(100))))
	message := e.bytes()
	modules := map[string]crypto.Decrypter{
		"fails":              module{alice.Decrypter, nil, errors.New("CKR_ENCRYPTED_DATA_INVALID")},
		"a key too short":    module{alice.Decrypter, make([]byte, 5), nil},
		"a key too long":     module{alice.Decrypter, make([]byte, 64), nil},
		"nothing, no error":  module{alice.Decrypter, nil, nil},
		"a key that it says": module{alice.Decrypter, make([]byte, 32), nil},
	}
	for name, d := range modules {
		r, err := OpenEnveloped(bytes.NewReader(message), []RecipientKey{{Certificate: alice.Certificate, Decrypter: d}}, Limits{})
		if err != nil {
			t.Errorf("%s: it shows on opening: %v", name, err)
			continue
		}
		plain, err := io.ReadAll(r)
		if err == nil && len(plain) == 100 || err != nil && err != ErrUndecryptable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type module struct {
	crypto.Decrypter
	key []byte
	err error
}

func (m module) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) { return m.key, m.err }

func TestPadding(t *testing.T) {
	for n := 0; n <= 255; n++ {
		block := bytes.Repeat([]byte{byte(n)}, aes.BlockSize)
		good, got := checkPadding(block)
		want := 0
		if n >= 1 && n <= aes.BlockSize {
			want = 1
		}
		if good != want || want == 1 && got != n {
			t.Errorf("padding of %d: %d, %d", n, good, got)
		}
		for i := range block {
			block[i] ^= 0x80
			good, _ = checkPadding(block)
			inside := n >= 1 && i >= aes.BlockSize-n
			if want == 1 && (good == 1) == inside {
				t.Errorf("padding of %d with octet %d wrong: %d", n, i, good)
			}
			block[i] ^= 0x80
		}
	}
}

// Whatever kinds of recipients are around ours, the message is read.
func TestRecipientsOfAllKinds(t *testing.T) {
	alice := certificate(t, "alice")
	ours := ktri(alice, rsaEncryption, wrapRSA(t, alice, testKey))
	bySKI := tlv(tagSequence, integerTLV(2), tlv(tagContext0, alice.SubjectKeyId), rsaEncryption,
		tlv(tagOctetString, wrapRSA(t, alice, testKey)))
	others := [][]byte{
		tlv(0xa1, integerTLV(3)), openTLV(0xa2, integerTLV(4), openTLV(0x30)), tlv(0xa3), tlv(0xa4, []byte{6, 1, 1}),
		tlv(tagSequence), tlv(tagSequence, integerTLV(0), tlv(tagSequence), rsaEncryption), openTLV(tagSequence, integerTLV(99)),
		ktri(certificate(t, "bob"), algorithmTLV(oidSHA1), nil),
		tlv(tagSequence, integerTLV(2), tlv(tagContext0, []byte("another key")), rsaEncryption, tlv(tagOctetString)),
		tlv(tagSequence, integerTLV(2), tlv(tagContext0), rsaEncryption, tlv(tagOctetString)),
	}
	for i := range len(others) + 1 {
		for name, own := range map[string][]byte{"by issuer": ours, "by key identifier": bySKI} {
			e := toAlice(t, cbc(t, testKey, padded([]byte("here"))))
			e.recipients = slices.Insert(slices.Clone(others), i, own)
			plain, err := decrypt(e.bytes(), recipientKey(t, "alice"))
			if err != nil || string(plain) != "here" {
				t.Errorf("%s at %d: %q, %v", name, i, plain, err)
			}
		}
	}
	e := toAlice(t, cbc(t, testKey, padded(nil)))
	e.recipients = others
	_, err := decrypt(e.bytes(), recipientKey(t, "alice"))
	if !errors.Is(err, ErrNoRecipient) {
		t.Errorf("without ours: %v", err)
	}
}

// A certificate without a subjectKeyIdentifier is not named by an empty one.
func TestKeyIdentifierMustBeThere(t *testing.T) {
	_, ok := parseKeyTrans(tlv(tagSequence, integerTLV(2), tlv(tagContext0), rsaEncryption, tlv(tagOctetString)))
	if ok {
		t.Error("an empty key identifier passed")
	}
}

func TestAS78_EarliestKeyOpensOnce(t *testing.T) {
	alice, bob := recipientKey(t, "alice"), recipientKey(t, "bob")
	message := encrypt(t, []byte("x"), EncryptOptions{}, bob.Certificate, alice.Certificate, alice.Certificate)
	for _, keys := range [][]RecipientKey{{alice, bob}, {bob, alice}, {{}, bob}} {
		e, err := OpenEnveloped(bytes.NewReader(message), keys, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want := keys[0].Certificate
		if want == nil {
			want = keys[1].Certificate
		}
		if e.Info().Certificate != want {
			t.Errorf("opened by %v", e.Info().Certificate.Subject)
		}
	}
	uses := alice.Decrypter.(*opaqueDecrypter).uses + bob.Decrypter.(*opaqueDecrypter).uses
	if uses != 3 {
		t.Errorf("%d uses of private keys for three messages", uses)
	}
}

// A transport that we do not know is passed by for one that we do.
func TestUnknownTransportBesideKnown(t *testing.T) {
	alice := certificate(t, "alice")
	unknown := ktri(alice, algorithmTLV(oidSHA256WithRSA), []byte("?"))
	e := toAlice(t, cbc(t, testKey, padded([]byte("here"))))
	e.recipients = append([][]byte{unknown}, e.recipients...)
	plain, err := decrypt(e.bytes(), recipientKey(t, "alice"))
	if err != nil || string(plain) != "here" {
		t.Errorf("%q, %v", plain, err)
	}
	e.recipients = [][]byte{unknown}
	_, err = decrypt(e.bytes(), recipientKey(t, "alice"))
	if !errors.Is(err, ErrUnsupported) {
		t.Errorf("alone: %v", err)
	}
}

func TestAS33_CP7_OAEPParameters(t *testing.T) {
	sha := func(oid []byte) []byte { return tlv(tagSequence, oid, []byte{tagNull, 0}) }
	mgf := func(hash []byte) []byte { return tlv(0xa1, tlv(tagSequence, oidTLV(oidMGF1), hash)) }
	label := func(l string) []byte {
		return tlv(0xa2, tlv(tagSequence, oidTLV(oidPSpecified), tlv(tagOctetString, []byte(l))))
	}
	sha256, sha384 := sha(oidTLV(oidSHA256)), sha(oidTLV(oidSHA384))
	tests := []struct {
		name   string
		params []byte
		want   keyUnwrap
		ok     bool
	}{
		{"all defaults", tlv(tagSequence), keyUnwrap{RSAOAEPSHA1, crypto.SHA1}, true},
		{"hash alone", tlv(tagSequence, tlv(0xa0, sha256)), keyUnwrap{RSAOAEPSHA256, crypto.SHA1}, true},
		{"hash without NULL", tlv(tagSequence, tlv(0xa0, algorithmTLV(oidSHA256))), keyUnwrap{RSAOAEPSHA256, crypto.SHA1}, true},
		{"MGF alone", tlv(tagSequence, mgf(sha384)), keyUnwrap{RSAOAEPSHA1, crypto.SHA384}, true},
		{"both, empty label", tlv(tagSequence, tlv(0xa0, sha384), mgf(sha256), label("")), keyUnwrap{RSAOAEPSHA384, crypto.SHA256}, true},
		{"absent", nil, keyUnwrap{}, false},
		{"NULL", []byte{tagNull, 0}, keyUnwrap{}, false},
		{"a label", tlv(tagSequence, label("x")), keyUnwrap{}, false},
		{"hash unknown", tlv(tagSequence, tlv(0xa0, sha(oidTLV(oidMD5)))), keyUnwrap{}, false},
		{"SHA-224", tlv(tagSequence, tlv(0xa0, sha(oidTLV(oidSHA224)))), keyUnwrap{}, false},
		{"MGF unknown", tlv(tagSequence, tlv(0xa1, sha256)), keyUnwrap{}, false},
		{"MGF hash unknown", tlv(tagSequence, mgf(sha(oidTLV(oidMD5)))), keyUnwrap{}, false},
		{"MGF hash absent", tlv(tagSequence, mgf(nil)), keyUnwrap{}, false},
		{"label source unknown", tlv(tagSequence, tlv(0xa2, sha256)), keyUnwrap{}, false},
		{"something more", tlv(tagSequence, label(""), integerTLV(1)), keyUnwrap{}, false},
		{"in another order", tlv(tagSequence, mgf(sha256), tlv(0xa0, sha256)), keyUnwrap{}, false},
	}
	for _, tt := range tests {
		a := readAlgorithmTLV(t, algorithmTLV(oidRSAESOAEP, tt.params...))
		got, err := keyTransport(a)
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		if err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v is no ErrUnsupported", tt.name, err)
		}
	}
}

func TestContentCiphers(t *testing.T) {
	e := toAlice(t, cbc(t, testKey, padded(nil)))
	tests := []struct {
		name   string
		cipher []byte
		want   error
	}{
		{"IV absent", algorithmTLV(oidAES256CBC), ErrMalformed},
		{"IV of 15 octets", algorithmTLV(oidAES256CBC, tlv(tagOctetString, testIV[1:])...), ErrMalformed},
		{"IV no octet string", algorithmTLV(oidAES256CBC, tlv(tagSequence, testIV)...), ErrMalformed},
		{"unknown", algorithmTLV(oidSHA256), ErrUnsupported},
		{"two parameters", algorithmTLV(oidAES256CBC, tagNull, 0, tagNull, 0), ErrMalformed},
	}
	for _, tt := range tests {
		e.cipher = tt.cipher
		alice := recipientKey(t, "alice")
		_, err := decrypt(e.bytes(), alice)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if alice.Decrypter.(*opaqueDecrypter).uses != 0 {
			t.Errorf("%s: the private key was used", tt.name)
		}
	}
}

func TestEnvelopedEnding(t *testing.T) {
	e := toAlice(t, cbc(t, testKey, padded([]byte("here"))))
	e.after = tlv(0xa1, attr(oidSigningTime)) // unprotectedAttrs
	plain, err := decrypt(e.bytes(), recipientKey(t, "alice"))
	if err != nil || string(plain) != "here" {
		t.Errorf("with unprotected attributes: %q, %v", plain, err)
	}
	for _, after := range [][]byte{integerTLV(1), append(tlv(0xa1), tlv(0xa1)...), tlv(tagContext1)} {
		e.after = after
		plain, err = decrypt(e.bytes(), recipientKey(t, "alice"))
		if !errors.Is(err, ErrMalformed) || len(plain) != 0 {
			t.Errorf("followed by %x: %q, %v", after, plain, err)
		}
	}
	e.after = nil
	e.ciphertext = nil
	_, err = decrypt(e.bytes(), recipientKey(t, "alice"))
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("content kept elsewhere: %v", err)
	}
}

func TestAS34_RSAKeySizes(t *testing.T) {
	tests := []struct {
		bits            int
		verify, sending error
	}{
		{512, ErrWeakAlgorithm, ErrWeakAlgorithm},
		{1023, ErrWeakAlgorithm, ErrWeakAlgorithm},
		{1024, nil, ErrWeakAlgorithm},
		{2047, nil, ErrWeakAlgorithm},
		{2048, nil, nil},
		{8192, nil, nil},
		{8193, ErrLimit, ErrLimit},
	}
	for _, tt := range tests {
		pub := &rsa.PublicKey{N: bigOfBits(tt.bits)}
		err := checkRSA(pub, minRSABits)
		if !errors.Is(err, tt.verify) {
			t.Errorf("verifying by %d bits: %v", tt.bits, err)
		}
		err = checkRSA(pub, minSendingBits)
		if !errors.Is(err, tt.sending) {
			t.Errorf("sending by %d bits: %v", tt.bits, err)
		}
	}
}
