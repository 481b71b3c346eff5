package testnet

import (
	"net"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

func TestPeersStart(t *testing.T) {
	pki := NewPKI(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	leaf := pki.Root("root").Leaf("b.example")
	for _, p := range []struct {
		name  string
		start func(testing.TB) string
	}{
		{"named", func(t testing.TB) string {
			return BIND(t, map[string][]string{"b.example": {ZoneCERT("@", leaf.Cert)}})
		}},
		{"slapd", func(t testing.TB) string {
			return Slapd(t, "o=b.example", []Entry{{Mail: "b.example", Certificates: Certs(leaf)}})
		}},
	} {
		t.Run(p.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", p.start(t))
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		})
	}
}

func TestPKCS12HoldsTheChain(t *testing.T) {
	pki := NewPKI(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	leaf := pki.Root("root").Intermediate("ca").Leaf("b.example")
	key, cert, chain, err := pkcs12.DecodeChain(leaf.PKCS12("secret"), "secret")
	if err != nil {
		t.Fatal(err)
	}
	if key == nil || !cert.Equal(leaf.Cert) || len(chain) != 2 {
		t.Errorf("key %T, certificate of %s, chain of %d", key, cert.Subject, len(chain))
	}
}
