package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
)

// BenchmarkJudgeAnchors shows that a judgement costs the same whatever the
// number of anchors: an anchor is found by its name, and the names are indexed
// when the set is made.
func BenchmarkJudgeAnchors(b *testing.B) {
	pki := testnet.NewPKI(b, now)
	root := pki.Root("root")
	ca := root.Intermediate("ca")
	certs := testnet.Certs(root)
	for i := 1; i < 10000; i++ {
		certs = append(certs, pki.Root(fmt.Sprintf("root %d", i)).Cert)
	}
	p := ask(b, ca.Leaf("b.example"), root)
	p.Intermediates = testnet.Certs(ca)
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p.Anchors = trust.NewAnchors(certs[:n])
			b.ReportAllocs()
			for b.Loop() {
				if v := trust.Judge(p); !v.Code.IsOK() {
					b.Fatal(v.Detail)
				}
			}
		})
	}
}

// BenchmarkNewAnchors is what a change of the configuration costs.
func BenchmarkNewAnchors(b *testing.B) {
	pki := testnet.NewPKI(b, now)
	certs := testnet.Certs()
	for i := range 10000 {
		certs = append(certs, pki.Root(fmt.Sprintf("root %d", i)).Cert)
	}
	for b.Loop() {
		if n := trust.NewAnchors(certs).Len(); n != len(certs) {
			b.Fatal(n)
		}
	}
}

// BenchmarkJudgeRefused is what a stranger's message costs at worst: a hundred
// certificates that all might have signed, with the dearest keys, just begun, and
// every policy to be tried.
func BenchmarkJudgeRefused(b *testing.B) {
	pki := testnet.NewPKI(b, now)
	dear, fresh := testnet.EC(elliptic.P521()), testnet.Valid(time.Minute, time.Hour)
	ours, evRoot, theirs := pki.Root("root"), pki.Root("ev root"), pki.Root("theirs", dear)
	p := ask(b, theirs.Leaf("b.example", plain()...), ours)
	p.Purpose, p.Signers, p.EV = trust.Sign, trust.Either, trust.EV{Roots: anchorsOf(evRoot), Policies: []x509.OID{oid(b, evPolicy)}}
	for range 100 {
		p.Intermediates = append(p.Intermediates, pki.Root("theirs", dear, fresh).Cert)
	}
	for b.Loop() {
		if v := trust.Judge(p); v.Code.IsOK() {
			b.Fatal("believed")
		}
	}
}

// BenchmarkSelectRefused is what fifty certificates of a stranger cost that all might
// have signed each other, with the dearest keys, and what they cost for the next
// recipient of the message.
func BenchmarkSelectRefused(b *testing.B) {
	root := testnet.NewPKI(b, now).Root("root")
	p := ask(b, root, root)
	for _, keys := range []string{"one key", "fifty keys"} {
		var candidates []*x509.Certificate
		for range 50 {
			candidates = append(candidates, lookAlikes(b, 1)[0].Cert)
		}
		if keys == "one key" {
			candidates = testnet.Certs(lookAlikes(b, 50)...)
		}
		p.Intermediates = candidates
		for _, next := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s, next %v", keys, next), func(b *testing.B) {
				p.Memo = new(trust.Memo)
				if next {
					trust.Select(p, candidates)
				}
				for b.Loop() {
					if !next {
						p.Memo = new(trust.Memo)
					}
					if s := trust.Select(p, candidates); s.Valid != nil {
						b.Fatal("believed")
					}
				}
			})
		}
	}
}
