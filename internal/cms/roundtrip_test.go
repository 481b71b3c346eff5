package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
	"time"
)

// noise is content that no compression or accident makes valid.
func noise(n int) []byte {
	content := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = source.Read(content) // never fails
	return content
}

func TestEnvelopedRoundTrip(t *testing.T) {
	alice := recipientKey(t, "alice")
	sizes := []int{0, 1, 15, 16, 17, 32<<10 - 16, 32 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 5 << 20}
	for _, size := range sizes {
		for _, c := range []ContentCipher{AES128CBC, AES192CBC, AES256CBC, AES128GCM, AES192GCM, AES256GCM} {
			plain := noise(size)
			message := encrypt(t, plain, EncryptOptions{Cipher: c}, alice.Certificate)
			got, err := decrypt(message, alice)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%v of %d octets: %d octets back, %v", c, size, len(got), err)
			}
		}
	}
}

func TestEnvelopedSmallReadsAndWrites(t *testing.T) {
	alice := recipientKey(t, "alice")
	plain := noise(100_003)
	var message bytes.Buffer
	w, err := NewEnvelopedWriter(&message, int64(len(plain)), []*x509.Certificate{alice.Certificate}, EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for rest := plain; len(rest) > 0; {
		n := min(len(rest), 77)
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
	e, err := OpenEnveloped(iotest.OneByteReader(&message), []RecipientKey{alice}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(iotest.OneByteReader(e))
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d octets back, %v", len(got), err)
	}
}

func TestAS33_KeyTransports(t *testing.T) {
	alice := recipientKey(t, "alice")
	for _, transport := range []KeyTransport{RSAPKCS1v15, RSAOAEPSHA256, RSAOAEPSHA384, RSAOAEPSHA512} {
		plain := noise(1000)
		message := encrypt(t, plain, EncryptOptions{Transport: transport}, alice.Certificate)
		got, err := decrypt(message, alice)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%v: %v", transport, err)
		}
	}
	_, err := NewEnvelopedWriter(io.Discard, 1, []*x509.Certificate{alice.Certificate}, EncryptOptions{Transport: RSAOAEPSHA1})
	if !errors.Is(err, ErrUnsupported) {
		t.Errorf("sending by OAEP with SHA-1: %v", err)
	}
}

func TestEnvelopedWriterHoldsItsWord(t *testing.T) {
	alice := certificate(t, "alice")
	for _, n := range []int{9, 11} {
		w, err := NewEnvelopedWriter(io.Discard, 10, []*x509.Certificate{alice}, EncryptOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, writeErr := w.Write(make([]byte, n))
		if writeErr == nil && w.Close() == nil {
			t.Errorf("%d octets passed for 10", n)
		}
	}
}

func TestEnvelopedToKeysOfOtherKinds(t *testing.T) {
	for name, public := range map[string]any{
		"Ed25519": ed25519.PublicKey(make([]byte, 32)),
		"P-224":   &ecdsa.PublicKey{Curve: elliptic.P224()},
		"nothing": nil,
	} {
		c := &x509.Certificate{PublicKey: public, SerialNumber: big.NewInt(1)}
		_, err := NewEnvelopedWriter(io.Discard, 1, []*x509.Certificate{c}, EncryptOptions{})
		if !errors.Is(err, ErrUnsupported) {
			t.Errorf("to %s: %v", name, err)
		}
	}
	//lint:ignore SA1019 no parser gives out a point that is off its curve
	off := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}
	outside := &x509.Certificate{PublicKey: off, SerialNumber: big.NewInt(1)}
	_, err := NewEnvelopedWriter(io.Discard, 1, []*x509.Certificate{outside}, EncryptOptions{})
	if err == nil {
		t.Error("to a point that is not on its curve")
	}
	_, err = NewEnvelopedWriter(io.Discard, 1, nil, EncryptOptions{})
	if err == nil {
		t.Error("encrypted to nobody")
	}
}

func TestReopenUsesNoKey(t *testing.T) {
	alice := recipientKey(t, "alice")
	plain := noise(70_000)
	message := encrypt(t, plain, EncryptOptions{}, certificate(t, "bob"), alice.Certificate)
	e, err := OpenEnveloped(bytes.NewReader(message), []RecipientKey{alice}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := e.Reopen(bytes.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(again)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d octets back, %v", len(got), err)
		}
	}
	uses := alice.Decrypter.(*opaqueDecrypter).uses
	if uses != 1 {
		t.Errorf("the private key was used %d times", uses)
	}
	other := encrypt(t, plain, EncryptOptions{}, alice.Certificate)
	_, err = e.Reopen(bytes.NewReader(other))
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("another message passed for the same: %v", err)
	}
}

