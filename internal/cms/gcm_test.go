package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"
	"time"
)

// An authEnveloped is an AuthEnvelopedData to alice under testKey, whose every
// part can be another.
type authEnveloped struct {
	plain    []byte
	cipher   []byte   // AlgorithmIdentifier
	inner    []byte   // the type of the encrypted content
	attrs    [][]byte // authenticated; nil is none
	unsorted bool     // the order given is authenticated
	tagSize  int
	mac      func(tag []byte) []byte // the element; nil is the octet string
	after    []byte
	pieces   bool // ciphertext, attributes and tag in indefinite pieces
}

var testNonce = bytes.Repeat([]byte{9}, gcmNonce)

func gcmTLV(oid asn1.ObjectIdentifier, nonce []byte, tagSize ...byte) []byte {
	params := tlv(tagOctetString, nonce)
	if tagSize != nil {
		params = append(params, tlv(tagInteger, tagSize)...)
	}
	return algorithmTLV(oid, tlv(tagSequence, params)...)
}

func newAuthEnveloped(plain string) authEnveloped {
	return authEnveloped{plain: []byte(plain), cipher: gcmTLV(oidAES256GCM, testNonce, 16), inner: oidTLV(oidData), tagSize: 16}
}

// seal encrypts by the library, at once.
func (a authEnveloped) seal(t testing.TB) (text, tag []byte) {
	t.Helper()
	block, err := aes.NewCipher(testKey)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	var additional []byte
	if a.attrs != nil {
		additional = setOf(tagSet, a.attrs)
		if a.unsorted {
			additional = tlv(tagSet, a.attrs...)
		}
	}
	text = aead.Seal(nil, testNonce, a.plain, additional)
	return text[:len(a.plain)], text[len(a.plain):][:a.tagSize]
}

func (a authEnveloped) bytes(t testing.TB) []byte {
	t.Helper()
	alice := certificate(t, "alice")
	text, tag := a.seal(t)
	content, mac := tlv(tagContext0, text), tlv(tagOctetString, tag)
	if a.pieces {
		half := len(text) / 2
		content = openTLV(tagContext0|tagConstructed, tlv(tagOctetString, text[:half]), tlv(tagOctetString, text[half:]))
		mac = openTLV(0x24, tlv(tagOctetString, tag[:3]), tlv(tagOctetString, tag[3:]))
	}
	if a.mac != nil {
		mac = a.mac(tag)
	}
	var attrs []byte
	if a.attrs != nil {
		attrs = tlv(0xa1, a.attrs...)
		if a.pieces {
			attrs = openTLV(0xa1, a.attrs...)
		}
	}
	return tlv(tagSequence, oidTLV(oidAuthEnvelopedData), tlv(0xa0, tlv(tagSequence,
		integerTLV(0),
		tlv(tagSet, ktri(alice, rsaEncryption, wrapRSA(t, alice, testKey))),
		tlv(tagSequence, a.inner, a.cipher, content),
		attrs, mac, a.after)))
}

func someAttrs(t testing.TB) [][]byte {
	attrs := [][]byte{
		attr(oidSigningTime, tlv(0x17, []byte("260102030405Z"))),
		attr(oidContentType, oidTLV(oidData)),
	}
	if slices.IsSortedFunc(attrs, bytes.Compare) {
		t.Fatal("the attributes are in order by accident")
	}
	return attrs
}

