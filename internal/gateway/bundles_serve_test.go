package gateway

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/bundle"
	"postern/internal/config"
	"postern/internal/gateway/care"
	"postern/internal/testnet"
	"postern/store"
)

// A gateway as its configuration describes it fetches bundles as it serves, from
// hosts that network.ca vouches for and no others.
func TestTB9_ServeFetchesByNetworkCA(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	ca, ours := pki.Root("web"), pki.Root("ours")
	web := testnet.NewTLSWeb(t, ca.Leaf("bundles.example", testnet.ForTLS(), testnet.EC(elliptic.P256()),
		testnet.Template(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })))
	file := unsigned(t, ours)
	asked := make(chan struct{}, 100)
	web.Answer("/bundle", "application/octet-stream", func([]byte) ([]byte, error) {
		asked <- struct{}{}
		return file, nil
	})
	url := strings.Replace(web.URL, "bundles.example", "127.0.0.1", 1) + "/bundle"
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Cert.Raw}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		network config.Network
		want    string
	}{
		"vouched for": {config.Network{AllowPrivate: true, CA: caFile}, ""},
		"unknown":     {config.Network{AllowPrivate: true}, bundle.KindTLS},
		"private":     {config.Network{CA: caFile}, bundle.KindForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Hostname, cfg.DNS.Servers, cfg.Network = "mx.b.example", []string{"127.0.0.1:1"}, tt.network
			db, err := store.Create(filepath.Join(t.TempDir(), care.StoreFile), store.Options{MasterKey: store.NewMasterKey()})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			c, err := NewCore(cfg, db, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = db.Update(t.Context(), func(tx store.Tx) error {
				return tx.PutBundle(store.Bundle{Name: "b", URL: url, Every: time.Hour, Attached: []store.Attachment{{Direction: store.Both}}})
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var serving sync.WaitGroup
			serving.Go(func() { _ = (&Gateway{Core: c}).Run(ctx) })
			if tt.want == "" {
				<-asked // by the schedule
			}
			r, err := c.RefreshBundles(t.Context(), nil)
			if err != nil || r[0].Failure != tt.want {
				t.Errorf("refreshed: %+v, %v, want %q", r, err, tt.want)
			}
			dir, err := c.Directory(t.Context())
			if err != nil || dir.Anchors("b.example", store.In).Contains(ours.Cert) != (tt.want == "") {
				t.Errorf("the anchor is believed, or not: %v", err)
			}
			stop()
			serving.Wait()
		})
	}
}
