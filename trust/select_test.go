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

// AS-79: while the state of one is being fetched, the others are known already,
// and yet all of them are wanted.
func TestAS79_PendingCandidatesAreWaitedFor(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	good, slow, old := root.Leaf("b.example", plain()...), root.Leaf("alice@b.example", plain()...), root.Leaf("b.example", plain(testnet.Valid(-2, -1))...)
	coming := make(chan struct{})
	evidence := &known{revocations: map[string]trust.Revocation{"alice@b.example": {Pending: coming}}}
	p := ask(t, good, root)
	p.Evidence = evidence
	for _, c := range []struct {
		name       string
		candidates []*testnet.Identity
		want       reason.Code
		valid      int
	}{
		{"alone", []*testnet.Identity{slow}, reason.RevocationDown, 0},
		{"beside a good one", []*testnet.Identity{good, slow}, reason.OK, 1},
		{"beside one that is refused", []*testnet.Identity{slow, old}, reason.RevocationDown, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := trust.Select(p, testnet.Certs(c.candidates...))
			if s.Code != c.want || len(s.Valid) != c.valid || s.Pending != coming {
				t.Errorf("code %s, %d valid, pending %v", s.Code, len(s.Valid), s.Pending)
			}
		})
	}
	evidence.revocations = nil
	s := trust.Select(p, testnet.Certs(good, slow, old))
	if len(s.Valid) != 2 || s.Pending != nil {
		t.Errorf("%d valid, pending %v", len(s.Valid), s.Pending)
	}
}

// Of candidates that all fail the reason is that of the furthest, and what may
// pass by itself is further than what stays.
func TestCP20_WhatMayPassIsToldFirst(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	revoked, unstated, unknown := root.Leaf("b.example", plain()...), root.Leaf("b.example", plain()...), root.Leaf("b.example", plain()...)
	other := pki.Root("other").Intermediate("missing").Leaf("b.example", plain(aia("http://ca.example/"))...)
	status := bySerial{
		revoked.Cert.SerialNumber.String():  {Status: trust.IsRevoked},
		unstated.Cert.SerialNumber.String(): {Status: trust.RevocationUnstated},
		unknown.Cert.SerialNumber.String():  {Status: trust.RevocationUnknown},
	}
	p := ask(t, revoked, root)
	p.Evidence, p.Revocation = downIssuers{status}, trust.HardFail
	var candidates []*testnet.Identity
	for _, c := range []struct {
		next *testnet.Identity
		want reason.Code
	}{
		{revoked, reason.Revoked}, {unstated, reason.NoRevocation}, {other, reason.IssuerDown}, {unknown, reason.RevocationDown},
	} {
		candidates = append([]*testnet.Identity{c.next}, candidates...)
		s := trust.Select(p, testnet.Certs(candidates...))
		if s.Code != c.want || s.Pending != nil {
			t.Errorf("code %s (%s), want %s", s.Code, s.Detail, c.want)
		}
	}
}

// downIssuers is evidence whose servers for intermediates are down.
type downIssuers struct{ bySerial }

func (downIssuers) Issuers(*x509.Certificate) trust.Issuers { return trust.Issuers{Down: true} }

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