func TestAS32_AuthEnvelopedForms(t *testing.T) {
	long := string(noise(100_003))
	tests := map[string]func(*authEnveloped){
		"as OpenSSL writes it":          func(*authEnveloped) {},
		"nothing inside":                func(a *authEnveloped) { a.plain = nil },
		"a long content":                func(a *authEnveloped) { a.plain = []byte(long) },
		"tag of 12, by default":         func(a *authEnveloped) { a.cipher, a.tagSize = gcmTLV(oidAES256GCM, testNonce), 12 },
		"tag of 12":                     func(a *authEnveloped) { a.cipher, a.tagSize = gcmTLV(oidAES256GCM, testNonce, 12), 12 },
		"tag of 13":                     func(a *authEnveloped) { a.cipher, a.tagSize = gcmTLV(oidAES256GCM, testNonce, 13), 13 },
		"tag of 15":                     func(a *authEnveloped) { a.cipher, a.tagSize = gcmTLV(oidAES256GCM, testNonce, 15), 15 },
		"attributes":                    func(a *authEnveloped) { a.attrs = someAttrs(t) },
		"attributes, unsorted":          func(a *authEnveloped) { a.attrs, a.unsorted = someAttrs(t), true },
		"attributes, a long content":    func(a *authEnveloped) { a.attrs, a.plain = someAttrs(t), []byte(long) },
		"attributes, nothing inside":    func(a *authEnveloped) { a.attrs, a.plain = someAttrs(t), nil },
		"attributes without their type": func(a *authEnveloped) { a.attrs = someAttrs(t)[:1] },
		"unauthenticated attributes":    func(a *authEnveloped) { a.after = tlv(0xa2, attr(oidSigningTime)) },
		"indefinite, in pieces":         func(a *authEnveloped) { a.pieces, a.attrs = true, someAttrs(t) },
	}
	for name, change := range tests {
		a := newAuthEnveloped("a record")
		change(&a)
		message := a.bytes(t)
		e, err := OpenEnveloped(iotest.HalfReader(bytes.NewReader(message)), []RecipientKey{recipientKey(t, "alice")}, Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		plain, err := io.ReadAll(e)
		if err != nil || !bytes.Equal(plain, a.plain) {
			t.Errorf("%s: %d octets, %v", name, len(plain), err)
		}
		again, err := e.Reopen(bytes.NewReader(message))
		if err != nil {
			t.Errorf("%s, again: %v", name, err)
			continue
		}
		plain, err = io.ReadAll(again)
		if err != nil || !bytes.Equal(plain, a.plain) {
			t.Errorf("%s, again: %d octets, %v", name, len(plain), err)
		}
	}
}

func TestAuthEnvelopedRefused(t *testing.T) {
	digest := attr(oidContentType, oidTLV(oidSignedData))
	tests := []struct {
		name   string
		change func(*authEnveloped)
		want   error
	}{
		{"a tag that is damaged", func(a *authEnveloped) {
			a.mac = func(tag []byte) []byte { tag[0] ^= 1; return tlv(tagOctetString, tag) }
		}, ErrUndecryptable},
		{"a tag damaged at its end", func(a *authEnveloped) {
			a.mac = func(tag []byte) []byte { tag[15] ^= 0x80; return tlv(tagOctetString, tag) }
		}, ErrUndecryptable},
		{"a tag too short", func(a *authEnveloped) { a.mac = func(tag []byte) []byte { return tlv(tagOctetString, tag[:12]) } }, ErrMalformed},
		{"a tag too long", func(a *authEnveloped) {
			a.mac = func(tag []byte) []byte { return tlv(tagOctetString, append(tag, 0)) }
		}, ErrMalformed},
		{"no tag", func(a *authEnveloped) { a.mac = func([]byte) []byte { return nil } }, ErrMalformed},
		{"a tag that is an integer", func(a *authEnveloped) { a.mac = func(tag []byte) []byte { return tlv(tagInteger, tag) } }, ErrMalformed},
		{"two tags", func(a *authEnveloped) { a.after = tlv(tagOctetString, make([]byte, 16)) }, ErrMalformed},
		{"attributes of EnvelopedData", func(a *authEnveloped) { a.after = tlv(0xa1, attr(oidSigningTime)) }, ErrMalformed},
		{"another content type authenticated", func(a *authEnveloped) { a.attrs = [][]byte{digest} }, ErrMalformed},
		{"an attribute twice", func(a *authEnveloped) { a.attrs = slices.Repeat(someAttrs(t)[1:], 2) }, ErrMalformed},
		{"attributes that are none", func(a *authEnveloped) { a.attrs = [][]byte{integerTLV(1)} }, ErrMalformed},
		{"another content", func(a *authEnveloped) { a.inner = oidTLV(oidSignedData) }, ErrUnsupported},
		{"compressed content", func(a *authEnveloped) { a.inner = oidTLV(oidCompressedData) }, ErrCompressed},
		{"CBC", func(a *authEnveloped) { a.cipher = cbcTLV(oidAES256CBC) }, ErrUnsupported},
		{"tag of 11", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES256GCM, testNonce, 11) }, ErrUnsupported},
		{"tag of 4", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES256GCM, testNonce, 4) }, ErrUnsupported},
		{"tag of 17", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES256GCM, testNonce, 17) }, ErrUnsupported},
		{"tag of 0", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES256GCM, testNonce, 0) }, ErrUnsupported},
		{"tag below 0", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES256GCM, testNonce, 0xff) }, ErrUnsupported},
		{"nonce of 16", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES256GCM, make([]byte, 16), 16) }, ErrUnsupported},
		{"nonce of 0", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES256GCM, nil, 16) }, ErrUnsupported},
		{"no parameters", func(a *authEnveloped) { a.cipher = algorithmTLV(oidAES256GCM) }, ErrMalformed},
		{"parameters of CBC", func(a *authEnveloped) { a.cipher = cbcTLV(oidAES256GCM) }, ErrMalformed},
		{"one parameter more", func(a *authEnveloped) {
			a.cipher = algorithmTLV(oidAES256GCM, tlv(tagSequence, tlv(tagOctetString, testNonce), integerTLV(16), integerTLV(1))...)
		}, ErrMalformed},
		{"another key length", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES128GCM, testNonce, 16) }, ErrUndecryptable},
		{"another nonce", func(a *authEnveloped) { a.cipher = gcmTLV(oidAES256GCM, make([]byte, 12), 16) }, ErrUndecryptable},
	}
	for _, tt := range tests {
		a := newAuthEnveloped("a record")
		tt.change(&a)
		_, err := decrypt(a.bytes(t), recipientKey(t, "alice"))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if errors.Is(err, ErrUndecryptable) && err != ErrUndecryptable {
			t.Errorf("%s: %v is wrapped", tt.name, err)
		}
	}
}

