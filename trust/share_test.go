package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"slices"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

// besides asks about good, whose issuer is fetched, among hostile candidates.
func besides(t testing.TB, good, ca *testnet.Identity, hostile []*x509.Certificate, roots ...*testnet.Identity) (trust.Params, *known, []*x509.Certificate) {
	candidates := append(slices.Clone(hostile), good.Cert)
	p := ask(t, good, roots...)
	e := &known{issuers: map[string]trust.Issuers{"b.example": {Certificates: testnet.Certs(ca), Sources: []string{"http://ca.example/"}}}}
	p.Intermediates, p.Evidence, p.Memo = candidates, e, new(trust.Memo)
	return p, e, candidates
}

// wantGood wants good to be the one that is chosen.
func wantGood(t testing.TB, s trust.Selection, good *testnet.Identity) {
	t.Helper()
	if len(s.Valid) != 1 || s.Valid[0] != good.Cert {
		last := s.Verdicts[len(s.Verdicts)-1]
		t.Errorf("%d valid; the good one: %s (%s)", len(s.Valid), last.Code, last.Detail)
	}
}

// CD-5: look-alikes do not spend what a good certificate beside them needs.
func TestCD5_LookAlikesSpoilNothing(t *testing.T) {
	for _, n := range []int{1, 12, 49} {
		pki := testnet.NewPKI(t, now)
		root := pki.Root("root")
		ca := root.Intermediate("ca")
		good := ca.Leaf("b.example", plain(aia("http://ca.example/"))...)
		p, _, candidates := besides(t, good, ca, testnet.Certs(lookAlikes(t, n)...), root)
		wantGood(t, trust.Select(p, candidates), good)
		p.Memo, p.Evidence, p.Intermediates = new(trust.Memo), nil, append(p.Intermediates, ca.Cert)
		wantGood(t, trust.Select(p, candidates), good)
	}
}

// hoarder is a certificate below four others, for each of which its servers send 19
// that look as if an anchor had signed them.
func hoarder(t testing.TB, pki *testnet.PKI, subject string, e *known) *x509.Certificate {
	fake := testnet.NewPKI(t, now).Root("root")
	top := pki.Root("stranger").Intermediate("s0", aia("http://x.example/0"))
	above := []*testnet.Identity{top}
	for i := range 4 {
		name := fmt.Sprintf("s%d", i+1)
		above = append(above, above[i].Intermediate(name, aia("http://x.example/"+name)))
	}
	leaf := above[4].Leaf("h", plain(testnet.SAN(nil, []string{"b.example"}), aia("http://x.example/h"))...)
	for i, name := range []string{"h", "s4", "s3", "s2", "s1"} {
		sent := testnet.Certs(above[4-i])
		for range 19 {
			sent = append(sent, fake.Intermediate(subject).Cert)
		}
		e.issuers[name] = trust.Issuers{Certificates: sent}
	}
	return leaf.Cert
}

// Nor does what their servers send, in whatever order, for whichever recipient.
func TestCD5_WhatIsFetchedForOneSpoilsNothing(t *testing.T) {
	for _, subject := range []string{"junk", "ca"} {
		pki := testnet.NewPKI(t, now)
		roots := []*testnet.Identity{pki.Root("root"), pki.Root("root")}
		ca := roots[0].Intermediate("ca")
		good := ca.Leaf("b.example", plain(aia("http://ca.example/"))...)
		p, e, candidates := besides(t, good, ca, nil, roots...)
		hostile := hoarder(t, pki, subject, e)
		wantGood(t, trust.Select(p, append([]*x509.Certificate{hostile}, candidates...)), good)
		wantGood(t, trust.Select(p, candidates), good)
		p.Memo = new(trust.Memo)
		wantGood(t, trust.Select(p, append(candidates, hostile)), good)
	}
}

// Nor do intermediates with the name and the key identifier of its issuer.
func TestCD5_ForgedIssuersSpoilNothing(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	ca := root.Intermediate("ca")
	good := ca.Leaf("b.example", plain(aia("http://ca.example/"))...)
	p, _, candidates := besides(t, good, ca, nil, root)
	fake := testnet.NewPKI(t, now).Root("root")
	key := testnet.Key(testnet.ECKey(t, elliptic.P256()))
	for range 99 {
		p.Intermediates = append(p.Intermediates, fake.Intermediate("ca", key, testnet.Template(func(c *x509.Certificate) {
			c.SubjectKeyId = ca.Cert.SubjectKeyId
		})).Cert)
	}
	wantGood(t, trust.Select(p, candidates), good)
}

// crowded are n strangers' certificates that name two places each.
func crowded(pki *testnet.PKI, n, places int) []*x509.Certificate {
	ca := pki.Root("stranger").Intermediate("sca")
	var all []*x509.Certificate
	for i := range n {
		urls := testnet.Template(func(c *x509.Certificate) {
			for j := range places {
				c.IssuingCertificateURL = append(c.IssuingCertificateURL, fmt.Sprintf("http://x.example/%d/%d", i, j))
			}
		})
		all = append(all, ca.Leaf(fmt.Sprintf("h%d", i), plain(testnet.SAN(nil, []string{"b.example"}), urls)...).Cert)
	}
	return all
}

