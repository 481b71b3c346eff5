package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"postern/internal/fetch"
	"postern/sta"
	"postern/trust"
	"postern/trust/evidence"
)

// lists answers for the servers of CRLs.
type lists map[string][]byte

// Do implements evidence.Fetcher.
func (l lists) Do(_ context.Context, r fetch.Request) (fetch.Document, error) {
	return fetch.Document{Body: l[r.URL], Fetched: time.Now()}, nil
}

// revocationFigures are R1: a message in when the certificates of its path are
// looked up in warm CRLs, one of them long, against no look-up.
func revocationFigures(_ context.Context, b *bench) ([]figure, error) {
	const ofRoot, ofIssuer = "http://root.example/crl", "http://issuer.example/crl"
	listed := *b.rig
	var err error
	listed.issuer, err = b.rig.named(authority("bench issuer"), b.rig.issuer, b.rig.root, ofRoot)
	if err != nil {
		return nil, err
	}
	listed.sender, err = b.rig.named(endEntity(senderAddress), b.rig.sender, listed.issuer, ofIssuer)
	if err != nil {
		return nil, err
	}
	short, err := listed.root.list(10)
	if err != nil {
		return nil, err
	}
	long, err := listed.issuer.list(b.revoked)
	if err != nil {
		return nil, err
	}
	keeper := &evidence.Keeper{Fetcher: lists{ofRoot: short, ofIssuer: long}}
	defer keeper.Close()
	err = warm(keeper, listed.sender.cert, listed.issuer.cert, listed.issuer.cert, listed.root.cert)
	if err != nil {
		return nil, err
	}
	with, without := newAgent(&listed), newAgent(&listed)
	with.incoming = func(in *sta.Incoming) {
		in.Evidence, in.Revocation = keeper, trust.HardFail // nothing but a good answer will do
	}
	return b.revocations(with, without)
}

func (b *bench) revocations(with, without *agent) ([]figure, error) {
	all, err := b.bothWays("R1", fmt.Sprintf("10 KiB, a CRL of %d entries against none", b.revoked), 10<<10, with, without)
	if err != nil {
		return nil, err
	}
	in := all[1] // on the way out, the sender's own certificates are nobody's question here
	in.Ours, in.Peer, in.Ratio, in.Unit = 1000/in.Ours, 1000/in.Peer, 1/in.Ratio, "ms"
	return []figure{in.atMost(1.1)}, nil
}

// named is an identity again, with a certificate that names a CRL.
func (r *rig) named(template *x509.Certificate, of, issuer identity, url string) (identity, error) {
	template.CRLDistributionPoints = []string{url}
	return issue(template, of.key, issuer)
}

// list is a CRL of an authority with n certificates that it never issued.
func (i identity) list(n int) ([]byte, error) {
	now := time.Now()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour)}
	for range n {
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
		if err != nil {
			return nil, fmt.Errorf("choosing a serial number: %w", err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial.Add(serial, big.NewInt(1)), RevocationTime: now.Add(-2 * time.Hour)})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, i.cert, i.key)
	if err != nil {
		return nil, fmt.Errorf("making a CRL: %w", err)
	}
	return der, nil
}

// warm asks about pairs of a certificate and its issuer until there are answers.
func warm(k *evidence.Keeper, pairs ...*x509.Certificate) error {
	for i := 0; i < len(pairs); i += 2 {
		for {
			r := k.Revocation(pairs[i], pairs[i+1], time.Now())
			if r.Pending == nil {
				if r.Status != trust.NotRevoked {
					return fmt.Errorf("the CRL says %q: %s", r.Status, r.Detail)
				}
				break
			}
			<-r.Pending
		}
	}
	return nil
}