// Every octet of ciphertext, attributes and tag is authenticated.
func TestAuthEnvelopedEveryOctetCounts(t *testing.T) {
	a := newAuthEnveloped("a record of more than one block")
	a.attrs = [][]byte{attr(oidSMIMECapabilities, tlv(tagOctetString, []byte("any value")))}
	message := a.bytes(t)
	text, tag := a.seal(t)
	for _, part := range [][]byte{text, tag, []byte("any value")} {
		at := bytes.Index(message, part)
		for i := at; i < at+len(part); i++ {
			message[i] ^= 1
			_, err := decrypt(message, recipientKey(t, "alice"))
			if err != ErrUndecryptable {
				t.Errorf("octet %d changed: %v", i, err)
			}
			message[i] ^= 1
		}
	}
}

// The last plaintext waits for the tag.
func TestAuthEnvelopedGivesNothingShortOut(t *testing.T) {
	a := newAuthEnveloped("a record")
	a.mac = func(tag []byte) []byte { tag[5] ^= 1; return tlv(tagOctetString, tag) }
	plain, err := decrypt(a.bytes(t), recipientKey(t, "alice"))
	if len(plain) != 0 || err != ErrUndecryptable {
		t.Errorf("%q, %v", plain, err)
	}
}

// BouncyCastle's EnvelopedData with AES-GCM.
func TestGCMWithTheTagInside(t *testing.T) {
	for _, size := range []int{0, 1, 15, 16, 17, blockBuffer - 17, blockBuffer - 16, blockBuffer - 1, blockBuffer, blockBuffer + 1, 3 * blockBuffer} {
		for _, tagSize := range []byte{12, 13, 16} {
			a := newAuthEnveloped(string(noise(size)))
			a.tagSize = int(tagSize)
			text, tag := a.seal(t)
			e := toAlice(t, append(text, tag...))
			e.cipher = gcmTLV(oidAES256GCM, testNonce, tagSize)
			e.after = tlv(0xa1, attr(oidSigningTime))
			plain, err := decrypt(e.bytes(), recipientKey(t, "alice"))
			if err != nil || !bytes.Equal(plain, a.plain) {
				t.Errorf("%d octets, tag of %d: %d back, %v", size, tagSize, len(plain), err)
			}
			for _, cut := range []int{1, int(tagSize)} {
				e.ciphertext = tlv(tagContext0, append(text, tag...)[:max(0, len(text)+len(tag)-cut)])
				_, err = decrypt(e.bytes(), recipientKey(t, "alice"))
				if err != ErrUndecryptable {
					t.Errorf("%d octets, tag of %d, %d cut off: %v", size, tagSize, cut, err)
				}
			}
		}
	}
}