func TestSignDetachedRoundTrip(t *testing.T) {
	content := noise(1000)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tests := []struct {
		key  string
		hash crypto.Hash
	}{
		{"alice", 0}, {"alice", crypto.SHA384}, {"alice", crypto.SHA512},
		{"p256", crypto.SHA256}, {"p384", crypto.SHA384}, {"p384", crypto.SHA512},
	}
	for _, tt := range tests {
		by := signer(t, tt.key, tt.hash)
		by.Chain = []*x509.Certificate{certificate(t, "bob"), by.Certificate}
		der, err := SignDetached(digester(content), []Signer{by}, at)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSigned(der, SignedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !s.Detached || len(s.Certificates) != 2 {
			t.Errorf("%s: detached %v, %d certificates", tt.key, s.Detached, len(s.Certificates))
		}
		r := s.Verify(digester(content))[0]
		if r.Err != nil || !r.SigningTime.Equal(at) || !r.Certificate.Equal(by.Certificate) || r.Hash != by.hash() {
			t.Errorf("%s with %v: %+v", tt.key, tt.hash, r)
		}
		r = s.Verify(digester(append(content, 'x')))[0]
		if !errors.Is(r.Err, ErrBadSignature) {
			t.Errorf("%s: other content passed: %v", tt.key, r.Err)
		}
	}
}

func TestSignDetachedRefuses(t *testing.T) {
	tests := map[string][]Signer{
		"nobody":            nil,
		"SHA-1":             {signer(t, "alice", crypto.SHA1)},
		"another's key":     {{Certificate: certificate(t, "bob"), Key: privateKey(t, "alice")}},
		"no key":            {{Certificate: certificate(t, "bob")}},
		"EC for RSA":        {{Certificate: certificate(t, "alice"), Key: privateKey(t, "p256")}},
		"one good, one bad": {signer(t, "alice", 0), {}},
	}
	for name, signers := range tests {
		_, err := SignDetached(digester(nil), signers, time.Now())
		if err == nil {
			t.Errorf("signed by %s", name)
		}
	}
}

func TestCollectionKeepsTheOrder(t *testing.T) {
	want := []*x509.Certificate{certificate(t, "p256"), certificate(t, "alice"), certificate(t, "bob")}
	for _, content := range []string{"", "<TrustBundle/>"} {
		p7, err := EncodeCollection(want, []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadCollection(p7, 3)
		if err != nil || len(got.Bad) != 0 || string(got.Content) != content || !slices.EqualFunc(got.Certificates, want, (*x509.Certificate).Equal) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	_, err := EncodeCollection(nil, nil)
	if err == nil {
		t.Error("a collection of nothing was made")
	}
}

func TestSignedAroundItsContent(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p7, err := SignOpaque([]byte("content"), []Signer{signer(t, "alice", 0)}, at)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadCollection(p7, 0)
	if err != nil || !c.Signed() || string(c.Content) != "content" {
		t.Fatalf("%+v, %v", c, err)
	}
	r := c.Verify()
	if len(r) != 1 || r[0].Err != nil || !r[0].Certificate.Equal(certificate(t, "alice")) || !r[0].SigningTime.Equal(at) {
		t.Errorf("%+v", r)
	}
	_, err = SignOpaque(nil, []Signer{signer(t, "alice", 0)}, at)
	if err == nil {
		t.Error("nothing was signed")
	}
}
