package revocation_test

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"postern/trust"
	"postern/trust/revocation"
)

// manyEntries is the size of the largest lists that are to be met.
const manyEntries = 500_000

// largeCRL is a CRL of n entries in no order, with serial numbers of 20 octets
// and reasons. Made once for each n.
func largeCRL(t testing.TB, n int) []byte {
	t.Helper()
	large.Lock()
	defer large.Unlock()
	if large.made[n] == nil {
		if large.made == nil {
			large.made = map[int][]byte{}
		}
		all := make([][]byte, n)
		template := seq(marshal(largeSerial(0)), utc(revoked), seq(reasonExt(4)))
		for i := range all {
			all[i] = bytes.Clone(template)
			largeSerial(i).FillBytes(all[i][4:24]) // after the heads of SEQUENCE and INTEGER
		}
		large.made[n] = newWorld(t).crl(list{entries: all})
	}
	return large.made[n]
}

var large struct {
	sync.Mutex
	made map[int][]byte
}

// largeSerial returns serial numbers of 20 octets that are scattered over their
// range.
func largeSerial(i int) *big.Int {
	b := make([]byte, 20)
	b[0] = 0x40
	binary.BigEndian.PutUint32(b[1:], uint32(i)*2654435761)
	binary.BigEndian.PutUint32(b[16:], uint32(i))
	return new(big.Int).SetBytes(b)
}

func TestCP11_HugeCRLIsReadInLittleMemory(t *testing.T) {
	w := newWorld(t)
	der := largeCRL(t, manyEntries)
	c, before, after := (*revocation.CRL)(nil), runtime.MemStats{}, runtime.MemStats{}
	runtime.ReadMemStats(&before)
	c, err := revocation.ParseCRL(der)
	runtime.ReadMemStats(&after)
	if err != nil || c.Len() != manyEntries {
		t.Fatalf("%d entries, %v", c.Len(), err)
	}
	// Sixteen octets for each entry while they are sorted, and four for good,
	// with room for having guessed their number.
	allocated := after.TotalAlloc - before.TotalAlloc
	if allocated > 32*manyEntries {
		t.Errorf("reading %d entries of %d octets allocated %d", manyEntries, len(der), allocated)
	}
	cert := *w.leaf
	for _, i := range []int{0, 1, manyEntries / 2, manyEntries - 1, manyEntries, manyEntries + 1} {
		cert.SerialNumber = largeSerial(i)
		a, err := c.Check(&cert, w.root.Cert, within)
		if err != nil || (a.Status == trust.IsRevoked) != (i < manyEntries) {
			t.Errorf("entry %d: %+v, %v", i, a, err)
		}
	}
}

// TestCP11_CRLIsReadInLinearTime compares the cost of one entry among few and
// among many, also when all are the same.
func TestCP11_CRLIsReadInLinearTime(t *testing.T) {
	w := newWorld(t)
	same := func(n int) []byte { return w.crl(list{entries: repeated(entry(1000, revoked, reasonExt(4)), n)}) }
	for name, make := range map[string]func(int) []byte{
		"scattered": func(n int) []byte { return largeCRL(t, n) },
		"the same":  same,
	} {
		const few, many = 10_000, 200_000
		small := cost(t, make(few)) / few
		big := cost(t, make(many)) / many
		t.Logf("%s: %v an entry of %d, %v of %d", name, small, few, big, many)
		if big > 12*small+time.Microsecond {
			t.Errorf("%s: an entry costs %v among %d and %v among %d", name, small, few, big, many)
		}
	}
	_, err := checkBuilt(t, w, list{entries: repeated(entry(1000, revoked), 100_000)}, within)
	wantError(t, revocation.Answer{}, err, "more than 16 entries")
}

// cost is the least time that reading takes.
func cost(t *testing.T, der []byte) time.Duration {
	t.Helper()
	least := time.Hour
	for range 5 {
		began := time.Now()
		_, err := revocation.ParseCRL(der)
		if err != nil {
			t.Fatal(err)
		}
		least = min(least, time.Since(began))
	}
	return least
}

func BenchmarkParseCRL(b *testing.B) {
	der := largeCRL(b, manyEntries)
	for name, parse := range map[string]func() error{
		"postern": func() error { _, err := revocation.ParseCRL(der); return err },
		"x509":    func() error { _, err := x509.ParseRevocationList(der); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(der)))
			b.ReportAllocs()
			for b.Loop() {
				err := parse()
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheckCRL shows that the size of a CRL matters little to a look into
// it.
func BenchmarkCheckCRL(b *testing.B) {
	w := newWorld(b)
	for _, n := range []int{10, 10_000, manyEntries} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c, err := revocation.ParseCRL(largeCRL(b, n))
			if err != nil {
				b.Fatal(err)
			}
			cert := *w.leaf
			for i := 0; b.Loop(); i++ {
				cert.SerialNumber = largeSerial(i % (2 * n)) // every other is there
				_, err := c.Check(&cert, w.root.Cert, within)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheckOCSP(b *testing.B) {
	w := newWorld(b)
	response := w.ocsp(reply{singles: [][]byte{w.single(good(), until(ends))}, by: w.responder, certs: testnetCerts(w)})
	b.ReportAllocs()
	for b.Loop() {
		_, err := revocation.CheckOCSP(response, w.leaf, w.root.Cert, within)
		if err != nil {
			b.Fatal(err)
		}
	}
}
