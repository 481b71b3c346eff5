package tlscert

import (
	"crypto/tls"
	"errors"
)

// ErrNone says that there is no certificate yet.
var ErrNone = errors.New("the listeners have no certificate yet")

// suites are those of TLS 1.2 with forward secrecy. The two kinds with CBC are for
// Windows Server of before 2016, which has no others for an RSA key. Those of TLS 1.3
// all have it, and are not for choosing.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	}
}

// Config returns how the listeners speak TLS: 1.2 and 1.3 (RFC 8996), with forward
// secrecy, and with the certificate that current returns at each handshake.
func Config(current func() (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   suites(),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current() },
	}
}
