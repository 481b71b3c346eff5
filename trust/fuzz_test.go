package trust_test

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

// FuzzJudge judges whatever parses as a certificate. Only what leads to an
// anchor may pass, so nothing that the fuzzer makes up can.
func FuzzJudge(f *testing.F) {
	pki := testnet.NewPKI(f, now)
	root, stranger := pki.Root("root"), pki.Root("stranger")
	for block, rest := pem.Decode(sha1PEM); block != nil; block, rest = pem.Decode(rest) {
		f.Add(block.Bytes)
	}
	for _, name := range []string{"b.example", "alice@b.example", "*.b.example"} {
		f.Add(stranger.Leaf(name, testnet.SubjectEmail("alice@b.example")).Cert.Raw)
	}
	p := ask(f, root, root)
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		q := p
		q.Certificate, q.Intermediates = cert, []*x509.Certificate{cert}
		q.Evidence, q.Signers, q.EV = echo{}, trust.Either, trust.EV{Roots: p.Anchors, Policies: cert.Policies}
		for _, q.Profile = range []trust.Profile{trust.V12, trust.V13} {
			for _, q.Purpose = range []trust.Purpose{trust.Sign, trust.Encrypt} {
				v := trust.Judge(q)
				if v.Code.IsOK() {
					t.Fatalf("accepted by path %v", v.Path)
				}
				if _, err := reason.Parse(v.Code.String()); err != nil || v.Detail == "" {
					t.Fatalf("code %q, detail %q", v.Code, v.Detail)
				}
			}
		}
	})
}

// echo is evidence that a certificate is its own issuer, and never revoked.
type echo struct{}

func (echo) Issuers(of *x509.Certificate) trust.Issuers {
	return trust.Issuers{Certificates: []*x509.Certificate{of}}
}

func (echo) Revocation(*x509.Certificate, *x509.Certificate, time.Time) trust.Revocation {
	return trust.Revocation{Status: trust.NotRevoked}
}
