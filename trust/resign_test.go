package trust_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"postern/internal/testnet"
)

// A body is a TBSCertificate (RFC 5280 §4.1), to make certificates that
// crypto/x509 would not.
type body struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Serial     asn1.RawValue
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   asn1.RawValue
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
}

// An algorithm signs, by its identifier in a certificate.
type algorithm struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
}

var (
	ecdsaSHA256 = algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, crypto.SHA256}
	ecdsaSHA1   = algorithm{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, crypto.SHA1}
	rsaSHA224   = algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 14}, crypto.SHA224}
	rsaMD5      = algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4}, crypto.MD5}
)

// resign returns the certificate of id, changed and signed anew by issuer. The
// identity keeps its key.
func resign(t testing.TB, id, issuer *testnet.Identity, with algorithm, change func(*body)) *testnet.Identity {
	t.Helper()
	var b body
	_, err := asn1.Unmarshal(id.Cert.RawTBSCertificate, &b)
	if err != nil {
		t.Fatal(err)
	}
	b.Algorithm = pkix.AlgorithmIdentifier{Algorithm: with.id}
	change(&b)
	tbs, err := asn1.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	h := with.hash.New()
	h.Write(tbs)
	signature, err := issuer.Key.Sign(rand.Reader, h.Sum(nil), with.hash)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		Body      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, b.Algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		t.Fatal(err)
	}
	made := *id
	made.Cert, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &made
}

// oldVersion makes a certificate of version 1.
func oldVersion(b *body) { b.Version, b.Extensions = 0, nil }
