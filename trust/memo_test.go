package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

// lookAlikes are certificates of one name and one dear key, each of which might have
// signed all others.
func lookAlikes(t testing.TB, n int) []*testnet.Identity {
	pki := testnet.NewPKI(t, now)
	key := testnet.Key(testnet.ECKey(t, elliptic.P521()))
	var all []*testnet.Identity
	for range n {
		all = append(all, pki.SelfSigned("b.example", key, testnet.Usage(x509.KeyUsageKeyAgreement)))
	}
	return all
}

// AS-70: who signed whom is checked once, whatever the number of recipients.
func TestAS70_CandidatesTogetherCostTheirLinks(t *testing.T) {
	root := testnet.NewPKI(t, now).Root("root")
	p := ask(t, root, root)
	candidates := testnet.Certs(lookAlikes(t, 50)...)
	p.Intermediates, p.Memo = candidates, new(trust.Memo)
	s := trust.Select(p, candidates)
	checked := p.Memo.Checked()
	if s.Code != reason.UntrustedAnchor || len(s.Verdicts) != 50 || checked == 0 || checked > 50*50 {
		t.Errorf("code %s (%s), %d verdicts, %d signatures", s.Code, s.Detail, len(s.Verdicts), checked)
	}
	for range 10 {
		trust.Select(p, candidates)
	}
	if again := p.Memo.Checked(); again > 50*50 {
		t.Errorf("for ten more questions %d signatures", again-checked)
	}
}

// Whoever has one certificate of the community can hang any number of others below
// it, which look as if they led to the anchor.
func TestAS70_NothingHangsBelowAnEndEntity(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	key := testnet.Key(testnet.ECKey(t, elliptic.P521()))
	insider := root.Leaf("evil.example", key)
	good := root.Leaf("b.example")
	candidates := testnet.Certs(insider)
	for range 20 {
		candidates = append(candidates, insider.Intermediate("evil.example", key).Cert)
	}
	for range 30 {
		candidates = append(candidates, insider.Leaf("b.example", plain()...).Cert)
	}
	candidates = append(candidates, good.Cert)
	p := ask(t, good, root)
	p.Intermediates, p.Memo = candidates, new(trust.Memo)
	s := trust.Select(p, candidates)
	if len(s.Valid) != 1 || s.Valid[0] != good.Cert || p.Memo.Checked() > 51*21+20 {
		t.Errorf("code %s (%s), %d valid, %d signatures", s.Code, s.Detail, len(s.Valid), p.Memo.Checked())
	}
}

// Nor does an authority of the community get more than its share by certificates
// that all have signed each other.
func TestAS70_ManyWaysAreBounded(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	key := testnet.Key(testnet.ECKey(t, elliptic.P256()))
	p := ask(t, root, root)
	p.Memo = new(trust.Memo)
	ca := root.Intermediate("ca", key)
	p.Intermediates = testnet.Certs(ca)
	for i := range 20 {
		p.Intermediates = append(p.Intermediates, ca.Intermediate("ca", key, testnet.SAN(nil, []string{fmt.Sprintf("%d.example", i)})).Cert)
	}
	var candidates []*testnet.Identity
	for range 30 {
		candidates = append(candidates, ca.Leaf("b.example", plain()...))
	}
	within(t, func() {
		s := trust.Select(p, testnet.Certs(candidates...))
		if len(s.Valid) != 30 || p.Memo.Checked() > 100 {
			t.Errorf("%d valid, %d signatures", len(s.Valid), p.Memo.Checked())
		}
	})
}

// What bounds strangers does not bound those who have many certificates in good
// faith, of which some lead nowhere.
func TestAS79_ManyGoodCandidatesAreAllChosen(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	old := root.Intermediate("old", testnet.Valid(-2*time.Hour, -time.Hour))
	p := ask(t, root, root)
	p.Intermediates = testnet.Certs(old)
	var candidates []*testnet.Identity
	for i := range 25 {
		ca := root.Intermediate(fmt.Sprintf("ca %d", i/5))
		p.Intermediates = append(p.Intermediates, ca.Cert)
		candidates = append(candidates, old.Leaf("b.example", plain()...), ca.Leaf("b.example", plain()...))
	}
	s := trust.Select(p, testnet.Certs(candidates...))
	if len(s.Valid) != 25 || len(s.Verdicts) != 50 {
		t.Errorf("%d of %d valid", len(s.Valid), len(s.Verdicts))
	}
	for i, v := range s.Verdicts {
		if want := []reason.Code{reason.BadPath, reason.OK}[i%2]; v.Code != want {
			t.Errorf("%d: code %s (%s), want %s", i, v.Code, v.Detail, want)
		}
	}
}

// Nor is anybody asked again for the next recipient.
func TestAS70_CandidatesTogetherAskOnce(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	p := ask(t, root, root)
	for name, ca := range map[string]*testnet.Identity{"good": root.Intermediate("ca"), "bad": pki.Root("stranger").Intermediate("ca")} {
		t.Run(name, func(t *testing.T) {
			var candidates []*testnet.Identity
			for i := range 50 {
				candidates = append(candidates, ca.Leaf("b.example", plain(aia(fmt.Sprintf("http://ca.example/%d", i)))...))
			}
			e := &known{}
			p.Evidence, p.Memo = e, new(trust.Memo)
			valid := 0
			if name == "good" {
				e.issuers = map[string]trust.Issuers{"b.example": {Certificates: testnet.Certs(ca), Sources: []string{"http://ca.example/"}}}
				valid = 50
			}
			for n := range 2 {
				s := trust.Select(p, testnet.Certs(candidates...))
				if len(s.Valid) != valid || len(e.wanted) != 50 {
					t.Errorf("question %d: %s (%s), %d valid, asked %d times", n+1, s.Code, s.Detail, len(s.Valid), len(e.wanted))
				}
				for _, v := range s.Verdicts[:valid] {
					if len(v.IssuersFrom) != 1 {
						t.Errorf("issuers from %v", v.IssuersFrom)
					}
				}
			}
		})
	}
}
