package revocation

import (
	"bytes"
	"crypto"
	"crypto/x509"
	encoding "encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"postern/trust"
)

// A signed is a document's signed octets with their signature.
type signed struct {
	octets    []byte
	algorithm x509.SignatureAlgorithm
	signature []byte
}

// readSignature reads the algorithm and the signature that follow the octets.
// The raw AlgorithmIdentifier is returned as well.
func (d *signed) readSignature(s *cryptobyte.String) (cryptobyte.String, error) {
	var raw, body cryptobyte.String
	if !s.ReadASN1Element(&raw, asn1.SEQUENCE) || !s.ReadASN1BitStringAsBytes(&d.signature) {
		return nil, errMalformed
	}
	inner := raw
	if !inner.ReadASN1(&body, asn1.SEQUENCE) {
		return nil, errMalformed
	}
	var err error
	d.algorithm, err = signatureAlgorithm(body)
	return raw, err
}

// check verifies the signature by the key of a certificate.
func (d *signed) check(by *x509.Certificate) error {
	err := strong(by)
	if err != nil {
		return err
	}
	return by.CheckSignature(d.algorithm, d.octets, d.signature)
}

// signatureAlgorithm reads the contents of an AlgorithmIdentifier. Only what is
// strong has a name here (AS-31): SHA-1 and MD5 are refused as well as parameters
// that are not the ones of their algorithm.
func signatureAlgorithm(s cryptobyte.String) (x509.SignatureAlgorithm, error) {
	var id encoding.ObjectIdentifier
	if !s.ReadASN1ObjectIdentifier(&id) {
		return 0, errMalformed
	}
	plain := map[string]x509.SignatureAlgorithm{
		"1.2.840.113549.1.1.11": x509.SHA256WithRSA, // RFC 8017 §A.2.4
		"1.2.840.113549.1.1.12": x509.SHA384WithRSA,
		"1.2.840.113549.1.1.13": x509.SHA512WithRSA,
		"1.2.840.10045.4.3.2":   x509.ECDSAWithSHA256, // RFC 5758 §3.2
		"1.2.840.10045.4.3.3":   x509.ECDSAWithSHA384,
		"1.2.840.10045.4.3.4":   x509.ECDSAWithSHA512,
	}
	if id.String() == "1.2.840.113549.1.1.10" {
		return pssAlgorithm(s)
	}
	algorithm, ok := plain[id.String()]
	if !ok {
		return 0, fmt.Errorf("signed with the algorithm %s, which is not allowed", id)
	}
	if !s.Empty() && !bytes.Equal(s, encoding.NullBytes) {
		return 0, fmt.Errorf("the parameters of %s are not its own", algorithm)
	}
	return algorithm, nil
}

// pssAlgorithm knows the parameters of RSASSA-PSS (RFC 4055 §3.1) by their
// encoding, with NULL for the parameters of the digest or without: one digest
// for the message and for MGF1, and a salt as long as it.
func pssAlgorithm(parameters []byte) (x509.SignatureAlgorithm, error) {
	for _, known := range []struct {
		algorithm x509.SignatureAlgorithm
		hash      crypto.Hash
		id        encoding.ObjectIdentifier
	}{
		{x509.SHA256WithRSAPSS, crypto.SHA256, encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}},
		{x509.SHA384WithRSAPSS, crypto.SHA384, encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}},
		{x509.SHA512WithRSAPSS, crypto.SHA512, encoding.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}},
	} {
		for _, null := range []bool{true, false} {
			want, err := pssParameters(known.id, known.hash.Size(), null)
			if err == nil && bytes.Equal(parameters, want) {
				return known.algorithm, nil
			}
		}
	}
	return 0, errors.New("signed with RSASSA-PSS with parameters that are not allowed")
}

func pssParameters(hash encoding.ObjectIdentifier, salt int, null bool) ([]byte, error) {
	digest := func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(hash)
			if null {
				b.AddBytes(encoding.NullBytes)
			}
		})
	}
	mask := func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(encoding.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}) // id-mgf1
			digest(b)
		})
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit0, digest)
		b.AddASN1(explicit1, mask)
		b.AddASN1(explicit2, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(salt)) })
	})
	return b.Bytes()
}

// strong refuses a signer's key that is weak or of another kind (AS-34).
func strong(signer *x509.Certificate) error {
	problem := trust.KeyProblem(signer)
	if problem != "" {
		return fmt.Errorf("its signer's key: %s", problem)
	}
	return nil
}