func TestGCMSealedWithAnyPieces(t *testing.T) {
	alice := recipientKey(t, "alice")
	to := []*x509.Certificate{alice.Certificate}
	plain := noise(200_001)
	for _, piece := range []int{1000, 32768, 65536, len(plain)} {
		var message bytes.Buffer
		w, err := NewEnvelopedWriter(&message, int64(len(plain)), to, EncryptOptions{Cipher: AES128GCM})
		if err != nil {
			t.Fatal(err)
		}
		for rest := plain; len(rest) > 0; {
			n := min(piece, len(rest))
			_, err = w.Write(rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		err = w.Close()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decrypt(message.Bytes(), alice)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("in pieces of %d: %d octets, %v", piece, len(got), err)
		}
	}
}

func TestOpenSSLAndGCM(t *testing.T) {
	alice := recipientKey(t, "alice")
	for _, size := range []int{0, 1, 16, 100_000} {
		plain := noise(size)
		in := tempFile(t, "plain", plain)
		for c, name := range map[ContentCipher]string{AES128GCM: "-aes-128-gcm", AES192GCM: "-aes-192-gcm", AES256GCM: "-aes-256-gcm"} {
			for _, transport := range []KeyTransport{RSAPKCS1v15, RSAOAEPSHA256} {
				message := tempFile(t, "message", encrypt(t, plain, EncryptOptions{Cipher: c, Transport: transport}, alice.Certificate))
				got := openssl(t, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", message, "-recip", pathOf("alice.pem"), "-inkey", pathOf("alice.key"))
				if !bytes.Equal(got, plain) {
					t.Errorf("%v, %v: OpenSSL reads %d octets of %d", c, transport, len(got), size)
				}
			}
			args := []string{"cms", "-encrypt", "-binary", "-outform", "DER", "-in", in, name, "-recip", pathOf("alice.pem")}
			got, err := decrypt(openssl(t, args...), alice)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s: %d octets of %d, %v", name, len(got), size, err)
			}
		}
	}
}

func TestAS59_CompressedIsRefusedAtItsHeader(t *testing.T) {
	head := slices.Concat([]byte{tagSequence, 0x80}, oidTLV(oidCompressedData))
	for i, err := range allReaders(t, head) { // not an octet of the content is needed
		if !errors.Is(err, ErrCompressed) || !errors.Is(err, ErrUnsupported) {
			t.Errorf("reader %d: %v", i, err)
		}
	}
	alice := certificate(t, "alice")
	inside := tlv(tagSequence, oidTLV(oidEnvelopedData), tlv(0xa0, tlv(tagSequence, integerTLV(0),
		tlv(tagSet, ktri(alice, rsaEncryption, wrapRSA(t, alice, testKey))), tlv(tagSequence, oidTLV(oidCompressedData)))))
	_, err := decrypt(inside, recipientKey(t, "alice"))
	if !errors.Is(err, ErrCompressed) {
		t.Errorf("inside of an envelope: %v", err)
	}
}

func FuzzAuthEnveloped(f *testing.F) {
	f.Add(fixture(f, "env-openssl-refuse-gcm.p7m"))
	a := newAuthEnveloped("a record")
	f.Add(a.bytes(f))
	a.attrs, a.after, a.pieces = someAttrs(f), tlv(0xa2), true
	f.Add(a.bytes(f))
	text, tag := a.seal(f)
	inside := toAlice(f, append(text, tag...))
	inside.cipher = gcmTLV(oidAES256GCM, testNonce, 16)
	f.Add(inside.bytes())
	keys := []RecipientKey{{Certificate: certificate(f, "alice"), Decrypter: module{recipientKey(f, "alice").Decrypter, testKey, nil}}}
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := OpenEnveloped(bytes.NewReader(in), keys, Limits{})
		known(t, err)
		if err != nil {
			return
		}
		plain, err := io.ReadAll(e)
		known(t, err)
		again, openErr := e.Reopen(iotest.OneByteReader(bytes.NewReader(in)))
		if openErr != nil {
			t.Fatalf("opened once, not twice: %v", openErr)
		}
		second, secondErr := io.ReadAll(again)
		if !bytes.Equal(plain, second) || fmt.Sprint(secondErr) != fmt.Sprint(err) {
			t.Fatalf("read twice, unlike: %v, %v", err, secondErr)
		}
	})
}

