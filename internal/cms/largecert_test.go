package cms

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// wide is alice's certificate with an extension that makes it so many octets.
func wide(t *testing.T, size int) []byte {
	t.Helper()
	c := certificate(t, "alice")
	for fill := size - 1000; ; {
		template := *c
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, fill)}}
		der, err := x509.CreateCertificate(rand.Reader, &template, c, c.PublicKey, privateKey(t, "alice"))
		if err != nil {
			t.Fatal(err)
		}
		if len(der) == size {
			return der
		}
		fill += size - len(der)
	}
}

// A certificate that costs too much to look at hides no other.
func TestLargeCertificatesArePassedOver(t *testing.T) {
	fits, large := wide(t, maxCertificate), wide(t, maxCertificate+1)
	inside := contents(t, large)
	for name, c := range map[string]struct {
		also []byte
		bad  int
	}{
		"the largest":              {fits, 0},
		"one octet more":           {large, 1},
		"of indefinite length":     {openTLV(tagSequence, inside), 1},
		"larger than what is held": {tlv(tagSequence, make([]byte, 2*defaultHeld)), 1},
	} {
		f := newForgery(t, []byte("a record"))
		f.certs = append([][]byte{c.also}, f.certs...)
		want := len(f.certs) - c.bad
		s, err := ParseSigned(f.bytes(t), SignedOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(s.Certificates) != want || s.BadCertificates != c.bad {
			t.Errorf("%s: %d good, %d bad", name, len(s.Certificates), s.BadCertificates)
		}
		if r := s.Verify(digester(f.content))[0]; r.Err != nil {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
}

// contents returns what is in a SEQUENCE.
func contents(t *testing.T, der []byte) []byte {
	t.Helper()
	var v asn1.RawValue
	_, err := asn1.Unmarshal(der, &v)
	if err != nil {
		t.Fatal(err)
	}
	return v.Bytes
}
