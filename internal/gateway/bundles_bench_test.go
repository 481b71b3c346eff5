package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/bundle"
	"postern/internal/fetch"
	"postern/internal/gateway/care"
	"postern/internal/testnet"
	"postern/store"
	"postern/trust"
)

// hugeBundle is how many anchors the benchmarks have: ten times the largest
// community.
const hugeBundle = 10_000

// manyAnchors makes certificates as large as authorities' are, each with a name
// and an RSA key of its own, to which nobody has the private key.
func manyAnchors(b testing.TB, n int) []*x509.Certificate {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	registry := &x509.Certificate{Subject: pkix.Name{CommonName: "registry"}}
	certs := make([]*x509.Certificate, n)
	for i := range certs {
		modulus, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 2047))
		if err != nil {
			b.Fatal(err)
		}
		modulus.SetBit(modulus, 2047, 1).SetBit(modulus, 0, 1)
		host := fmt.Sprintf("http://ca%d.directtrust.example", i)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(9, 0, 0),
			Subject: pkix.Name{
				Country: []string{"US"}, Organization: []string{fmt.Sprintf("Health Information Service Provider %d, Inc.", i)},
				OrganizationalUnit: []string{"Direct Messaging Trust Services"}, CommonName: fmt.Sprintf("Direct Issuing CA %d", i),
			},
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			SubjectKeyId: modulus.Bytes()[:20], AuthorityKeyId: modulus.Bytes()[20:40],
			CRLDistributionPoints: []string{host + "/crl/issuing.crl"}, OCSPServer: []string{host + "/ocsp"},
			IssuingCertificateURL: []string{host + "/aia/issuing.p7c"},
		}, registry, &rsa.PublicKey{N: modulus, E: 65537}, key)
		if err != nil {
			b.Fatal(err)
		}
		certs[i], err = x509.ParseCertificate(der)
		if err != nil {
			b.Fatal(err)
		}
	}
	return certs
}

// files hands out one file after the other, round and round.
type files struct {
	all  [][]byte
	next atomic.Int64
}

func (f *files) Do(context.Context, fetch.Request) (fetch.Document, error) {
	n := f.next.Add(1) - 1
	return fetch.Document{Body: slices.Clone(f.all[n%int64(len(f.all))])}, nil
}

// benchSite is a Core over a store on the disk which believes a bundle.
func benchSite(b *testing.B, fetcher bundle.Fetcher) *Core {
	b.Helper()
	db, err := store.Create(filepath.Join(b.TempDir(), care.StoreFile), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	c := &Core{Store: db, Bundles: fetcher, Log: slog.New(slog.DiscardHandler)}
	c.setDefaults()
	b.Cleanup(c.Close)
	err = db.Update(b.Context(), func(tx store.Tx) error {
		err := tx.PutDomain(store.Domain{Name: "b.example"})
		if err != nil {
			return err
		}
		return tx.PutBundle(store.Bundle{
			Name: "huge", URL: "https://huge.example/bundle", Attached: []store.Attachment{{Domain: "", Direction: store.Both}},
		})
	})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func benchRefresh(b *testing.B, c *Core) {
	b.Helper()
	r, err := c.RefreshBundles(b.Context(), nil)
	if err != nil || r[0].Failure != "" || !r[0].Changed {
		b.Fatalf("refreshed: %v, %v", r, err)
	}
}

// BenchmarkRefresh is a refresh of 10,000 anchors of which a hundred are others,
// from the file to the Directory, while mail flows: small transactions, and
// certificates that are judged by the Directory of the moment. Beside the time of
// a refresh it reports the longest wait of either, and that while nothing is
// refreshed.
func BenchmarkRefresh(b *testing.B) {
	certs := manyAnchors(b, hugeBundle+100)
	root := testnet.NewPKI(b, time.Now()).Root("root")
	write := func(certs []*x509.Certificate) []byte {
		file, err := bundle.Write(append(testnet.Certs(root), certs...))
		if err != nil {
			b.Fatal(err)
		}
		return file
	}
	f := &files{all: [][]byte{write(certs[:hugeBundle]), write(certs[100:])}}
	c := benchSite(b, f)
	benchRefresh(b, c)
	quiet := newLoad(b, c, root)
	<-time.After(2 * time.Second)
	quiet.end()
	mail := newLoad(b, c, root)
	for b.Loop() {
		benchRefresh(b, c)
	}
	mail.end()
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/refresh")
	b.ReportMetric(millis(mail.updates), "longest-update-ms")
	b.ReportMetric(millis(mail.judgements), "longest-judge-ms")
	b.ReportMetric(millis(quiet.updates), "quiet-update-ms")
	b.ReportMetric(millis(quiet.judgements), "quiet-judge-ms")
	b.ReportMetric(0, "ns/op")
}

// A load is what mail asks of a Core.
type load struct {
	stop                chan struct{}
	running             sync.WaitGroup
	updates, judgements time.Duration // the longest
}

func newLoad(b *testing.B, c *Core, root *testnet.Identity) *load {
	l := &load{stop: make(chan struct{})}
	leaf := root.Leaf("b.example", testnet.EC(elliptic.P256())).Cert
	run := func(longest *time.Duration, work func(n int) error) {
		l.running.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				case <-time.After(time.Millisecond):
				}
				began := time.Now()
				err := work(n)
				if err != nil {
					b.Error(err)
					return
				}
				*longest = max(*longest, time.Since(began))
			}
		})
	}
	ctx := b.Context()
	run(&l.updates, func(n int) error {
		return c.Store.Update(ctx, func(tx store.Tx) error {
			return tx.PutDocument(store.Document{Key: fmt.Sprint(n % 100), Body: make([]byte, 2000)})
		})
	})
	run(&l.judgements, func(int) error {
		dir, err := c.Directory(ctx)
		if err != nil {
			return err
		}
		return trust.Judge(trust.Params{
			Certificate: leaf, Purpose: trust.Encrypt, Address: addr(b, "mail@b.example"),
			Anchors: dir.Anchors("b.example", store.Out), At: time.Now(),
		}).Err()
	})
	return l
}

func (l *load) end() {
	close(l.stop)
	l.running.Wait()
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkDirectory is what a change of an account costs beside 10,000 anchors of
// bundles, and what an anchor of a bundle takes in memory.
func BenchmarkDirectory(b *testing.B) {
	certs := manyAnchors(b, hugeBundle)
	file, err := bundle.Write(certs)
	if err != nil {
		b.Fatal(err)
	}
	c := benchSite(b, &files{all: [][]byte{file}})
	before := heapInUse()
	benchRefresh(b, c)
	room := heapInUse() - before
	for b.Loop() {
		b.StopTimer() // the commit is not what is measured
		err := c.Store.Update(b.Context(), func(tx store.Tx) error {
			return tx.PutAccount(store.Account{Address: addr(b, "bob@b.example")})
		})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		_, err = c.Directory(b.Context())
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(room/hugeBundle, "B/anchor")
}

func heapInUse() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
