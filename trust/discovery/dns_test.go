package discovery_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

func TestNewDNSReadsServers(t *testing.T) {
	for _, good := range [][]string{nil, {"127.0.0.1"}, {"127.0.0.1:5353", "[::1]:53", "::1"}} {
		if _, err := discovery.NewDNS(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "localhost", "localhost:53", "127.0.0.1:x", "127.0.0.1:99999"} {
		if _, err := discovery.NewDNS([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// A server may answer badly in many ways; a good answer must still be found.
func TestCP12_AnswersThatNeedAnotherTry(t *testing.T) {
	for _, c := range []struct {
		name   string
		handle func(w dns.ResponseWriter, q *dns.Msg)
	}{
		{"truncated", func(w dns.ResponseWriter, q *dns.Msg) {
			m := reply(q)
			if !overTCP(w) {
				m.Truncated, m.Answer = true, nil
			}
			_ = w.WriteMsg(m)
		}},
		{"garbage", func(w dns.ResponseWriter, q *dns.Msg) {
			if overTCP(w) {
				_ = w.WriteMsg(reply(q))
				return
			}
			_, _ = w.Write([]byte{byte(q.Id >> 8), byte(q.Id), 0x80, 0, 0, 9, 0, 9, 0, 0, 0, 0, 0xff})
		}},
		{"answer to another question", func(w dns.ResponseWriter, q *dns.Msg) {
			m := reply(q)
			if !overTCP(w) {
				m.Question[0].Name = "other.example."
			}
			_ = w.WriteMsg(m)
		}},
		{"forged before true", func(w dns.ResponseWriter, q *dns.Msg) {
			forged := reply(q)
			forged.Id++
			forged.Answer[0].(*dns.A).A[3] = 66
			_ = w.WriteMsg(forged)
			_ = w.WriteMsg(reply(q))
		}},
		{"no EDNS0", func(w dns.ResponseWriter, q *dns.Msg) {
			if q.IsEdns0() != nil {
				code(dns.RcodeFormatError)(w, q)
				return
			}
			_ = w.WriteMsg(reply(q))
		}},
		{"case of the name changed", func(w dns.ResponseWriter, q *dns.Msg) {
			q.Question[0].Name = strings.ToUpper(q.Question[0].Name)
			_ = w.WriteMsg(reply(q))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := client(t, fake(t, func(w dns.ResponseWriter, q *dns.Msg) {
				if q.Question[0].Qtype != dns.TypeA {
					code(dns.RcodeSuccess)(w, q)
					return
				}
				c.handle(w, q)
			}))
			got, err := d.LookupHost(t.Context(), "o'brien.b.example")
			if err != nil || len(got) != 1 || got[0] != netip.MustParseAddr("192.0.2.1") {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestCD9_FailuresAreToldFromAnswers(t *testing.T) {
	ours := serve(t, named.A("host.b.example", loopback))
	for _, c := range []struct {
		name, server, query string
		temporary           bool
		want                error
	}{
		{"NXDOMAIN", ours, "nobody.b.example", false, discovery.ErrNoName},
		{"NODATA", ours, "host.b.example", false, discovery.ErrNoData},
		{"not a name", ours, strings.Repeat("x", 64) + ".b.example", false, discovery.ErrNoName},
		{"REFUSED", ours, "elsewhere.example", true, discovery.ErrServer},
		{"SERVFAIL", fake(t, code(dns.RcodeServerFailure)), "b.example", true, discovery.ErrServer},
		{"referral", fake(t, func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: "b.example.", Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: "ns.b.example."}}
			_ = w.WriteMsg(m)
		}), "alice.b.example", true, discovery.ErrServer},
		{"nobody listens", testnet.DeadPort(t), "b.example", true, discovery.ErrServer},
		{"endless aliases", aliased(t, ours, map[string]string{"loop.b.example.": "loop.b.example."}), "loop.b.example", true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := client(t, c.server).LookupCERT(t.Context(), c.query)
			var e *discovery.DNSError
			if !errors.As(err, &e) || e.Temporary() != c.temporary || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCD9_NextServerAnswersForOneThatFails(t *testing.T) {
	good := serve(t, named.A("host.b.example", loopback))
	for _, bad := range []string{fake(t, code(dns.RcodeServerFailure)), testnet.DeadPort(t), silent(t)} {
		d := client(t, bad, good)
		d.TryTimeout = 300 * time.Millisecond
		for range 4 { // the order is drawn
			got, err := d.LookupHost(t.Context(), "host.b.example")
			if err != nil || len(got) != 1 {
				t.Errorf("got %v, %v", got, err)
			}
		}
	}
}

func TestSilenceEndsByTriesAndByContext(t *testing.T) {
	d := client(t, silent(t))
	d.TryTimeout, d.Tries = 20*time.Millisecond, 3
	began := time.Now()
	_, err := d.LookupCERT(t.Context(), "b.example")
	if took := time.Since(began); !errors.Is(err, discovery.ErrServer) || took < 60*time.Millisecond {
		t.Errorf("after %v: %v", took, err)
	}

	d.TryTimeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = d.LookupCERT(ctx, "c.example")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCD8_AliasesAreFollowedSoFar(t *testing.T) {
	names := make(map[string]string)
	for i, name := range "abcdefghi" {
		names[string(name)+".b.example."] = "bcdefghij"[i:i+1] + ".b.example."
	}
	d := client(t, aliased(t, serve(t, named.A("j.b.example", loopback)), names))
	if got, err := d.LookupHost(t.Context(), "b.b.example"); err != nil || len(got) != 1 {
		t.Errorf("8 aliases: %v, %v", got, err)
	}
	if _, err := d.LookupHost(t.Context(), "a.b.example"); reason.Of(err) != reason.DiscoveryTimeout {
		t.Errorf("9 aliases: %v", err)
	}
}

func TestLookupMX(t *testing.T) {
	d := client(t, aliased(t, serve(t,
		named.MX("b.example", 20, "second.b.example"), named.MX("b.example", 10, "first.b.example"),
		named.MX("null.b.example", 0, "."),
		named.MX("mixed.b.example", 0, "."), named.MX("mixed.b.example", 5, "host.b.example"),
		named.A("host.b.example", loopback), named.A("six.b.example", netip.IPv6Loopback()),
		named.SRV("_x._tcp.b.example", 0, 0, 1, "host.b.example")), map[string]string{"alias.b.example.": "b.example."}))
	for _, c := range []struct {
		domain string
		want   []discovery.MX
		code   reason.Code
	}{
		{"b.example", []discovery.MX{{"first.b.example", 10}, {"second.b.example", 20}}, reason.OK},
		{"alias.b.example", []discovery.MX{{"first.b.example", 10}, {"second.b.example", 20}}, reason.OK},
		{"host.b.example", []discovery.MX{{"host.b.example", 0}}, reason.OK},
		{"six.b.example", []discovery.MX{{"six.b.example", 0}}, reason.OK},
		{"mixed.b.example", []discovery.MX{{"host.b.example", 5}}, reason.OK},
		{"null.b.example", nil, reason.NullMX},
		{"_tcp.b.example", nil, reason.NoRoute}, // it exists, with neither MX nor address
		{"nobody.b.example", nil, reason.NoRoute},
		{"elsewhere.example", nil, reason.DiscoveryTimeout},
	} {
		t.Run(c.domain, func(t *testing.T) {
			got, err := d.LookupMX(t.Context(), domainOf(c.domain))
			if reason.Of(err) != c.code {
				t.Errorf("code %s (%v), want %s", reason.Of(err), err, c.code)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLookupHostTakesWhatThereIs(t *testing.T) {
	d := client(t, serve(t, named.A("both.b.example", loopback), named.A("both.b.example", netip.IPv6Loopback())))
	got, err := d.LookupHost(t.Context(), "both.b.example")
	if err != nil || len(got) != 2 || got[0] != loopback {
		t.Errorf("got %v, %v", got, err)
	}
	// Hosts are looked up for directories and web servers too.
	if _, err := d.LookupHost(t.Context(), "none.b.example"); reason.Of(err) != reason.NoRoute || strings.Contains(err.Error(), "mail") {
		t.Errorf("got %v", err)
	}
	// One family fails for a while: the other must do if it is there, and its
	// absence says nothing.
	half := client(t, fake(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Qtype == dns.TypeA && strings.HasPrefix(q.Question[0].Name, "four.") {
			_ = w.WriteMsg(reply(q))
			return
		}
		if q.Question[0].Qtype == dns.TypeA {
			code(dns.RcodeSuccess)(w, q)
			return
		}
		code(dns.RcodeServerFailure)(w, q)
	}))
	if got, err := half.LookupHost(t.Context(), "four.b.example"); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := half.LookupHost(t.Context(), "none.b.example"); reason.Of(err) != reason.DiscoveryTimeout {
		t.Errorf("got %v", err)
	}
}

func TestCD25_NoServiceIsNoServer(t *testing.T) {
	d := client(t, serve(t, named.SRV("_ldap._tcp.b.example", 0, 0, 389, ".")))
	if got, err := d.LookupSRV(t.Context(), "_ldap._tcp.b.example"); !errors.Is(err, discovery.ErrNoData) {
		t.Errorf("got %v, %v", got, err)
	}
}
