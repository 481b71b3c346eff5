package control

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
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
	Key    string   `json:"key"`
	CA     bool     `json:"ca"`
	PEM    string   `json:"pem"`
}

func detailsOf(c *x509.Certificate) Details {
	return Details{
		Serial: fmt.Sprintf("%x", c.SerialNumber),
		Names:  slices.Concat([]string{}, c.EmailAddresses, c.DNSNames),
		Key:    keyKind(c), CA: c.IsCA,
		PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})),
	}
}

func keyKind(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	}
	return c.PublicKeyAlgorithm.String()
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
