package cms

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"io"
	"testing"
)

// sha1Forgery is signed with SHA-1 throughout.
func sha1Forgery(t *testing.T, who string, signature []byte) *forgery {
	t.Helper()
	f := newForgery(t, []byte("a record"))
	c := certificate(t, who)
	f.sid, f.certs = issuerAndSerial(c), [][]byte{c.Raw}
	f.digest, f.signature = algorithmTLV(oidSHA1, tagNull, 0), signature
	f.attrs = [][]byte{
		attr(oidContentType, oidTLV(oidData)),
		attr(oidMessageDigest, tlv(tagOctetString, digester(f.content)(crypto.SHA1))),
	}
	var err error
	f.value, err = privateKey(t, who).Sign(rand.Reader, digester(setOf(tagSet, f.attrs))(crypto.SHA1), crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAS31_SHA1OnlyWhenAskedFor(t *testing.T) {
	tests := []struct {
		who       string
		signature []byte
		algorithm string
	}{
		{"alice", rsaEncryption, "RSA PKCS#1 v1.5 SHA-1"},
		{"alice", algorithmTLV(oidSHA1WithRSA, tagNull, 0), "RSA PKCS#1 v1.5 SHA-1"},
		{"p256", algorithmTLV(oidECDSAWithSHA1), "ECDSA P-256 SHA-1"},
	}
	for _, tt := range tests {
		f := sha1Forgery(t, tt.who, tt.signature)
		for _, sha1 := range []bool{false, true} {
			s, err := ParseSigned(f.bytes(t), SignedOptions{SHA1: sha1})
			if err != nil {
				t.Fatal(err)
			}
			r := s.Verify(digester(f.content))[0]
			switch {
			case sha1 && (r.Err != nil || r.Algorithm != tt.algorithm || r.Hash != crypto.SHA1):
				t.Errorf("%s, asked for: %+v", tt.algorithm, r)
			case !sha1 && (!errors.Is(r.Err, ErrWeakAlgorithm) || len(s.DigestAlgorithms) != 0):
				t.Errorf("%s, not asked for: %v, digests %v", tt.algorithm, r.Err, s.DigestAlgorithms)
			}
		}
	}
}

func TestAS31_PeersSHA1(t *testing.T) {
	s, err := ParseSigned(fixture(t, "sig-openssl-refuse-sha1.p7s"), SignedOptions{SHA1: true})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Verify(digester(fixture(t, "small.txt")))[0]
	if r.Err != nil {
		t.Error(r.Err)
	}
}

// Asking for SHA-1 brings nothing else in.
func TestAS31_NeverMD5OrSHA224(t *testing.T) {
	for _, name := range []string{"sig-openssl-refuse-md5.p7s", "sig-openssl-refuse-sha224.p7s"} {
		s, err := ParseSigned(fixture(t, name), SignedOptions{SHA1: true})
		if err != nil {
			t.Fatal(err)
		}
		r := s.Verify(digester(fixture(t, "small.txt")))[0]
		if !errors.Is(r.Err, ErrWeakAlgorithm) {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	sha1 := algorithmTLV(oidSHA1, tagNull, 0)
	for name, signature := range map[string][]byte{
		"PSS":           pssTLV(pssHash(sha1), pssMGF(sha1), pssInteger(0xa2, 20)),
		"PSS, defaults": pssTLV(),
	} {
		f := sha1Forgery(t, "alice", signature)
		s, err := ParseSigned(f.bytes(t), SignedOptions{SHA1: true})
		if err != nil {
			t.Fatal(err)
		}
		r := s.Verify(digester(f.content))[0]
		if !errors.Is(r.Err, ErrUnsupported) {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
	// A SHA-256 digest is not signed by SHA-1, asked for or not.
	f := newForgery(t, []byte("a record"))
	f.signature = algorithmTLV(oidSHA1WithRSA, tagNull, 0)
	s, err := ParseSigned(f.bytes(t), SignedOptions{SHA1: true})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Verify(digester(f.content))[0]
	if !errors.Is(r.Err, ErrBadSignature) {
		t.Errorf("digests that disagree: %v", r.Err)
	}
}

func TestAS31_OpaqueDigestsSHA1OnlyWhenAskedFor(t *testing.T) {
	content := []byte("a record")
	message := tlv(tagSequence, oidTLV(oidSignedData), tlv(0xa0, tlv(tagSequence,
		integerTLV(1), tlv(tagSet, algorithmTLV(oidSHA1)),
		tlv(tagSequence, oidTLV(oidData), tlv(0xa0, tlv(tagOctetString, content))), tlv(tagSet))))
	for _, sha1 := range []bool{false, true} {
		r, err := OpenSigned(bytes.NewReader(message), SignedOptions{SHA1: sha1})
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, r)
		if !errors.Is(err, ErrNoSignature) {
			t.Fatal(err)
		}
		if got := r.Digest(crypto.SHA1) != nil; got != sha1 {
			t.Errorf("asked for %v, digested %v", sha1, got)
		}
	}
}
