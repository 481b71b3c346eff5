package keyfile

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/bits"
	"strings"

	"postern/mime"
)

// Object identifiers of RFC 5280 §4.2.1.
var (
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidEmailProtection  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 4}
)

// A Binding is how a certificate names whom it is for: by one rfc822Name or one
// dNSName in the subjectAltName (AS-11).
type Binding struct {
	Addresses []string
	Domains   []string
	Shown     string // the one name
}

// BindingOf returns the binding of an address or a domain.
func BindingOf(owner string) (Binding, error) {
	if strings.Contains(owner, "@") {
		a, err := mime.ParseAddress(owner)
		return Binding{Addresses: []string{a.String()}, Shown: a.String()}, err
	}
	d, err := mime.ParseDomain(owner)
	return Binding{Domains: []string{d.String()}, Shown: d.String()}, err
}

// MaxCommonName is ub-common-name of RFC 5280 appendix A.1, in characters.
const MaxCommonName = 64

// NewRequest makes a request for a certificate (PKCS #10, RFC 2986) in DER: for
// the owner, an address or a domain, in the subjectAltName; with the keyUsage of
// the use and emailProtection asked for. Who issues decides what of it is granted.
func NewRequest(key crypto.Signer, owner string, use Use) ([]byte, error) {
	binding, err := BindingOf(owner)
	if err != nil {
		return nil, err
	}
	usage, err := usageExtensions(use.KeyUsage(key.Public()))
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{
		EmailAddresses: binding.Addresses, DNSNames: binding.Domains, ExtraExtensions: usage,
	}
	if len(binding.Shown) <= MaxCommonName {
		template.Subject = pkix.Name{CommonName: binding.Shown}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("making a request for a certificate: %w", err)
	}
	return der, nil
}

// usageExtensions writes keyUsage and extendedKeyUsage (RFC 5280 §§4.2.1.3,
// 4.2.1.12), which crypto/x509 writes for certificates alone.
func usageExtensions(usage x509.KeyUsage) ([]pkix.Extension, error) {
	// Bit 0 of the BIT STRING is the highest of its first octet; all that are
	// used here are in that octet.
	named := asn1.BitString{Bytes: []byte{bits.Reverse8(uint8(usage))}, BitLength: bits.Len8(uint8(usage))}
	keyUsage, err := asn1.Marshal(named)
	if err != nil {
		return nil, err
	}
	extended, err := asn1.Marshal([]asn1.ObjectIdentifier{oidEmailProtection})
	if err != nil {
		return nil, err
	}
	return []pkix.Extension{
		{Id: oidKeyUsage, Critical: true, Value: keyUsage},
		{Id: oidExtendedKeyUsage, Value: extended},
	}, nil
}
