package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// fixtureNames lists the fixtures that match a pattern, apart from those to be
// refused.
func fixtureNames(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(fixtures, pattern))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		if !strings.Contains(path, "-refuse-") {
			names = append(names, filepath.Base(path))
		}
	}
	if len(names) < 3 {
		t.Fatalf("only %d fixtures are like %s", len(names), pattern)
	}
	return names
}

// isContent reports whether content is one of the two plain fixtures.
func isContent(t *testing.T, content []byte) bool {
	t.Helper()
	return bytes.Equal(content, fixture(t, "small.txt")) || bytes.Equal(content, fixture(t, "medium.txt"))
}

func TestPeersEnveloped(t *testing.T) {
	for _, name := range fixtureNames(t, "env-*.p7m") {
		t.Run(name, func(t *testing.T) {
			plain, err := decrypt(fixture(t, name), recipientKey(t, "alice"))
			if err != nil {
				t.Fatal(err)
			}
			if !isContent(t, plain) {
				t.Errorf("wrong plaintext of %d octets", len(plain))
			}
		})
	}
}

func TestPeersEnvelopedInfo(t *testing.T) {
	tests := []struct {
		name string
		want EnvelopedInfo
	}{
		{"env-openssl-aes256", EnvelopedInfo{Recipients: 1}},
		{"env-openssl-aes192", EnvelopedInfo{Cipher: AES192CBC, Recipients: 1}},
		{"env-bc-stream", EnvelopedInfo{Cipher: AES128CBC, Recipients: 2}},
		{"env-openssl-with-ec", EnvelopedInfo{Recipients: 2}},
		{"env-openssl-oaep-sha1", EnvelopedInfo{Transport: RSAOAEPSHA1, MGFHash: crypto.SHA1, Recipients: 1}},
		{"env-openssl-oaep-sha512", EnvelopedInfo{Transport: RSAOAEPSHA512, MGFHash: crypto.SHA512, Recipients: 1}},
		{"env-bc-oaep-sha256-mgf1-sha1", EnvelopedInfo{Transport: RSAOAEPSHA256, MGFHash: crypto.SHA1, Recipients: 1}},
	}
	alice := recipientKey(t, "alice")
	for _, tt := range tests {
		e, err := OpenEnveloped(bytes.NewReader(fixture(t, tt.name+".p7m")), []RecipientKey{alice}, Limits{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		tt.want.Certificate = alice.Certificate
		if e.Info() != tt.want {
			t.Errorf("%s: info is %+v, want %+v", tt.name, e.Info(), tt.want)
		}
	}
}

func TestPeersEnvelopedRefused(t *testing.T) {
	tests := []struct {
		name string
		want error
	}{
		{"env-openssl-refuse-3des", ErrUnsupported}, // AS-32
		{"env-openssl-refuse-ec", ErrNoRecipient},   // alice has an RSA key
	}
	for _, tt := range tests {
		_, err := decrypt(fixture(t, tt.name+".p7m"), recipientKey(t, "alice"))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// verifyFixture verifies a signature over its own content, or over one of the
// plain fixtures if it is detached.
func verifyFixture(t *testing.T, message []byte) []SignerResult {
	t.Helper()
	others := []*x509.Certificate{certificate(t, "bob"), certificate(t, "alice")}
	s, err := ParseSigned(message, SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Detached {
		results := s.Verify(digester(fixture(t, "small.txt")), others...)
		if errors.Is(results[0].Err, ErrBadSignature) {
			results = s.Verify(digester(fixture(t, "medium.txt")), others...)
		}
		return results
	}
	r, err := OpenSigned(bytes.NewReader(message), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !isContent(t, content) {
		t.Errorf("wrong content of %d octets", len(content))
	}
	return r.Signed().Verify(r.Digest, others...)
}

func TestPeersSigned(t *testing.T) {
	for _, name := range fixtureNames(t, "sig-*.p7s") {
		t.Run(name, func(t *testing.T) {
			results := verifyFixture(t, fixture(t, name))
			want := 1
			if strings.Contains(name, "two") {
				want = 2
			}
			if len(results) != want {
				t.Fatalf("%d results, want %d", len(results), want)
			}
			for _, r := range results {
				if r.Err != nil {
					t.Error(r.Err)
				}
				if r.Certificate == nil || r.SigningTime.IsZero() || r.Hash == 0 || r.Algorithm == "" {
					t.Errorf("the result is incomplete: %+v", r)
				}
			}
		})
	}
}

func TestAS31_PeersSignedRefused(t *testing.T) {
	tests := []struct {
		name string
		want error
	}{
		{"sig-openssl-refuse-md5", ErrWeakAlgorithm},
		{"sig-openssl-refuse-sha1", ErrWeakAlgorithm},
		{"sig-openssl-refuse-sha224", ErrWeakAlgorithm},
		{"sig-openssl-refuse-noattr", ErrBadSignature}, // AS-49
	}
	for _, tt := range tests {
		for _, r := range verifyFixture(t, fixture(t, tt.name+".p7s")) {
			if !errors.Is(r.Err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, r.Err, tt.want)
			}
		}
	}
}

func TestSignerCertificateMissing(t *testing.T) {
	s, err := ParseSigned(fixture(t, "sig-openssl-nocerts.p7s"), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Verify(digester(fixture(t, "small.txt")))[0]
	if !errors.Is(r.Err, ErrNoCertificate) {
		t.Errorf("without the certificate: %v", r.Err)
	}
}

func TestTB2_PeersCertificates(t *testing.T) {
	for _, name := range []string{"certs-openssl.p7b", "certs-bc.p7b"} {
		c, err := ReadCollection(fixture(t, name), 0)
		if err != nil || len(c.Certificates) != 2 || len(c.Bad) != 0 || c.Signed() {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestTB4_SignersAreToldFromACollection(t *testing.T) {
	for _, name := range []string{"sig-openssl-opaque.p7s", "sig-bc-opaque-stream.p7s", "sig-gpgsm-opaque.p7s"} {
		c, err := ReadCollection(fixture(t, name), 0)
		if err != nil || !c.Signed() || len(c.Content) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		r := c.Verify(certificate(t, "alice"))
		if len(r) != 1 || r[0].Err != nil {
			t.Errorf("%s: %+v", name, r)
		}
		c.Content[0] ^= 1
		r = c.Verify(certificate(t, "alice"))
		if !errors.Is(r[0].Err, ErrBadSignature) {
			t.Errorf("%s, changed: %v", name, r[0].Err)
		}
	}
	_, err := ReadCollection(fixture(t, "sig-openssl-detached.p7s"), 0)
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("content elsewhere: %v", err)
	}
}

// BouncyCastle and gpgsm send indefinite lengths and chunked octet strings, at
// every place where BER has them.
func TestCP1_IndefiniteLengths(t *testing.T) {
	for _, name := range []string{"env-bc-stream.p7m", "env-gpgsm.p7m", "sig-bc-opaque-stream.p7s", "sig-gpgsm-opaque.p7s", "certs-bc.p7b"} {
		message := fixture(t, name)
		if message[1] != 0x80 {
			t.Errorf("%s begins with a definite length", name)
		}
		var err error
		switch name[:3] {
		case "env":
			_, err = decrypt(message, recipientKey(t, "alice"))
		case "sig":
			err = verifyFixture(t, message)[0].Err
		default:
			_, err = ReadCollection(message, 0)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
