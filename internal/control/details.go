package control

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"postern/internal/gateway"
	"postern/mime"
	"postern/trust/discovery"
)

// Details is what a certificate says of itself, beyond a line of a list.
type Details struct {
	Serial string   `json:"serial"` // hexadecimal
	Names  []string `json:"names"`  // addresses and domains of the subjectAltName
	CA     bool     `json:"ca"`
	// KeyUsage and Extended are empty also where the extension is missing, which
	// allows everything.
	KeyUsage  []string `json:"key_usage"`
	Extended  []string `json:"extended_key_usage"`
	Policies  []string `json:"policies"`
	Signature string   `json:"signature"` // how the issuer signed
	// Where issuers, the state of a certificate and revocation lists are found.
	IssuerURLs   []string `json:"issuer_urls"`
	OCSP         []string `json:"ocsp"`
	CRLs         []string `json:"crls"`
	SubjectKeyID string   `json:"subject_key_id"` // hexadecimal
	IssuerKeyID  string   `json:"issuer_key_id"`
	SHA1         string   `json:"sha1"`
	PEM          string   `json:"pem"`
}

func detailsOf(c *x509.Certificate) Details {
	return Details{
		Serial:   fmt.Sprintf("%x", c.SerialNumber),
		Names:    plainAll(slices.Concat(c.EmailAddresses, c.DNSNames), maxSubject),
		CA:       c.IsCA,
		KeyUsage: usageNames(c.KeyUsage), Extended: extendedNames(c), Policies: policyNames(c),
		Signature:  c.SignatureAlgorithm.String(),
		IssuerURLs: plainAll(c.IssuingCertificateURL, maxURL), OCSP: plainAll(c.OCSPServer, maxURL),
		CRLs:         plainAll(c.CRLDistributionPoints, maxURL),
		SubjectKeyID: hex.EncodeToString(c.SubjectKeyId), IssuerKeyID: hex.EncodeToString(c.AuthorityKeyId),
		SHA1: fmt.Sprintf("%x", sha1.Sum(c.Raw)), // a name that other programs know it by, no more
		PEM:  string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})),
	}
}

func keyKind(c *x509.Certificate) string {
	kind := publicKind(c.PublicKey)
	if kind == "" {
		return c.PublicKeyAlgorithm.String()
	}
	return kind
}

// publicKind names the kinds of key that Direct uses with their size.
func publicKind(key crypto.PublicKey) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC " + k.Curve.Params().Name
	}
	return ""
}

// usageNames are the bits of keyUsage, from the first (RFC 5280 §4.2.1.3).
func usageNames(usage x509.KeyUsage) []string {
	names := []string{}
	for i, name := range []string{"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment",
		"keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"} {
		if usage&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// extendedNames are the purposes of extendedKeyUsage (RFC 5280 §4.2.1.12).
func extendedNames(c *x509.Certificate) []string {
	names := []string{}
	known := map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageAny: "any", x509.ExtKeyUsageEmailProtection: "emailProtection",
		x509.ExtKeyUsageClientAuth: "clientAuth", x509.ExtKeyUsageServerAuth: "serverAuth",
		x509.ExtKeyUsageCodeSigning: "codeSigning", x509.ExtKeyUsageTimeStamping: "timeStamping", x509.ExtKeyUsageOCSPSigning: "OCSPSigning",
	}
	for _, u := range c.ExtKeyUsage {
		name, ok := known[u]
		if !ok {
			name = fmt.Sprintf("purpose %d", u)
		}
		names = append(names, name)
	}
	for _, id := range c.UnknownExtKeyUsage {
		names = append(names, id.String())
	}
	return names
}

func policyNames(c *x509.Certificate) []string {
	names := []string{}
	for _, id := range c.Policies {
		names = append(names, id.String())
	}
	return names
}

// certRecord is the line of a zone file that publishes a certificate of ours
// (CD-1, CD-2; RFC 4398 §2.2). It is "" for one that nobody may encrypt to, and
// for an address that has no name in DNS.
func certRecord(owner string, leaf *x509.Certificate) string {
	if !gateway.MayEncryptTo(leaf) {
		return ""
	}
	name := owner
	if strings.Contains(owner, "@") {
		a, err := mime.ParseAddress(owner)
		if err == nil {
			name, err = discovery.AddressName(a)
		}
		if err != nil {
			return ""
		}
	}
	return name + ". IN CERT PKIX 0 0 " + base64.StdEncoding.EncodeToString(leaf.Raw)
}
