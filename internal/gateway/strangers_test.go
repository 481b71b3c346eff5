package gateway

import (
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/internal/testnet"
	"postern/store"
	"postern/trust/evidence"
)

// AS-71: a stranger's message, whose certificate names the server of a community's
// CRL in a way that fails, leaves a revoked signer refused.
func TestAS71_StrangersMessageHidesNoRevocation(t *testing.T) {
	w := worldAt(t, time.Now().Truncate(time.Second))
	b := w.site("b.example")
	b.accounts("bob@b.example")
	var list []byte
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(list) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are none
	server.Start()
	t.Cleanup(server.Close)
	k := &evidence.Keeper{Fetcher: &fetch.Client{Network: guard.Policy{AllowPrivate: true}}}
	t.Cleanup(k.Close)
	b.Evidence = k
	revoked := w.root.Leaf("a.example", testnet.Template(func(c *x509.Certificate) {
		c.CRLDistributionPoints = []string{server.URL + "/ca.crl"}
	}))
	var err error
	list, err = x509.CreateRevocationList(nil, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: revoked.Cert.SerialNumber, RevocationTime: time.Now().Add(-time.Hour), ReasonCode: 1}},
	}, w.root.Cert, w.root.Key)
	if err != nil {
		t.Fatal(err)
	}
	settle := func(id store.TrackID) string {
		for range 50 {
			b.run()
			b.waits.Wait()
			if !strings.Contains(b.states(id)[0], "queued") {
				break
			}
		}
		return b.states(id)[0]
	}
	host := server.Listener.Addr().String()
	mallory := w.pki.Root("nobody").Leaf("m.example", testnet.Template(func(c *x509.Certificate) {
		c.IssuingCertificateURL = []string{"https://" + host + "/1", "https://" + host + "/2"}
	}))
	raw := peer{t: t, at: w.clock, id: mallory}.seal(message("m@m.example", "bob@b.example"), b, "bob@b.example")
	settle(b.receive(raw, addr(t, "m@m.example"), addrs(t, "bob@b.example")...))
	if got := settle(b.from(peer{t: t, at: w.clock, id: revoked})); !strings.Contains(got, "revoked") {
		t.Errorf("the revoked signer's message: %s", got)
	}
}
