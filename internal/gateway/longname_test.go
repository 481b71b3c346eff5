package gateway

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"runtime"
	"testing"

	"postern/internal/cms"
	"postern/internal/testnet"
	"postern/sta"
	"postern/store"
)

// longIssuer returns a certificate for the key of id whose issuer has a name of
// n attributes, and nobody knows.
func longIssuer(t *testing.T, id *testnet.Identity, n int, serial int64) *x509.Certificate {
	t.Helper()
	rdns := make([]pkix.RelativeDistinguishedNameSET, n)
	for i := range rdns {
		rdns[i] = pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "a"}}
	}
	long, err := asn1.Marshal(rdns)
	if err != nil {
		t.Fatal(err)
	}
	template := *id.Cert
	template.SerialNumber, template.AuthorityKeyId = big.NewInt(serial), nil
	der, err := x509.CreateCertificate(rand.Reader, &template, &x509.Certificate{RawSubject: long}, id.Key.Public(), id.Key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a stranger writes into names costs by its length, from the reading of the
// message to the track: one name that is as long as a message can have, and as
// many of the longest that are looked at as fit.
func TestLongNamesOfStrangersCostLittle(t *testing.T) {
	for name, c := range map[string]struct{ certs, attributes int }{"one": {1, 40_000}, "many": {12, 4_700}} {
		t.Run(name, func(t *testing.T) {
			w, b, _ := inbound(t)
			evil := w.pki.Root("evil")
			var chain []*x509.Certificate
			for i := range c.certs {
				chain = append(chain, longIssuer(t, evil, c.attributes, int64(100+i)))
			}
			leaf := evil.Leaf("a.example")
			raw := crlf(message("alice@a.example", "bob@b.example"))
			signed, err := sta.Sign(t.Context(), source(raw), headerOf(t, string(raw)), []cms.Signer{{Certificate: leaf.Cert, Chain: chain, Key: leaf.Key}}, w.clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			var sealed bytes.Buffer
			to := addrs(t, "bob@b.example")
			err = signed.Seal(&sealed, to, b.certificatesOf(to), cms.EncryptOptions{})
			if err != nil {
				t.Fatal(err)
			}
			id := b.receive(sealed.Bytes(), addr(t, "alice@a.example"), to...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b.run()
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 100<<20 {
				t.Errorf("%d MiB were allocated to open %d KiB", got>>20, sealed.Len()>>10)
			}
			var events []store.Event
			b.view(func(tx store.Tx) (err error) { events, err = tx.Events(id); return err })
			for _, e := range events {
				if len(e.Detail) > 500 {
					t.Errorf("%.600q", e.Detail)
				}
			}
			if got := b.states(id); got[0] != "bob@b.example refused untrusted-anchor" {
				t.Error(got)
			}
		})
	}
}
