package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/store"
)

// A heard log keeps its lines.
type heard struct{ testnet.Log }

// lines returns what was logged since it was asked last, sorted.
func (h *heard) lines() (all []string) {
	for line := range strings.Lines(h.Take()) {
		all = append(all, strings.TrimSpace(line))
	}
	slices.Sort(all)
	return all
}

// logger leaves out what differs from run to run.
func (h *heard) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, "certificate", "anchor", "subject", "ends", "source":
			return slog.Attr{}
		}
		return a
	}}))
}

// Each certificate of ours and each anchor that ends soon has a line at the start
// and then one a day; retired ones have none.
func TestExpiryIsToldOfOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Create(filepath.Join(t.TempDir(), "store.db"), store.Options{MasterKey: store.NewMasterKey()})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		pki := testnet.NewPKI(t, time.Now())
		days := func(n float64) testnet.Option {
			return testnet.Valid(-24*time.Hour*365, time.Duration(n*24)*time.Hour)
		}
		err = db.Update(t.Context(), func(tx store.Tx) error {
			for owner, end := range map[string]float64{"far.example": 60, "soon.example": 20.5, "edge.example": 30.5, "very.example": 3.5, "gone.example": -2, "retired.example": 1.5} {
				leaf := pki.SelfSigned(owner, testnet.RSA(2048), days(end))
				pkcs8, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
				if err != nil {
					return err
				}
				k := store.Key{Owner: owner, Certificate: leaf.Cert.Raw, Fingerprint: store.FingerprintOf(leaf.Cert.Raw), PKCS8: pkcs8}
				if owner == "retired.example" {
					k.Retired = time.Now()
				}
				err = tx.PutKey(k)
				if err != nil {
					return err
				}
			}
			root := pki.Root("root", days(10.5)).Cert.Raw
			return errors.Join(
				tx.PutAnchor(store.Anchor{Source: store.ManualSource, Domain: "a.example", Direction: store.In, Certificate: root, Fingerprint: store.FingerprintOf(root)}),
				tx.PutAnchor(store.Anchor{Source: store.ManualSource, Domain: "b.example", Direction: store.Out, Certificate: root, Fingerprint: store.FingerprintOf(root)}))
		})
		if err != nil {
			t.Fatal(err)
		}
		var log heard
		c := &Core{Store: db, Log: log.logger()}
		c.setDefaults()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); c.watchExpiry(ctx) }()
		day := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if diff := cmp.Diff(want, log.lines()); diff != "" {
				t.Errorf("after %v (-want +got)\n%s", after, diff)
			}
		}
		line := func(level, text string, owner string, left int) string {
			if owner == "" {
				return fmt.Sprintf("level=%s msg=%q days=%d", level, text, left)
			}
			return fmt.Sprintf("level=%s msg=%q owner=%s days=%d", level, text, owner, left)
		}
		day(0,
			line("ERROR", "a certificate expires soon", "very.example", 3),
			line("ERROR", "a certificate has expired", "gone.example", -2),
			line("WARN", "a certificate expires soon", "soon.example", 20),
			line("WARN", "an anchor expires soon", "", 10))
		day(23 * time.Hour)
		day(time.Hour+time.Minute,
			line("ERROR", "a certificate expires soon", "very.example", 2),
			line("ERROR", "a certificate has expired", "gone.example", -3),
			line("WARN", "a certificate expires soon", "edge.example", 29),
			line("WARN", "a certificate expires soon", "soon.example", 19),
			line("WARN", "an anchor expires soon", "", 9))
		cancel()
		<-done
	})
}
