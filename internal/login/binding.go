package login

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"

	"github.com/xdg-go/scram"
)

// bindings are the channels that a client may bind its proof to. Which one it takes
// is not negotiated, so it has all that are sound (RFC 9266 §3): not tls-unique, which
// TLS 1.3 does not have and which earlier versions do not protect.
func (c Client) bindings() []scram.ChannelBinding {
	var all []scram.ChannelBinding
	if c.TLS == nil {
		return nil
	}
	exporter, err := c.exporter()
	if err == nil {
		all = append(all, scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: exporter})
	}
	endpoint, ok := endpointOf(c.certificate())
	if ok {
		all = append(all, scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: endpoint})
	}
	return all
}

// exporter is the binding of RFC 9266 §2. Over TLS 1.2 the library gives it only with
// extended master secrets, without which it would be none (RFC 9266 §4.2).
func (c Client) exporter() ([]byte, error) {
	return c.TLS.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
}

// certificate is that of the server, asked for as the handshake did: the state of a
// server's connection does not tell. One that changed meanwhile binds nothing, and
// the client comes again.
func (c Client) certificate() *x509.Certificate {
	if c.Config == nil {
		return nil
	}
	var found *tls.Certificate
	if len(c.Config.Certificates) > 0 {
		found = &c.Config.Certificates[0]
	}
	if c.Config.GetCertificate != nil {
		given, err := c.Config.GetCertificate(&tls.ClientHelloInfo{
			ServerName: c.TLS.ServerName, CipherSuites: []uint16{c.TLS.CipherSuite},
			SupportedVersions: []uint16{c.TLS.Version}, SupportedCurves: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.PSSWithSHA256, tls.PKCS1WithSHA256, tls.Ed25519},
		})
		if err == nil && given != nil {
			found = given
		}
	}
	if found == nil || len(found.Certificate) == 0 {
		return nil
	}
	if found.Leaf != nil {
		return found.Leaf
	}
	leaf, err := x509.ParseCertificate(found.Certificate[0])
	if err != nil {
		return nil
	}
	return leaf
}

// endpointOf is the hash of RFC 5929 §4.1: of the certificate's own signature, SHA-256
// in place of MD5 and SHA-1. A signature without one hash, such as Ed25519's, has none.
func endpointOf(leaf *x509.Certificate) ([]byte, bool) {
	if leaf == nil {
		return nil, false
	}
	switch leaf.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		sum := sha256.Sum256(leaf.Raw)
		return sum[:], true
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(leaf.Raw)
		return sum[:], true
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		sum := sha512.Sum512(leaf.Raw)
		return sum[:], true
	}
	return nil, false
}