// Nor do the places that they name; where those are too many for all, the issuer of
// the good one is asked for another time.
func TestAS70_PlacesOfOthersSpoilNothing(t *testing.T) {
	for n, want := range map[int]reason.Code{18: reason.OK, 49: reason.OK, 60: reason.IssuerDown} {
		pki := testnet.NewPKI(t, now)
		root := pki.Root("root")
		ca := root.Intermediate("ca")
		good := ca.Leaf("b.example", plain(aia("http://ca.example/"))...)
		p, e, candidates := besides(t, good, ca, crowded(pki, n, 2), root)
		for range 2 {
			s := trust.Select(p, candidates)
			if last := s.Verdicts[n]; last.Code != want || s.Code != want {
				t.Errorf("%d beside it: %s (%s), and %s for all", n, last.Code, last.Detail, s.Code)
			}
		}
		if len(e.wanted) > 50 {
			t.Errorf("asked %d times", len(e.wanted))
		}
	}
}

// What was fetched for others serves where nobody may be asked any more.
func TestAS69_FetchedForOthersServes(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	ca := root.Intermediate("ca")
	good := ca.Leaf("b.example", plain(aia("http://ca.example/"))...)
	p, e, candidates := besides(t, good, ca, nil, root)
	wantGood(t, trust.Select(p, candidates), good)
	e.issuers = nil
	again := ca.Leaf("b.example", plain(aia("http://gone.example/"))...)
	s := trust.Select(p, testnet.Certs(again))
	wantGood(t, s, again)
	if from := s.Verdicts[0].IssuersFrom; !slices.Equal(from, []string{"http://ca.example/"}) {
		t.Errorf("issuers from %v", from)
	}
	p.Intermediates = testnet.Certs(ca)
	if from := trust.Select(p, testnet.Certs(again)).Verdicts[0].IssuersFrom; from != nil {
		t.Errorf("what came along is from %v", from)
	}
}

// TB-18: an anchor that is in many sets is one, and the hundredth recipient's
// certificates are as good as the first's.
func TestAS79_ManyRecipientsAndRenewedRoots(t *testing.T) {
	for _, c := range []struct{ sets, roots int }{{5, 2}, {3, 2}, {5, 1}, {1, 10}} {
		t.Run(fmt.Sprintf("%d sets of %d", c.sets, c.roots), func(t *testing.T) {
			pki := testnet.NewPKI(t, now)
			var roots, cas []*testnet.Identity
			rootKey, key := testnet.Key(testnet.ECKey(t, elliptic.P256())), testnet.Key(testnet.ECKey(t, elliptic.P256()))
			for range c.roots {
				roots = append(roots, pki.Root("root", rootKey))
			}
			for i := range 2 {
				cas = append(cas, roots[i%c.roots].Intermediate("ca", key))
			}
			var sets []*trust.Anchors
			for range c.sets {
				sets = append(sets, anchorsOf(roots...))
			}
			p := ask(t, roots[0])
			p.Anchors, p.Memo = trust.Join(sets...), new(trust.Memo)
			for i := range 100 {
				candidates := testnet.Certs(cas[0].Leaf("b.example", plain()...), cas[0].Leaf("b.example", plain()...))
				p.Intermediates = append(testnet.Certs(cas...), candidates...)
				if s := trust.Select(p, candidates); len(s.Valid) != 2 {
					t.Fatalf("recipient %d: %d valid, %s (%s)", i, len(s.Valid), s.Code, s.Detail)
				}
			}
		})
	}
}

// Nor where two of its issuers are fetched, one after the other, and forged ones may
// be below either of two anchors.
func TestCD5_ForgedIssuersLeaveEnoughForFetchedOnes(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	roots := []*testnet.Identity{pki.Root("root"), pki.Root("root")}
	ca := roots[1].Intermediate("ca")
	lower := ca.Intermediate("lower", aia("http://ca.example/ca"))
	good := lower.Leaf("b.example", plain(aia("http://ca.example/lower"))...)
	p, e, candidates := besides(t, good, lower, nil, roots...)
	e.issuers["lower"] = trust.Issuers{Certificates: testnet.Certs(ca)}
	fake := testnet.NewPKI(t, now).Root("root")
	key := testnet.Key(testnet.ECKey(t, elliptic.P256()))
	for range 99 {
		p.Intermediates = append(p.Intermediates, fake.Intermediate("lower", key, testnet.Template(func(c *x509.Certificate) {
			c.SubjectKeyId = lower.Cert.SubjectKeyId
		})).Cert)
	}
	wantGood(t, trust.Select(p, candidates), good)
}

// However many ways lead nowhere, for whichever policy and at whichever moment, one
// that leads to an anchor is found.
func TestAS70_WaysInVainHideNoPath(t *testing.T) {
	p, e, ids := apart(t, 3)
	root := ids[0]
	p.Purpose, p.Signers = trust.Sign, trust.Either
	p.EV = trust.EV{Roots: anchorsOf(root), Policies: []x509.OID{oid(t, evPolicy)}}
	for range 30 {
		p.Intermediates = append(p.Intermediates, root.Intermediate("ca 3", testnet.Valid(time.Minute, time.Hour)).Cert)
	}
	wantCode(t, trust.Judge(p), reason.OK)
	if len(e.wanted) != 3 {
		t.Errorf("asked for %v", e.wanted)
	}
}
