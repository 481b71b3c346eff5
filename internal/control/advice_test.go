package control

import (
	"crypto/x509"
	"strings"
	"testing"

	"postern/internal/gateway"
	"postern/internal/testnet"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// Where an anchor is missing, the hint is the command that adds it.
func TestAdviceNamesTheCommand(t *testing.T) {
	policy := trust.Community
	in := teller{way: store.In, signers: func(mime.Domain) trust.SignerPolicy { return policy }}
	out := in
	out.way = store.Out
	for _, tt := range []struct {
		t    teller
		p    trust.SignerPolicy
		c    reason.Code
		want string
	}{
		{in, trust.Community, reason.NoAnchors, ": postern anchor add FILE --domain b.example --direction in"},
		{out, trust.ExtendedValidation, reason.UntrustedAnchor, ": postern anchor add FILE --domain b.example --direction out"},
		{in, trust.ExtendedValidation, reason.NoAnchors, ": postern anchor add FILE --ev --domain b.example"},
		{in, trust.Community, reason.Expired, reason.Expired.Outcome().Hint},
	} {
		policy = tt.p
		if got := tt.t.advice(tt.c, "b.example"); !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s: %s", tt.c, got)
		}
	}
	equal(t, "nothing to do", in.advice(reason.OK, "b.example"), "")
}

// The code alone does not say that a certificate names the address and more.
func TestAS17_AdviceIsOneName(t *testing.T) {
	root := testnet.NewPKI(t, noon()).Root("root")
	named := func(names ...string) *x509.Certificate {
		return root.Leaf("a.example", testnet.Template(func(c *x509.Certificate) { c.DNSNames = names })).Cert
	}
	alice, err := mime.ParseAddress("alice@a.example")
	must(t, err)
	one, two, wild, other := named("a.example"), named("a.example", "b.example"), named("a.example", "*.a.example"), named("c.example", "b.example")
	for _, tt := range []struct {
		cert    *x509.Certificate
		profile trust.Profile
		oneName bool
	}{
		{one, trust.V13, false},
		{two, trust.V13, true},
		{wild, trust.V13, true},
		{other, trust.V13, false},
		{two, trust.V12, false},
		{nil, trust.V13, false},
	} {
		in := teller{profile: tt.profile, way: store.Out, ours: func(mime.Domain) bool { return true }}
		v := trust.Verdict{Certificate: tt.cert, Code: reason.WrongAddress, Detail: "names"}
		route := gateway.Route{Recipient: alice, Code: v.Code, Detail: v.Detail, Selection: trust.Selection{Verdicts: []trust.Verdict{{Certificate: one}, v}}}
		report := gateway.SealReport{Routes: []gateway.Route{{}, route}, Refused: reason.New(v.Code, "recipient %s: names", alice)}
		want, wantSigner := v.Code.Outcome().Hint, reason.SenderMismatch.Outcome().Hint
		if tt.oneName {
			want, wantSigner = oneName, oneName
		}
		equal(t, "certificate", in.certificateAdvice(v, alice, "b.example"), want)
		equal(t, "route", in.routeAdvice(route, "b.example"), want)
		equal(t, "sealing", in.sealAdvice(report, "b.example"), want)
		equal(t, "signer", in.openAdvice(sta.Verdict{Code: reason.SenderMismatch, Signer: tt.cert}, alice), wantSigner)
	}
}

// A message for others is not ours to decrypt, whatever keys are here.
func TestAdviceOnOthersDomains(t *testing.T) {
	bob, err := mime.ParseAddress("bob@b.example")
	must(t, err)
	for _, ours := range []bool{true, false} {
		in := teller{way: store.In, ours: func(mime.Domain) bool { return ours }}
		got := in.openAdvice(sta.Verdict{Recipient: bob, Code: reason.Undecryptable}, mime.Address{})
		equal(t, got, strings.HasPrefix(got, "b.example is not a domain of ours"), !ours)
	}
}
