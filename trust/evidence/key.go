package evidence

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A kind is what a document is of.
type kind string

const (
	issuers kind = "aia"
	crls    kind = "crl"
	ocsps   kind = "ocsp"
)

// A key names a document. CRLs and OCSP answers are kept for one issuer each,
// so that a certificate which names somebody else's URL cannot spoil what is
// known there for others.
type key struct {
	kind kind
	url  string
	who  string // hexadecimal; "" for issuers
}

// String writes the key as the cache has it. A URL has no space (fetch.Parse).
func (k key) String() string {
	return strings.TrimSuffix(string(k.kind)+" "+k.url+" "+k.who, " ")
}

func parseKey(s string) (key, bool) {
	parts := strings.Split(s, " ")
	if len(parts) == 2 && kind(parts[0]) == issuers {
		return key{kind: issuers, url: parts[1]}, true
	}
	if len(parts) != 3 || kind(parts[0]) != crls && kind(parts[0]) != ocsps {
		return key{}, false
	}
	return key{kind: kind(parts[0]), url: parts[1], who: parts[2]}, true
}

// isOurs reports whether a key of the cache is of a document of this package.
// Others share the cache, whose documents are theirs to keep and to remove.
func isOurs(s string) bool {
	first, _, _ := strings.Cut(s, " ")
	return kind(first) == issuers || kind(first) == crls || kind(first) == ocsps
}

// parties are those that a document is about: a CRL has an issuer, an OCSP
// answer a certificate as well.
type parties struct{ cert, issuer *x509.Certificate }

// id tells parties apart as RFC 6960 §4.1.1 does: by the issuer's name and key
// and, for a certificate, its serial number.
func (p parties) id() string {
	if p.issuer == nil {
		return ""
	}
	h := sha256.New()
	for _, part := range [][]byte{p.issuer.RawSubject, p.issuer.RawSubjectPublicKeyInfo} {
		digest := sha256.Sum256(part)
		h.Write(digest[:])
	}
	if p.cert != nil {
		h.Write(p.cert.SerialNumber.Bytes())
	}
	return hex.EncodeToString(h.Sum(nil))
}

func keyOf(k kind, url string, p parties) key { return key{kind: k, url: url, who: p.id()} }

// pack puts the parties before a document, so that it can be verified, and
// fetched again, by itself.
func (p parties) pack(body []byte) []byte {
	var packed []byte
	for _, c := range []*x509.Certificate{p.issuer, p.cert} {
		if c != nil {
			packed = append(packed, c.Raw...)
		}
	}
	return append(packed, body...)
}

var errPacked = errors.New("the stored document is not what its key says")

// unpack undoes pack.
func unpack(k key, packed []byte) (parties, []byte, error) {
	var p parties
	var err error
	s := cryptobyte.String(packed)
	if k.kind != issuers {
		p.issuer, err = certificate(&s)
	}
	if k.kind == ocsps && err == nil {
		p.cert, err = certificate(&s)
	}
	if err != nil {
		return p, nil, fmt.Errorf("%w: %w", errPacked, err)
	}
	if keyOf(k.kind, k.url, p) != k {
		return p, nil, errPacked
	}
	return p, s, nil
}

func certificate(s *cryptobyte.String) (*x509.Certificate, error) {
	var der cryptobyte.String
	if !s.ReadASN1Element(&der, asn1.SEQUENCE) {
		return nil, errors.New("no certificate")
	}
	return x509.ParseCertificate(der)
}
