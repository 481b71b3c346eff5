package trust_test

import (
	"crypto/x509"
	"strings"
	"testing"

	"postern/internal/testnet"
	"postern/trust"
)

func TestFingerprintRoundTrip(t *testing.T) {
	cert := testnet.NewPKI(t, now).Root("root").Cert
	want := trust.FingerprintOf(cert)
	got, err := trust.ParseFingerprint(strings.ToUpper(want.String()))
	if err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("g", 64), strings.Repeat("0", 66)} {
		if _, err := trust.ParseFingerprint(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
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
