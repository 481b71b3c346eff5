package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
)

const (
	bundleCrashes     = 12
	fewBundleCrashes  = 3  // with -short
	mostBundleCrashes = 40 // until one came before the commit and one after it
	largeBundle       = 3000
)

// authorities makes many certificates of one key.
func authorities(t testing.TB, name string, n int) []*x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*x509.Certificate, n)
	for i := range all {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: fmt.Sprintf("%s %d", name, i)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err == nil {
			all[i], err = x509.ParseCertificate(der)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// printsOf are the fingerprints of certificates as commands write them.
func printsOf(certs []*x509.Certificate) map[string]bool {
	all := make(map[string]bool)
	for _, c := range certs {
		all[fmt.Sprintf("%x", sha256.Sum256(c.Raw))] = true
	}
	return all
}

// TestInteropBundleKill9 kills a gateway during the refresh of a large bundle, all
// of whose authorities change: what is found is the old set or the new one, and
// whole. A kill that came after the commit is followed by an earlier one and the
// other way round, so that they gather where it matters.
func TestInteropBundleKill9(t *testing.T) {
	t.Parallel()
	rounds := bundleCrashes
	if testing.Short() {
		rounds = fewBundleCrashes
	}
	c := newCommunity(t)
	sets := [][]*x509.Certificate{authorities(t, "even", largeBundle), authorities(t, "odd", largeBundle)}
	bodies := [][]byte{testnet.CertsOnly(t, sets[0]...), testnet.CertsOnly(t, sets[1]...)}
	prints := []map[string]bool{printsOf(sets[0]), printsOf(sets[1])}
	var serves atomic.Int32 // which set
	fetched := make(chan struct{}, 2)
	c.web.Answer("/large.p7b", typeBundle, func([]byte) ([]byte, error) {
		fetched <- struct{}{}
		return bodies[serves.Load()], nil
	})
	s := c.reader("")
	e := s.run("", "--json", "bundle", "add", "large", c.web.URL+"/large.p7b", "--every", "0")
	var added control.AddedBundle
	err := json.Unmarshal([]byte(e.stdout), &added)
	if err != nil || e.code != 0 {
		t.Fatalf("bundle add: exit code %d, %v\n%s", e.code, err, e.stderr)
	}
	<-fetched
	had, changes, round := 0, 0, 0
	after := time.Duration(added.Refresh.Milliseconds * float64(time.Millisecond))
	for ; round < rounds || round < mostBundleCrashes && (changes == 0 || changes == round); round++ {
		serves.Store(int32(1 - had))
		s.serve()
		ended := s.refreshInBackground(t)
		<-fetched
		<-time.After(after)
		s.kill()
		<-ended
		s.checkStore()
		has := s.whichSet(t, prints)
		t.Logf("kill %d, after %v: the set was %d and is %d", round+1, after, had, has)
		factor := 1.2 + mathrand.Float64()/2
		if has != had {
			changes++
			factor = 1 / factor
		}
		after = time.Duration(float64(after) * factor)
		had = has
	}
	if changes == 0 || changes == round {
		t.Errorf("of %d kills %d came after the commit", round, changes)
	}
	serves.Store(int32(1 - had))
	s.must("", "bundle", "refresh")
	if s.whichSet(t, prints) == had {
		t.Error("a refresh after all kills changed nothing")
	}
}

// refreshInBackground runs postern bundle refresh, whose end is of no interest.
func (s *site) refreshInBackground(t testing.TB) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	cmd := exec.CommandContext(ctx, binary(t), "--config", s.config(), "bundle", "refresh")
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer cancel()
		_ = cmd.Wait()
		close(ended)
	}()
	return ended
}

// whichSet is the number of the set that the bundle has, whole.
func (s *site) whichSet(t testing.TB, prints []map[string]bool) int {
	t.Helper()
	var got control.ShownBundle
	text := s.must("", "--json", "bundle", "show", "large")
	err := json.Unmarshal([]byte(text), &got)
	if err != nil {
		t.Fatalf("bundle show: %v", err)
	}
	for i, want := range prints {
		missing := 0
		for _, c := range got.Certificates {
			if !want[c.SHA256] {
				missing++
			}
		}
		if len(got.Certificates) == len(want) && missing == 0 {
			return i
		}
	}
	t.Fatalf("%d anchors are there, of neither set alone", len(got.Certificates))
	return 0
}
