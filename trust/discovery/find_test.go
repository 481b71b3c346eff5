package discovery_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/mime"
	"postern/trust/discovery"
	"postern/trust/reason"
)

type place struct {
	name   string
	source discovery.Source
}

func places(r discovery.Result) []place {
	var all []place
	for _, f := range r.Certificates {
		all = append(all, place{f.Certificate.Subject.CommonName, f.Source})
	}
	return all
}

func check(t *testing.T, r discovery.Result, code reason.Code, want ...place) {
	t.Helper()
	got := reason.OK
	if r.Err != nil {
		got = r.Err.Code
	}
	if got != code {
		t.Errorf("code %s (%v), want %s", got, r.Err, code)
	}
	if d := cmp.Diff(want, places(r), cmp.AllowUnexported(place{}), cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b place) bool { return a.name < b.name })); d != "" {
		t.Errorf("certificates (-want +got):\n%s", d)
	}
	for _, s := range r.Steps {
		t.Logf("%s: %s @ %s: %s %v", s.Source, s.Query, s.Server, s.Outcome, s.Err)
	}
	if t.Failed() {
		t.Log(len(r.Steps), "steps")
	}
}

// authority makes leaves for b.example quickly.
type authority struct{ root *testnet.Identity }

func newAuthority(t testing.TB) authority {
	return authority{testnet.NewPKI(t, now).Root("root")}
}

// leaf makes a certificate that the tests tell from others by its name.
func (a authority) leaf(name string) *x509.Certificate {
	return a.root.Leaf("b.example", testnet.EC(elliptic.P256()),
		testnet.Template(func(c *x509.Certificate) { c.Subject.CommonName = name })).Cert
}

func TestCD1_CD2_CD3_CD5_DNSDiscoveryAgainstBIND(t *testing.T) {
	ca := newAuthority(t)
	records := []string{
		testnet.ZoneCERT("@", ca.leaf("domain")),
		testnet.ZoneCERT("alice", ca.leaf("alice")),
		testnet.ZoneCERT("a.b", ca.leaf("dotted")),
		testnet.ZoneCERT(`o\'brien`, ca.leaf("o'brien")),
		testnet.ZoneCERT("several", ca.leaf("one")),
		testnet.ZoneCERT("several", ca.leaf("two")),
		testnet.ZoneCERTData("several", []byte("garbage")),
		testnet.ZoneCERTData("garbage", []byte("garbage")),
		"other IN CERT PGP 0 0 AAAA",
		"url IN CERT IPKIX 0 0 AAAA",
		"alias IN CNAME alice",
		"outside IN CNAME alice.c.example.",
	}
	var many []place
	for i := range 12 { // well above 1232 octets
		name := string(rune('a' + i))
		records = append(records, testnet.ZoneCERT("many", ca.leaf(name)))
		many = append(many, place{name, discovery.DNSAddress})
	}
	r := resolver(t, testnet.BIND(t, map[string][]string{
		"b.example":      records,
		"c.example":      {testnet.ZoneCERT("alice", ca.leaf("alice of c"))},
		"broken.example": {"this is no record at all"},
	}))
	domain := place{"domain", discovery.DNSDomain}
	for _, c := range []struct {
		name, address string
		code          reason.Code
		want          []place
	}{
		{"CD-1 D1 address", "alice@b.example", reason.OK, []place{{"alice", discovery.DNSAddress}}},
		{"AS-4 case", "ALICE@B.Example", reason.OK, []place{{"alice", discovery.DNSAddress}}},
		{"CD-1 dots", "a.b@b.example", reason.OK, []place{{"dotted", discovery.DNSAddress}}},
		{"CD-1 apostrophe", "o'brien@b.example", reason.OK, []place{{"o'brien", discovery.DNSAddress}}},
		{"CD-2 D2 domain", "nobody@b.example", reason.OK, []place{domain}},
		{"CD-2 a name without CERT", "ns@b.example", reason.OK, []place{domain}},
		{"CD-1 no name for it", `"a b"@b.example`, reason.OK, []place{domain}},
		{"CD-5 D9 good beside garbage", "several@b.example", reason.OK,
			[]place{{"one", discovery.DNSAddress}, {"two", discovery.DNSAddress}}},
		{"CD-41 garbage alone", "garbage@b.example", reason.NoCertificate, nil},
		{"CD-4 another type", "other@b.example", reason.OK, []place{domain}},
		{"CD-4 CD-41 IPKIX without a URL", "url@b.example", reason.NoCertificate, nil},
		{"CD-8 alias", "alias@b.example", reason.OK, []place{{"alice", discovery.DNSAddress}}},
		{"CD-8 alias to another zone", "outside@b.example", reason.OK, []place{{"alice of c", discovery.DNSAddress}}},
		{"CD-6 D14 large", "many@b.example", reason.OK, many},
		{"D13 nothing anywhere", "alice@c2.b.example", reason.NoCertificate, nil},
		{"CD-9 SERVFAIL", "alice@broken.example", reason.DiscoveryTimeout, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, r.Find(t.Context(), discovery.Request{Address: address(t, c.address)}), c.code, c.want...)
		})
	}
}

// CD-9: a step that fails is passed over, and counts only if nothing is found.
func TestCD9_FailureOfOneStepIsPassedOver(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.leaf("domain")
	for _, broken := range []string{"alice.b.example.", "b.example.", "_ldap._tcp.b.example."} {
		t.Run(broken, func(t *testing.T) {
			behind := func(addr string) *discovery.Resolver {
				return resolver(t, fake(t, func(w dns.ResponseWriter, q *dns.Msg) {
					if q.Question[0].Name == broken {
						code(dns.RcodeServerFailure)(w, q)
						return
					}
					_ = w.WriteMsg(pass(t, addr, w, q))
				}))
			}
			check(t, behind(serve(t)).Find(t.Context(), discovery.Request{Address: address(t, "alice@b.example")}), reason.DiscoveryTimeout)
			if broken == "alice.b.example." {
				check(t, behind(serve(t, named.DomainCERT("b.example", cert))).Find(t.Context(), discovery.Request{Address: address(t, "alice@b.example")}), reason.OK,
					place{"domain", discovery.DNSDomain})
			}
		})
	}
}

func TestFindEndsWithItsBudget(t *testing.T) {
	r := resolver(t, silent(t))
	r.DNS.TryTimeout, r.Budget = time.Hour, 50*time.Millisecond
	began := time.Now()
	check(t, r.Find(context.Background(), discovery.Request{Address: address(t, "alice@b.example")}), reason.DiscoveryTimeout)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestTooManyCertificatesAreCutOff(t *testing.T) {
	ca := newAuthority(t)
	var records []named.Record
	for range discovery.MaxCertificates + 5 {
		records = append(records, named.DomainCERT("b.example", ca.leaf("x")))
	}
	got := resolver(t, serve(t, records...)).Find(t.Context(), discovery.Request{Address: address(t, "alice@b.example")})
	if len(got.Certificates) != discovery.MaxCertificates {
		t.Errorf("%d certificates: %s", len(got.Certificates), got.Steps[1].Outcome)
	}
}

func TestNullAddressHasNoCertificate(t *testing.T) {
	check(t, resolver(t, silent(t)).Find(t.Context(), discovery.Request{Address: mime.Address{}}), reason.NoCertificate)
}
