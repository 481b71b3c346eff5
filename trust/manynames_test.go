package trust_test

import (
	"fmt"
	"runtime"
	"testing"

	"postern/internal/testnet"
	"postern/trust"
)

// allocated is how many octets f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

func mailboxes(n int, domain string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%x@%s", i, domain)
	}
	return all
}

// A certificate with a crowd of names speaks for none of them.
func TestAS17_TooManyNamesBindNobody(t *testing.T) {
	root := testnet.NewPKI(t, now).Root("root")
	addr := address(t, "alice@b.example")
	for n, bound := range map[int]bool{999: true, 1000: false, 90_000: false} {
		cert := root.Leaf("b.example", plain(testnet.SAN(append(mailboxes(n, "c.example"), "alice@b.example"), nil))...).Cert
		if _, ok := trust.Binds(cert, addr, trust.V12); ok != bound {
			t.Errorf("bound beside %d other names: %v", n, ok)
		}
	}
	domains := root.Leaf("b.example", plain(testnet.SAN(mailboxes(500, "c.example"), repeat("b.example", 501)))...).Cert
	if by, ok := trust.Binds(domains, addr, trust.V12); ok {
		t.Errorf("bound by %s of 1001 names", by)
	}
}

func repeat(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// Names of other domains are passed over without being read.
func TestOtherNamesCostNothing(t *testing.T) {
	root := testnet.NewPKI(t, now).Root("root")
	addr := address(t, "alice@b.example")
	cost := func(n int) float64 {
		cert := root.Leaf("b.example", plain(testnet.SAN(mailboxes(n, "c.example"), repeat("d.example", n)))...).Cert
		return testing.AllocsPerRun(5, func() { trust.Binds(cert, addr, trust.V12) })
	}
	// The refusal quotes the first of them.
	if few, many := cost(5), cost(500); many > few+5 {
		t.Errorf("%v allocations for 10 names, %v for 1000", few, many)
	}
}

func BenchmarkBindsManyNames(b *testing.B) {
	root := testnet.NewPKI(b, now).Root("root")
	addr := address(b, "alice@b.example")
	for _, n := range []int{1000, 90_000} {
		cert := root.Leaf("b.example", plain(testnet.SAN(mailboxes(n, "b.example"), nil))...).Cert
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				trust.Binds(cert, addr, trust.V12)
			}
		})
	}
}
