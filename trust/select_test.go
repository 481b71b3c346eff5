package trust_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

func TestAS79_AllValidCertificatesAreChosen(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	one, two := root.Leaf("alice@b.example"), root.Leaf("b.example")
	old := root.Leaf("b.example", testnet.Valid(-2*time.Hour, -time.Hour))
	other := root.Leaf("c.example")
	s := trust.Select(ask(t, one, root), testnet.Certs(old, one, other, two, one))
	if !s.Code.IsOK() || s.Err() != nil || len(s.Valid) != 2 || s.Valid[0] != one.Cert || s.Valid[1] != two.Cert {
		t.Errorf("code %s (%s), %d valid", s.Code, s.Detail, len(s.Valid))
	}
	var codes []reason.Code
	for _, v := range s.Verdicts {
		codes = append(codes, v.Code)
	}
	want := []reason.Code{reason.Expired, reason.OK, reason.WrongAddress, reason.OK}
	if d := cmp.Diff(want, codes); d != "" {
		t.Errorf("verdicts (-want +got):\n%s", d)
	}
}

func TestCP20_TheReasonIsThatOfTheBestCandidate(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root, stranger := pki.Root("root"), pki.Root("stranger")
	old := root.Leaf("b.example", testnet.Valid(-2*time.Hour, -time.Hour))
	other, untrusted := root.Leaf("c.example"), stranger.Leaf("b.example")
	p := ask(t, old, root)
	for _, c := range []struct {
		name       string
		candidates []*testnet.Identity
		want       reason.Code
	}{
		{"none", nil, reason.NoCertificate},
		{"wrong address and expired", []*testnet.Identity{other, old}, reason.Expired},
		{"untrusted and expired", []*testnet.Identity{untrusted, old, other}, reason.UntrustedAnchor},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := trust.Select(p, testnet.Certs(c.candidates...))
			if s.Code != c.want || len(s.Valid) != 0 || reason.Of(s.Err()) != c.want || s.Detail == "" {
				t.Errorf("code %s (%s), want %s", s.Code, s.Detail, c.want)
			}
		})
	}
}

func TestAS21_SingleUseCertificatesServeTheirPurpose(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	signing := root.Leaf("b.example", testnet.Usage(x509.KeyUsageDigitalSignature))
	encrypting := root.Leaf("b.example", testnet.Usage(x509.KeyUsageKeyEncipherment))
	p := ask(t, signing, root)
	for purpose, want := range map[trust.Purpose]*testnet.Identity{trust.Sign: signing, trust.Encrypt: encrypting} {
		p.Purpose = purpose
		s := trust.Select(p, testnet.Certs(signing, encrypting))
		if len(s.Valid) != 1 || s.Valid[0] != want.Cert {
			t.Errorf("to %s: %d certificates", purpose, len(s.Valid))
		}
	}
}