// The counter of GCM bounds GCM alone.
func TestLongestContent(t *testing.T) {
	to := []*x509.Certificate{certificate(t, "alice")}
	for _, tt := range []struct {
		cipher ContentCipher
		plain  int64
		good   bool
	}{
		{AES256GCM, maxGCM, true}, {AES256GCM, maxGCM + 1, false}, {AES256CBC, maxGCM + 1, true},
		{AES256CBC, maxContent, true}, {AES256CBC, maxContent + 1, false}, {AES256CBC, -1, false},
	} {
		_, err := NewEnvelopedWriter(io.Discard, tt.plain, to, EncryptOptions{Cipher: tt.cipher})
		if (err == nil) != tt.good || err != nil && !errors.Is(err, ErrLimit) {
			t.Errorf("%v, %d octets: %v", tt.cipher, tt.plain, err)
		}
	}
}

// What sealing tells of a certificate is what opening tells of the message.
func TestDescriptionsAgree(t *testing.T) {
	for name, transports := range map[string][]KeyTransport{
		"alice": {RSAPKCS1v15, RSAOAEPSHA256, RSAOAEPSHA384, RSAOAEPSHA512}, "p256": {RSAOAEPSHA256}, "p384": {RSAPKCS1v15},
	} {
		for _, transport := range transports {
			o := EncryptOptions{Transport: transport}
			key := recipientKey(t, name)
			e, err := OpenEnveloped(bytes.NewReader(encrypt(t, noise(10), o, key.Certificate)), []RecipientKey{key}, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := o.KeyManagement(key.Certificate), e.Info().KeyManagement(); got != want || got == "" {
				t.Errorf("sealing says %q, opening %q", got, want)
			}
		}
	}
	for _, s := range []Signer{signer(t, "alice", 0), signer(t, "alice", crypto.SHA512), signer(t, "p256", crypto.SHA256), signer(t, "p384", crypto.SHA384)} {
		der, err := SignDetached(digester([]byte("text")), []Signer{s}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		signed, err := ParseSigned(der, SignedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r := signed.Verify(digester([]byte("text")))[0]
		if r.Err != nil || r.Algorithm != s.Algorithm() || r.Algorithm == "" {
			t.Errorf("signing says %q, reading %q, %v", s.Algorithm(), r.Algorithm, r.Err)
		}
	}
}

func TestKeyManagementForPeople(t *testing.T) {
	for want, info := range map[string]EnvelopedInfo{
		"RSA-PKCS1-v1.5":                            {},
		"RSA-OAEP-SHA-256, MGF1-SHA-1":              {Transport: RSAOAEPSHA256, MGFHash: crypto.SHA1},
		"ECDH P-384, SHA-384 KDF, AES-256 key wrap": {Agreement: KeyAgreement{"P-384", crypto.SHA384, 256}},
		"ECDH P-256, SHA-1 KDF, AES-128 key wrap":   {Agreement: KeyAgreement{"P-256", crypto.SHA1, 128}},
	} {
		if got := info.KeyManagement(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
