package cms

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"math/big"
	"slices"
	"testing"
	"time"
)

func bigOfBits(n int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(n-1)) }

// verdict parses and verifies a forgery.
func verdict(t testing.TB, f *forgery) SignerResult {
	t.Helper()
	s, err := ParseSigned(f.bytes(t), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Verify(digester(f.content))[0]
}

func TestAS49_SignedAttributes(t *testing.T) {
	content := []byte("a record")
	digest := tlv(tagOctetString, digester(content)(crypto.SHA256))
	aTime := tlv(0x17, []byte("260102030405Z"))
	tests := []struct {
		name  string
		attrs [][]byte
		want  error
	}{
		{"as they should be", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest)}, nil},
		{"with time", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest), attr(oidSigningTime, aTime)}, nil},
		{"with something unknown", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest), attr(oidSHA1, integerTLV(1), integerTLV(2))}, nil},
		{"none", nil, ErrBadSignature},
		{"no content type", [][]byte{attr(oidMessageDigest, digest)}, ErrBadSignature},
		{"no digest", [][]byte{attr(oidContentType, oidTLV(oidData))}, ErrBadSignature},
		{"another content type", [][]byte{attr(oidContentType, oidTLV(oidSignedData)), attr(oidMessageDigest, digest)}, ErrBadSignature},
		{"another digest", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, tlv(tagOctetString, make([]byte, 32)))}, ErrBadSignature},
		{"an empty digest", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, tlv(tagOctetString))}, ErrBadSignature},
		{"content type twice", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest)}, ErrBadSignature},
		{"digest twice", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest), attr(oidMessageDigest, digest)}, ErrBadSignature},
		{"two digests in one", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest, digest)}, ErrBadSignature},
		{"two types in one", [][]byte{attr(oidContentType, oidTLV(oidData), oidTLV(oidData)), attr(oidMessageDigest, digest)}, ErrBadSignature},
		{"no value", [][]byte{attr(oidContentType), attr(oidMessageDigest, digest)}, ErrBadSignature},
		{"time that is none", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest), attr(oidSigningTime, integerTLV(1))}, ErrBadSignature},
		{"two times", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest), attr(oidSigningTime, aTime, aTime)}, ErrBadSignature},
		{"an attribute that is none", [][]byte{attr(oidContentType, oidTLV(oidData)), attr(oidMessageDigest, digest), integerTLV(1)}, ErrMalformed},
	}
	for _, tt := range tests {
		f := newForgery(t, content)
		f.attrs = tt.attrs
		err := verdict(t, f).Err
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// RFC 5652 §5.4: what is signed is the DER, whatever was sent.
func TestSignedAttributesEncodedOtherwise(t *testing.T) {
	f := newForgery(t, []byte("a record"))
	f.attrs = append(f.attrs, attr(oidSigningTime, tlv(0x17, []byte("260102030405Z"))))
	if slices.IsSortedFunc(f.attrs, bytes.Compare) {
		t.Fatal("the attributes are in order by accident")
	}
	for _, unsorted := range []bool{false, true} {
		f.signUnsort = unsorted
		r := verdict(t, f)
		if r.Err != nil {
			t.Errorf("signed in the order sent %v: %v", unsorted, r.Err)
		}
	}
}

// Lengths that are BER and no DER are made DER before the digest.
func TestSignedAttributesOfLongLengths(t *testing.T) {
	f := newForgery(t, []byte("a record"))
	slices.SortFunc(f.attrs, bytes.Compare)
	s, err := ParseSigned(f.bytes(t), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.value = s.signers[0].value
	for i, a := range f.attrs {
		f.attrs[i] = slices.Concat([]byte{tagSequence, 0x82, 0, a[1]}, a[2:])
	}
	r := verdict(t, f)
	if r.Err != nil {
		t.Error(r.Err)
	}
}

func TestSignerInfoOfIndefiniteLength(t *testing.T) {
	content := []byte("a record")
	f := newForgery(t, content)
	slices.SortFunc(f.attrs, bytes.Compare)
	der := f.bytes(t)
	s, err := ParseSigned(der, SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	value := s.signers[0].value
	info := openTLV(tagSequence, integerTLV(1), f.sid, openTLV(tagSequence, oidTLV(oidSHA256)),
		openTLV(0xa0, f.attrs...), f.signature, openTLV(0x24, tlv(tagOctetString, value[:9]), tlv(tagOctetString, value[9:])))
	ber := openTLV(tagSequence, oidTLV(oidSignedData), openTLV(0xa0, openTLV(tagSequence,
		integerTLV(1), openTLV(tagSet, f.digest), openTLV(tagSequence, oidTLV(oidData)),
		openTLV(0xa0, f.certs...), openTLV(tagSet, info))))
	s, err = ParseSigned(ber, SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Verify(digester(content))[0]
	if r.Err != nil {
		t.Error(r.Err)
	}
}

func TestAS31_AlgorithmsRefused(t *testing.T) {
	tests := []struct {
		name              string
		digest, signature []byte
		want              error
	}{
		{"as it should be", algorithmTLV(oidSHA256), rsaEncryption, nil},
		{"digest with NULL", algorithmTLV(oidSHA256, tagNull, 0), rsaEncryption, nil},
		{"RSA without NULL", algorithmTLV(oidSHA256), algorithmTLV(oidRSAEncryption), nil},
		{"SHA-256 with RSA", algorithmTLV(oidSHA256), algorithmTLV(oidSHA256WithRSA, tagNull, 0), nil},
		{"MD5", algorithmTLV(oidMD5), rsaEncryption, ErrWeakAlgorithm},
		{"SHA-1", algorithmTLV(oidSHA1, tagNull, 0), rsaEncryption, ErrWeakAlgorithm},
		{"SHA-224", algorithmTLV(oidSHA224), rsaEncryption, ErrWeakAlgorithm},
		{"SHA-1 hidden in the signature", algorithmTLV(oidSHA256), algorithmTLV(oidSHA1WithRSA, tagNull, 0), ErrWeakAlgorithm},
		{"MD5 hidden in the signature", algorithmTLV(oidSHA256), algorithmTLV(oidMD5WithRSA, tagNull, 0), ErrWeakAlgorithm},
		{"digests that disagree", algorithmTLV(oidSHA256), algorithmTLV(oidSHA512WithRSA, tagNull, 0), ErrBadSignature},
		{"a digest unknown", algorithmTLV(oidData), rsaEncryption, ErrUnsupported},
		{"digest parameters", algorithmTLV(oidSHA256, integerTLV(1)...), rsaEncryption, ErrUnsupported},
		{"RSA parameters", algorithmTLV(oidSHA256), algorithmTLV(oidRSAEncryption, integerTLV(1)...), ErrUnsupported},
		{"a signature unknown", algorithmTLV(oidSHA256), algorithmTLV(oidData), ErrUnsupported},
		{"ECDSA with an RSA key", algorithmTLV(oidSHA256), algorithmTLV(oidECDSAWithSHA256), ErrBadSignature},
	}
	for _, tt := range tests {
		f := newForgery(t, []byte("a record"))
		f.digest, f.signature = tt.digest, tt.signature
		r := verdict(t, f)
		if !errors.Is(r.Err, tt.want) {
			t.Errorf("%s: %v", tt.name, r.Err)
		}
	}
}

func TestSignatureDamaged(t *testing.T) {
	for _, value := range [][]byte{{}, {1}, make([]byte, 256), make([]byte, 300), bytes.Repeat([]byte{0xff}, 256)} {
		f := newForgery(t, []byte("a record"))
		f.value = value
		r := verdict(t, f)
		if !errors.Is(r.Err, ErrBadSignature) {
			t.Errorf("a signature of %d octets: %v", len(value), r.Err)
		}
	}
}

// One signer that cannot be read does not spoil the others (AS-64).
func TestAS64_EverySignerAlone(t *testing.T) {
	content := []byte("a record")
	good, err := SignDetached(digester(content), []Signer{signer(t, "alice", 0), signer(t, "p256", 0)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSigned(good, SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.signers {
		for _, damage := range []func(*signerInfo){
			func(si *signerInfo) { si.value = nil },
			func(si *signerInfo) { si.digest.oid = oidMD5 },
			func(si *signerInfo) { *si = parseSignerInfo(tlv(tagSequence, integerTLV(1))) },
		} {
			kept := s.signers[i]
			damage(&s.signers[i])
			results := s.Verify(digester(content))
			if results[i].Err == nil || results[1-i].Err != nil {
				t.Errorf("signer %d damaged: %v, %v", i, results[0].Err, results[1].Err)
			}
			s.signers[i] = kept
		}
	}
}

func TestSignedLimits(t *testing.T) {
	f := newForgery(t, nil)
	f.copies = maxSigners + 1
	_, err := ParseSigned(f.bytes(t), SignedOptions{})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("%d signers: %v", f.copies, err)
	}
	f = newForgery(t, nil)
	for range maxCertificates {
		f.certs = append(f.certs, tlv(tagSequence))
	}
	_, err = ParseSigned(f.bytes(t), SignedOptions{})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("%d certificates: %v", len(f.certs), err)
	}
	f = newForgery(t, nil)
	f.copies = 0
	_, err = ParseSigned(f.bytes(t), SignedOptions{})
	if !errors.Is(err, ErrNoSignature) {
		t.Errorf("nobody: %v", err)
	}
}

// A bad certificate, and one of another kind, are passed over.
func TestCertificatesEachAlone(t *testing.T) {
	f := newForgery(t, []byte("a record"))
	damaged := slices.Clone(f.certs[0])
	damaged[5] ^= 0xff
	f.certs = [][]byte{tlv(tagSequence, []byte{0x1f, 0x81, 0x01, 0}), tlv(0xa2, integerTLV(1)), damaged, f.certs[0], openTLV(tagSequence)}
	s, err := ParseSigned(f.bytes(t), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Certificates) != 1 || s.BadCertificates != 3 {
		t.Errorf("%d good, %d bad", len(s.Certificates), s.BadCertificates)
	}
	r := s.Verify(digester(f.content))[0]
	if r.Err != nil {
		t.Error(r.Err)
	}
}

// The key identifier may be claimed by a certificate with another key: the one
// whose key verifies is the one named.
func TestSignerByKeyIdentifierClaimedByAnother(t *testing.T) {
	alice, bob := certificate(t, "alice"), certificate(t, "bob")
	impostor := *bob
	impostor.SubjectKeyId = alice.SubjectKeyId
	f := newForgery(t, []byte("a record"))
	f.sid = tlv(tagContext0, alice.SubjectKeyId)
	f.certs = nil
	s, err := ParseSigned(f.bytes(t), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Verify(digester(f.content), &impostor, alice)[0]
	if r.Err != nil || r.Certificate != alice {
		t.Errorf("%+v", r)
	}
	r = s.Verify(digester(f.content), &impostor)[0]
	if !errors.Is(r.Err, ErrBadSignature) {
		t.Errorf("by the impostor alone: %v", r.Err)
	}
}

// Nothing is verified before the whole message was read.
func TestSignedReaderKeepsBack(t *testing.T) {
	r, err := OpenSigned(bytes.NewReader(fixture(t, "sig-bc-opaque-stream.p7s")), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Read(make([]byte, 100))
	if err != nil || r.Signed() != nil {
		t.Errorf("%v, %v", r.Signed(), err)
	}
	_, err = io.Copy(io.Discard, r)
	if err != nil || r.Signed() == nil {
		t.Errorf("%v, %v", r.Signed(), err)
	}
	if r.Digest(crypto.SHA1) != nil || r.Digest(crypto.SHA512) != nil {
		t.Error("a digest that nobody announced")
	}
}

func TestOpenSignedWantsContent(t *testing.T) {
	_, err := OpenSigned(bytes.NewReader(fixture(t, "sig-openssl-detached.p7s")), SignedOptions{})
	if !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

// A digest that the message does not announce cannot be had from a stream.
func TestDigestNotAnnounced(t *testing.T) {
	f := newForgery(t, []byte("a record"))
	s, err := ParseSigned(f.bytes(t), SignedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Verify(func(crypto.Hash) []byte { return nil })[0]
	if !errors.Is(r.Err, ErrUnsupported) {
		t.Error(r.Err)
	}
}

func TestSigningTimeOfFarYears(t *testing.T) {
	for _, year := range []int{1949, 1950, 2049, 2050} {
		at := time.Date(year, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
		der, err := SignDetached(digester(nil), []Signer{signer(t, "p256", 0)}, at)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSigned(der, SignedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r := s.Verify(digester(nil))[0]
		if r.Err != nil || !r.SigningTime.Equal(at) {
			t.Errorf("%v came back as %v (%v)", at, r.SigningTime, r.Err)
		}
	}
}

func TestTB2_BadCertificatesAreCounted(t *testing.T) {
	alice := certificate(t, "alice").Raw
	collection := func(certs ...[]byte) []byte {
		return openTLV(tagSequence, oidTLV(oidSignedData), openTLV(0xa0, openTLV(tagSequence,
			integerTLV(1), tlv(tagSet), openTLV(tagSequence, oidTLV(oidData)), openTLV(0xa0, certs...), tlv(tagSet))))
	}
	c, err := ReadCollection(collection(tlv(tagSequence, []byte("bad")), alice, tlv(tagSequence)), 0)
	if err != nil || len(c.Certificates) != 1 || len(c.Bad) != 2 || c.Bad[0].Index != 1 || c.Bad[1].Index != 3 || c.Bad[1].Err == nil {
		t.Errorf("%+v, %v", c, err)
	}
	many := make([][]byte, 10_000)
	for i := range many {
		many[i] = alice
	}
	c, err = ReadCollection(collection(many...), len(many))
	if err != nil || len(c.Bad) != 0 || len(c.Certificates) != len(many) {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = ReadCollection(collection(many...), len(many)-1)
	if !errors.Is(err, ErrLimit) {
		t.Errorf("more than the limit: %v", err)
	}
}
