package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"slices"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		AES256CBC.String():         "AES-256-CBC",
		AES128CBC.String():         "AES-128-CBC",
		ContentCipher(99).String(): "ContentCipher(99)",
		RSAPKCS1v15.String():       "RSA-PKCS1-v1.5",
		RSAOAEPSHA256.String():     "RSA-OAEP-SHA-256",
		KeyTransport(99).String():  "KeyTransport(99)",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAS37_UnknownOptions(t *testing.T) {
	to := []*x509.Certificate{certificate(t, "alice")}
	for _, o := range []EncryptOptions{{Cipher: 99}, {Transport: 99}} {
		_, err := NewEnvelopedWriter(io.Discard, 1, to, o)
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	_, err := NewEnvelopedWriter(io.Discard, -1, to, EncryptOptions{})
	if err == nil {
		t.Error("a size below zero")
	}
}

// AS-34 when sending: no key below 2048 bits is used, whatever trust would say.
func TestAS34_SendingByShortKeys(t *testing.T) {
	short := *certificate(t, "alice")
	short.PublicKey = &rsa.PublicKey{N: bigOfBits(2047), E: 65537}
	_, writeErr := NewEnvelopedWriter(io.Discard, 1, []*x509.Certificate{&short}, EncryptOptions{})
	_, signErr := SignDetached(digester(nil), []Signer{{Certificate: &short, Key: privateKey(t, "alice")}}, time.Now())
	for _, err := range []error{writeErr, signErr} {
		if !errors.Is(err, ErrWeakAlgorithm) {
			t.Error(err)
		}
	}
}

// RFC 8551 §2.5.2: what we read, best first.
func TestCapabilities(t *testing.T) {
	var want []byte
	for _, oid := range []asn1.ObjectIdentifier{oidAES256GCM, oidAES192GCM, oidAES128GCM, oidAES256CBC, oidAES192CBC, oidAES128CBC} {
		want = append(want, algorithmTLV(oid)...)
	}
	der, err := SignDetached(digester(nil), []Signer{signer(t, "alice", 0)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(der, attr(oidSMIMECapabilities, tlv(tagSequence, want))) {
		t.Error("the attribute is missing or another")
	}
	if len(capabilities) != len(contentCiphers) {
		t.Error("not every cipher is told")
	}
}

// originatorInfo is for key agreement; it is passed over.
func TestOriginatorInfoIsPassedOver(t *testing.T) {
	whole := toAlice(t, cbc(t, testKey, padded([]byte("here")))).bytes()
	set := bytes.Index(whole, []byte{tagInteger, 1, 0}) + 3
	body := slices.Concat(integerTLV(2), openTLV(0xa0, openTLV(0xa0, certificate(t, "p256").Raw)), whole[set:])
	message := tlv(tagSequence, oidTLV(oidEnvelopedData), tlv(0xa0, tlv(tagSequence, body)))
	plain, err := decrypt(message, recipientKey(t, "alice"))
	if err != nil || string(plain) != "here" {
		t.Errorf("%q, %v", plain, err)
	}
}

// fullDisk fails after some octets.
type fullDisk struct{ left int }

var errDiskFull = errors.New("disk full")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.left {
		return 0, errDiskFull
	}
	d.left -= len(p)
	return len(p), nil
}

func TestEnvelopedWriterPassesErrorsOn(t *testing.T) {
	to := []*x509.Certificate{certificate(t, "alice")}
	plain := noise(100_000)
	size := len(encrypt(t, plain, EncryptOptions{}, to...))
	for _, room := range []int{0, 1000, 50_000, size - 1} {
		w, err := NewEnvelopedWriter(&fullDisk{room}, int64(len(plain)), to, EncryptOptions{})
		if err == nil {
			_, err = w.Write(plain)
			closeErr := w.Close()
			if err != nil && closeErr == nil {
				t.Errorf("room for %d octets: closing after a failure is no failure", room)
			}
			err = errors.Join(err, closeErr)
		}
		if !errors.Is(err, errDiskFull) {
			t.Errorf("room for %d octets: %v", room, err)
		}
	}
}

func TestEnvelopedWriterIsClosedOnce(t *testing.T) {
	w, err := NewEnvelopedWriter(io.Discard, 0, []*x509.Certificate{certificate(t, "alice")}, EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(nil)
	if err == nil || w.Close() == nil {
		t.Error("a closed envelope can be used")
	}
}

// With the same random octets, the content key and the IV are the same.
func TestRandIsUsed(t *testing.T) {
	to := []*x509.Certificate{certificate(t, "alice")}
	var tails [][]byte
	for range 2 {
		var out bytes.Buffer
		w, err := NewEnvelopedWriter(&out, 0, to, EncryptOptions{Rand: bytes.NewReader(make([]byte, 48))})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Close()
		if err != nil {
			t.Fatal(err)
		}
		tails = append(tails, out.Bytes()[out.Len()-50:])
	}
	if !bytes.Equal(tails[0], tails[1]) {
		t.Error("the ciphertexts differ")
	}
	_, err := NewEnvelopedWriter(io.Discard, 0, to, EncryptOptions{Rand: bytes.NewReader(nil)})
	if err == nil {
		t.Error("encrypted without randomness")
	}
}

// AS-35 knows P-256 and P-384.
func TestAS35_CurvesRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := *certificate(t, "p256")
	c.PublicKey = key.Public()
	_, err = SignDetached(digester(nil), []Signer{{Certificate: &c, Key: key, Hash: crypto.SHA512}}, time.Now())
	if !errors.Is(err, ErrUnsupported) {
		t.Errorf("signing by P-521: %v", err)
	}
	f := newForgery(t, []byte("a record"))
	f.signature = algorithmTLV(oidECDSAWithSHA256)
	s, err := ParseSigned(f.bytes(t), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.RawIssuer, c.SerialNumber = certificate(t, "alice").RawIssuer, certificate(t, "alice").SerialNumber
	s.Certificates = []*x509.Certificate{&c}
	r := s.Verify(digester(f.content))[0]
	if !errors.Is(r.Err, ErrUnsupported) {
		t.Errorf("verifying by P-521: %v", r.Err)
	}
}

// Some writers put an empty content into a collection.
func TestTB2_EmptyContent(t *testing.T) {
	alice := certificate(t, "alice").Raw
	collection := func(content []byte) []byte {
		return tlv(tagSequence, oidTLV(oidSignedData), tlv(0xa0, tlv(tagSequence,
			integerTLV(1), tlv(tagSet), tlv(tagSequence, oidTLV(oidData), tlv(0xa0, content)),
			tlv(0xa0, alice), tlv(0xa1, tlv(tagSequence)), tlv(tagSet))))
	}
	for _, empty := range [][]byte{tlv(tagOctetString), openTLV(0x24), openTLV(0x24, tlv(tagOctetString))} {
		c, err := ReadCollection(collection(empty), 0)
		if err != nil || len(c.Certificates) != 1 || len(c.Content) != 0 {
			t.Errorf("content %x: %+v, %v", empty, c, err)
		}
	}
	c, err := ReadCollection(collection(openTLV(0x24, tlv(tagOctetString, []byte("x")), tlv(tagOctetString, []byte("y")))), 0)
	if err != nil || string(c.Content) != "xy" || c.Signed() {
		t.Errorf("with content: %+v, %v", c, err)
	}
}

// The type of the content is part of what is signed (RFC 5652 §11.1).
func TestContentTypeExchanged(t *testing.T) {
	f := newForgery(t, []byte("a record"))
	f.contentType = oidEnvelopedData
	r := verdict(t, f)
	if !errors.Is(r.Err, ErrBadSignature) {
		t.Error(r.Err)
	}
}
