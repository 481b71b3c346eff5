package trust_test

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"testing"

	"postern/internal/testnet"
	"postern/trust"
)

func TestFingerprintIsTheSHA256OfTheCertificate(t *testing.T) {
	cert := testnet.NewPKI(t, now).Root("root").Cert
	if got, want := trust.FingerprintOf(cert).String(), fmt.Sprintf("%x", sha256.Sum256(cert.Raw)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestProfiles(t *testing.T) {
	for _, p := range []trust.Profile{trust.V12, trust.V13} {
		got, err := trust.ParseProfile(p.String())
		if err != nil || got != p {
			t.Errorf("%s: got %s, %v", p, got, err)
		}
	}
	if trust.Profile(0) != trust.V13 {
		t.Error("the zero profile is not v1.3")
	}
	if _, err := trust.ParseProfile("1.1"); err == nil {
		t.Error("1.1 was read")
	}
}

func TestAnchorsCountOnce(t *testing.T) {
	root := testnet.NewPKI(t, now).Root("root").Cert
	a := trust.NewAnchors([]*x509.Certificate{root, nil, root})
	if a.Len() != 1 || len(a.All()) != 1 || !a.Contains(root) || a.Contains(nil) {
		t.Errorf("%d anchors", a.Len())
	}
}
