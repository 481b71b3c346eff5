package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"postern/trust/reason"
)

// A Purpose is what a certificate is wanted for. The zero Purpose is none, and
// nothing may be used for it.
type Purpose uint8

// The purposes.
const (
	Sign    Purpose = iota + 1 // verifying a sender's signature, or making ours
	Encrypt                    // encrypting to a recipient
)

// String returns "sign" or "encrypt".
func (p Purpose) String() string {
	switch p {
	case Sign:
		return "sign"
	case Encrypt:
		return "encrypt"
	}
	return fmt.Sprintf("Purpose(%d)", uint8(p))
}

// RSA moduli in bits. Fewer are weak (AS-34); more cost a stranger nothing to
// claim and us much to compute.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

var (
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtendedKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// usageProblem checks keyUsage (AS-20) and extendedKeyUsage against the
// purpose, or returns "".
func usageProblem(cert *x509.Certificate, p Purpose) string {
	for _, problem := range []string{curveProblem(cert, p), keyUsageProblem(cert, p), extendedUsageProblem(cert)} {
		if problem != "" {
			return problem
		}
	}
	return ""
}

// extendedUsageProblem demands that a certificate whose extendedKeyUsage says
// what it is for is for mail, or for anything (RFC 8550 §4.4.4).
func extendedUsageProblem(cert *x509.Certificate) string {
	if !hasExtension(cert, oidExtendedKeyUsage) {
		return ""
	}
	for _, u := range cert.ExtKeyUsage {
		if u == x509.ExtKeyUsageEmailProtection || u == x509.ExtKeyUsageAny {
			return ""
		}
	}
	return "extendedKeyUsage is there and has neither emailProtection nor anyExtendedKeyUsage"
}

// curveProblem demands of what signs a curve that every agent verifies (AS-35).
func curveProblem(cert *x509.Certificate, p Purpose) string {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if ok && p == Sign && key.Curve == elliptic.P521() {
		return "signatures are made with keys on P-256 or P-384, not on P-521"
	}
	return ""
}

func keyUsageProblem(cert *x509.Certificate, p Purpose) string {
	if !hasExtension(cert, oidKeyUsage) {
		return "" // RFC 5280 §4.2.1.3: without the extension the key is not restricted
	}
	need, name := x509.KeyUsageDigitalSignature, "digitalSignature"
	if p == Encrypt {
		need, name = x509.KeyUsageKeyEncipherment, "keyEncipherment"
		if cert.PublicKeyAlgorithm == x509.ECDSA {
			need, name = x509.KeyUsageKeyAgreement, "keyAgreement" // RFC 5480 §3
		}
	}
	if cert.KeyUsage&need == 0 {
		return fmt.Sprintf("keyUsage lacks %s, which is needed to %s", name, p)
	}
	return ""
}

func hasExtension(cert *x509.Certificate, id asn1.ObjectIdentifier) bool {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(id) {
			return true
		}
	}
	return false
}

// KeyProblem says why the key of a certificate is of no use to anybody, whatever
// it is wanted for: its kind, its curve or its strength (AS-34, AS-35). It
// returns "" where all is well.
func KeyProblem(cert *x509.Certificate) string {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		if bits < MinRSABits {
			return fmt.Sprintf("the RSA key has %d bits, less than %d", bits, MinRSABits)
		}
		if bits > MaxRSABits {
			return fmt.Sprintf("the RSA key has %d bits, more than %d", bits, MaxRSABits)
		}
		if key.N.Bit(0) == 0 || key.E < 3 || key.E&1 == 0 { // RFC 8017 §3.1
			return "the modulus or the exponent is none that an RSA key can have"
		}
		return ""
	case *ecdsa.PublicKey:
		if slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, key.Curve) {
			return ""
		}
		return fmt.Sprintf("the curve %s is not P-256, P-384 or P-521", key.Curve.Params().Name)
	}
	return fmt.Sprintf("keys of the kind %s are not allowed", cert.PublicKeyAlgorithm)
}

// oversized reports whether using the certificate's key costs too much.
func oversized(cert *x509.Certificate) bool {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() > MaxRSABits
}

// signatureProblem checks the algorithm that the issuer signed the certificate
// with (AS-31), or returns "".
func signatureProblem(cert *x509.Certificate) string {
	switch cert.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
		x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512:
		return ""
	case x509.UnknownSignatureAlgorithm:
		return fmt.Sprintf("the certificate %q is signed with an algorithm that is not known", name(cert))
	}
	return fmt.Sprintf("the certificate %q is signed with %s", name(cert), cert.SignatureAlgorithm)
}

// name returns what to call a certificate in a detail.
func name(cert *x509.Certificate) string { return WriteName(cert.Subject) }

// strengthOf returns the code and the detail for the first of certs whose key
// may not be used, or OK.
func strengthOf(certs []*x509.Certificate) (reason.Code, string) {
	for _, c := range certs {
		problem := KeyProblem(c)
		if problem != "" {
			return reason.WeakKey, fmt.Sprintf("%q: %s", name(c), problem)
		}
	}
	return reason.OK, ""
}
