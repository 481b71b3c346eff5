package cms

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
)

func TestPeersRSAPSS(t *testing.T) {
	for _, r := range verifyFixture(t, fixture(t, "sig-openssl-refuse-pss.p7s")) {
		if r.Err != nil || r.Algorithm != "RSA-PSS SHA-256" {
			t.Errorf("%q, %v", r.Algorithm, r.Err)
		}
	}
}

// pssTLV is an AlgorithmIdentifier of RSA-PSS with parts of choice.
func pssTLV(parts ...[]byte) []byte {
	return tlv(tagSequence, oidTLV(oidRSASSAPSS), tlv(tagSequence, parts...))
}

func pssHash(digest []byte) []byte { return tlv(0xa0, digest) }
func pssMGF(digest []byte) []byte {
	return tlv(0xa1, tlv(tagSequence, oidTLV(oidMGF1), digest))
}
func pssInteger(tag byte, v ...byte) []byte { return tlv(tag, tlv(tagInteger, v)) }

func TestPSSParameters(t *testing.T) {
	sha256, sha384, sha1 := algorithmTLV(oidSHA256, tagNull, 0), algorithmTLV(oidSHA384), algorithmTLV(oidSHA1, tagNull, 0)
	tests := []struct {
		name   string
		params []byte
		salt   int
		ok     bool
	}{
		{"as OpenSSL sends", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 32)), 32, true},
		{"hash without NULL", pssTLV(pssHash(algorithmTLV(oidSHA256)), pssMGF(sha256), pssInteger(0xa2, 32)), 32, true},
		{"default salt", pssTLV(pssHash(sha256), pssMGF(sha256)), 20, true},
		{"no salt", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 0)), 0, true},
		{"longest salt", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 0, 222)), 222, true},
		{"trailer 1", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 32), pssInteger(0xa3, 1)), 32, true},
		{"trailer 2", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 32), pssInteger(0xa3, 2)), 0, false},
		{"salt below zero", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 0xff)), 0, false},
		{"salt beyond any key", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 1, 0, 0)), 0, false},
		{"salt of 9 octets", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 1, 0, 0, 0, 0, 0, 0, 0, 0)), 0, false},
		{"all defaults, SHA-1", pssTLV(), 0, false},
		{"SHA-1", pssTLV(pssHash(sha1), pssMGF(sha1), pssInteger(0xa2, 20)), 0, false},
		{"MGF by default SHA-1", pssTLV(pssHash(sha256), pssInteger(0xa2, 32)), 0, false},
		{"hash by default SHA-1", pssTLV(pssMGF(sha256), pssInteger(0xa2, 32)), 0, false},
		{"another hash", pssTLV(pssHash(sha384), pssMGF(sha384), pssInteger(0xa2, 48)), 0, false},
		{"another hash for MGF", pssTLV(pssHash(sha256), pssMGF(sha384), pssInteger(0xa2, 32)), 0, false},
		{"MGF unknown", pssTLV(pssHash(sha256), tlv(0xa1, sha256), pssInteger(0xa2, 32)), 0, false},
		{"in another order", pssTLV(pssMGF(sha256), pssHash(sha256)), 0, false},
		{"something more", pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 32), integerTLV(1)), 0, false},
		{"absent", algorithmTLV(oidRSASSAPSS), 0, false},
		{"NULL", algorithmTLV(oidRSASSAPSS, tagNull, 0), 0, false},
	}
	for _, tt := range tests {
		salt, err := pssParams(readAlgorithmTLV(t, tt.params), crypto.SHA256)
		if tt.ok != (err == nil) || tt.ok && salt != tt.salt {
			t.Errorf("%s: salt of %d, %v", tt.name, salt, err)
		}
		if err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v is no ErrUnsupported", tt.name, err)
		}
	}
}

// forgePSS signs the attributes of a forgery by RSA-PSS.
func forgePSS(t *testing.T, salt int, params []byte) *forgery {
	t.Helper()
	f := newForgery(t, []byte("a record"))
	f.signature = params
	digest := digester(setOf(tagSet, f.attrs))(crypto.SHA256)
	var err error
	f.value, err = privateKey(t, "alice").Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPSSSignatures(t *testing.T) {
	sha256 := algorithmTLV(oidSHA256, tagNull, 0)
	params := func(salt ...byte) []byte { return pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, salt...)) }
	tests := []struct {
		name   string
		salt   int
		params []byte
		want   error
	}{
		{"salt as the hash", 32, params(32), nil},
		{"salt of 20", 20, pssTLV(pssHash(sha256), pssMGF(sha256)), nil},
		{"longest salt", 222, params(0, 222), nil},
		{"another salt than announced", 32, params(20), ErrBadSignature},
		{"a salt without room", 32, params(0, 223), ErrBadSignature},
		{"announced as PKCS #1 v1.5", 32, rsaEncryption, ErrBadSignature},
		{"announced as ECDSA", 32, algorithmTLV(oidECDSAWithSHA256), ErrBadSignature},
	}
	for _, tt := range tests {
		r := verdict(t, forgePSS(t, tt.salt, tt.params))
		if !errors.Is(r.Err, tt.want) {
			t.Errorf("%s: %v", tt.name, r.Err)
		}
	}
	f := newForgery(t, []byte("a record")) // v1.5, announced as PSS
	f.signature = params(32)
	r := verdict(t, f)
	if !errors.Is(r.Err, ErrBadSignature) {
		t.Errorf("PKCS #1 v1.5 as PSS: %v", r.Err)
	}
	f.sid, f.certs = issuerAndSerial(certificate(t, "p256")), [][]byte{certificate(t, "p256").Raw}
	r = verdict(t, f)
	if !errors.Is(r.Err, ErrBadSignature) {
		t.Errorf("PSS by an EC key: %v", r.Err)
	}
}

func FuzzPSSParams(f *testing.F) {
	sha256 := algorithmTLV(oidSHA256, tagNull, 0)
	f.Add(pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 32)))
	f.Add(pssTLV(pssHash(sha256), pssMGF(sha256), pssInteger(0xa2, 0, 222), pssInteger(0xa3, 1)))
	f.Add(pssTLV())
	f.Fuzz(func(t *testing.T, der []byte) {
		a, ok := onlyAlgorithm(der)
		if !ok {
			return
		}
		salt, err := pssParams(a, crypto.SHA256)
		known(t, err)
		if err == nil && (salt < 0 || salt > maxSalt) {
			t.Fatalf("a salt of %d octets", salt)
		}
	})
}
