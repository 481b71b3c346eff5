package evidence

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/testnet"
	"postern/trust"
)

func certsOnly(t testing.TB, certs ...*x509.Certificate) []byte {
	t.Helper()
	return testnet.CertsOnly(t, certs...)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func many(t testing.TB, n int) []*x509.Certificate {
	t.Helper()
	pki := testnet.NewPKI(t, time.Now())
	var all []*x509.Certificate
	for i := range n {
		all = append(all, pki.Root(fmt.Sprint(i)).Cert)
	}
	return all
}

func TestAS69_FormsOfIssuers(t *testing.T) {
	certs := many(t, 25)
	two := certs[:2]
	for name, c := range map[string]struct {
		body []byte
		want int
	}{
		"DER":                      {certs[0].Raw, 1},
		"PEM":                      {testnet.PEM(two...), 2},
		"p7c":                      {certsOnly(t, two...), 2},
		"p7c in PEM":               {pemOf("PKCS7", certsOnly(t, two...)), 2},
		"one of them is no good":   {append(pemOf("CERTIFICATE", []byte("garbage")), testnet.PEM(two...)...), 2},
		"many":                     {certsOnly(t, certs...), len(certs)},
		"a page of HTML":           {[]byte("<html>not here</html>"), 0},
		"nothing":                  {[]byte{}, 0},
		"a certificate cut off":    {certs[0].Raw[:100], 0},
		"larger than is looked at": {bytes.Repeat(testnet.PEM(certs[0]), 1000), 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseIssuers(c.body)
			if len(got) != c.want || (err == nil) != (c.want > 0) {
				t.Errorf("%d certificates, %v", len(got), err)
			}
		})
	}
}

func FuzzIssuers(f *testing.F) {
	certs := many(f, 2)
	for _, seed := range [][]byte{nil, certs[0].Raw, testnet.PEM(certs...), certsOnly(f, certs...), pemOf("PKCS7", certsOnly(f, certs...))} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseIssuers(body)
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%d certificates, %v", len(got), err)
		}
	})
}

func TestCP10_IssuersAreFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		leaf := auth.leaf(names{aia: []string{aiaURL}})
		w := newWeb()
		w.put(aiaURL, page{body: certsOnly(t, auth.Cert), after: time.Second})
		k := &Keeper{Fetcher: w}
		defer k.Close()
		first, second := k.Issuers(leaf), k.Issuers(leaf)
		if first.Pending == nil || second.Pending == nil {
			t.Fatal("nothing is fetched")
		}
		got, took := settledIssuers(t, k, leaf)
		if len(got.Certificates) != 1 || !got.Certificates[0].Equal(auth.Cert) || got.Sources[0] != aiaURL || got.Down || took != time.Second {
			t.Errorf("%+v after %v", got, took)
		}
		<-first.Pending
		<-second.Pending
		if w.count() != 1 {
			t.Errorf("fetched %d times", w.count())
		}
	})
}

func TestAS70_IssuersThatCannotBeFetched(t *testing.T) {
	for name, c := range map[string]struct {
		page page
		down bool
		took time.Duration
		says string
	}{
		"refused":   {refused, true, 0, "does not answer"},
		"hanging":   {hangs, true, defaultBudget, "no answer within 5s"},
		"absent":    {absent, false, 0, "404"},
		"forbidden": {page{err: fmt.Errorf("%w", errForbidden)}, false, 0, "not one of the public"},
		"garbage":   {page{body: []byte("<html>")}, true, 0, "no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leaf := newCA(t, time.Now()).leaf(names{aia: []string{aiaURL}})
				w := newWeb()
				w.put(aiaURL, c.page)
				k := &Keeper{Fetcher: w}
				defer k.Close()
				got, took := settledIssuers(t, k, leaf)
				if len(got.Certificates) != 0 || got.Down != c.down || took != c.took || !strings.Contains(got.Detail, c.says) {
					t.Errorf("after %v: %+v", took, got)
				}
			})
		})
	}
}

func TestAS69_URLsThatAreNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		k := &Keeper{Fetcher: newWeb()}
		defer k.Close()
		ldap := k.Issuers(auth.leaf(names{aia: []string{"ldap://a.example/cn=ca"}}))
		if ldap.Pending != nil || ldap.Down || !strings.Contains(ldap.Detail, "ldap://a.example/cn=ca") {
			t.Errorf("LDAP: %+v", ldap)
		}
		none := k.Issuers(auth.leaf(names{}))
		if none.Pending != nil || none.Detail != "" || k.Issuers(nil).Pending != nil {
			t.Errorf("no URL: %+v", none)
		}
		w := k.Fetcher.(*web)
		var lots []string
		for i := range 50 {
			lots = append(lots, fmt.Sprintf("http://h%d.example/", i))
		}
		got, _ := settledIssuers(t, k, auth.leaf(names{aia: lots}))
		if w.count() != trust.MaxIssuerURLs || !strings.Contains(got.Detail, "further") {
			t.Errorf("%d fetched: %s", w.count(), got.Detail)
		}
	})
}

// One of several servers is enough, and the one that is dead is not waited for
// by those who have what they need.
func TestAS70_OneServerOfSeveralIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		leaf := auth.leaf(names{aia: []string{"http://dead.example/", aiaURL}})
		w := newWeb()
		w.put("http://dead.example/", hangs)
		w.put(aiaURL, page{body: auth.Cert.Raw, after: time.Second})
		k := &Keeper{Fetcher: w}
		defer k.Close()
		began := time.Now()
		<-k.Issuers(leaf).Pending
		got := k.Issuers(leaf)
		if len(got.Certificates) != 1 || time.Since(began) != time.Second || !got.Down || got.Pending == nil {
			t.Errorf("after %v: %+v", time.Since(began), got)
		}
	})
}

func TestIssuersAreRenewed(t *testing.T) {
	for name, c := range map[string]struct{ fresh, want time.Duration }{
		"unsaid":   {0, 24 * time.Hour},
		"too soon": {time.Minute, time.Hour},
		"too late": {60 * aDay, 7 * aDay},
		"as said":  {2 * aDay, 2 * aDay},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				auth := newCA(t, time.Now())
				leaf := auth.leaf(names{aia: []string{aiaURL}})
				w := newWeb()
				w.put(aiaURL, page{body: auth.Cert.Raw, fresh: c.fresh})
				k := &Keeper{Fetcher: w}
				defer k.Close()
				settledIssuers(t, k, leaf)
				time.Sleep(c.want - time.Second)
				settledIssuers(t, k, leaf)
				if w.count() != 1 {
					t.Fatal("fetched again too early")
				}
				time.Sleep(time.Second)
				w.put(aiaURL, hangs)
				got := k.Issuers(leaf) // the old ones serve meanwhile
				synctest.Wait()
				if w.count() != 2 || len(got.Certificates) != 1 {
					t.Errorf("fetched %d times: %+v", w.count(), got)
				}
			})
		})
	}
}
