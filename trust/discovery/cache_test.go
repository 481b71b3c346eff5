package discovery

import (
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/testnet"
)

const b = "b.example."

// lives checks that the answer to a question is kept for exactly life.
func lives(t *testing.T, s *nameserver, d *DNS, clock *testnet.Clock, name string, qtype uint16, life time.Duration) {
	t.Helper()
	first := kindOfQuery(t, d, name, qtype)
	if first.cached || len(first.trail) == 0 || first.left != life {
		t.Errorf("asked: %+v, want it to live for %v", first, life)
	}
	asked := s.count("")
	if life > 0 {
		clock.Advance(life - time.Second)
		again := kindOfQuery(t, d, name, qtype)
		if !again.cached || len(again.trail) != 0 || again.age != life-time.Second || again.left != time.Second ||
			again.kind != first.kind || again.server != first.server || len(again.records) != len(first.records) {
			t.Errorf("kept: %+v, first %+v", again, first)
		}
		if s.count("") != asked {
			t.Error("a kept answer was asked for")
		}
		clock.Advance(time.Second)
	}
	last := kindOfQuery(t, d, name, qtype)
	if last.cached || s.count("") == asked {
		t.Error("the answer was kept for longer")
	}
}

func TestCD12_AnswersLiveByTheLeastTTL(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		life    time.Duration
	}{
		{"one record", []string{"b.example. 60 IN CERT 1 0 0 AAAA"}, time.Minute},
		{"several", []string{"b.example. 90 IN CERT 1 0 0 AAAA", "b.example. 20 IN CERT 1 0 0 AAAB"}, 20 * time.Second},
		{"through an alias", []string{"b.example. 10 IN CNAME c.example.", "c.example. 60 IN CERT 1 0 0 AAAA"}, 10 * time.Second},
		{"at the end of an alias", []string{"b.example. 60 IN CNAME c.example.", "c.example. 10 IN CERT 1 0 0 AAAA"}, 10 * time.Second},
		{"long", []string{"b.example. 86400 IN CERT 1 0 0 AAAA"}, time.Hour},
		{"top bit", []string{"b.example. 2147483648 IN CERT 1 0 0 AAAA"}, 0},
		{"none", []string{"b.example. 0 IN CERT 1 0 0 AAAA"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := nameserverAt(t, "127.0.0.1:0")
			s.on("b.example. CERT", gives(t, false, c.answers...))
			d, clock := dnsClient(t, s)
			lives(t, s, d, clock, b, dns.TypeCERT, c.life)
		})
	}
}

func TestCD12_CertificatesAreFoundAnewWhenTheFirstEnds(t *testing.T) {
	root := testnet.NewPKI(t, testStart).Root("root")
	until := func(end time.Duration) []byte {
		return root.Leaf("b.example", testnet.EC(elliptic.P256()),
			testnet.Valid(-24*time.Hour, end)).Cert.Raw
	}
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. CERT", gives(t, false,
		certRecord(b, 3600, until(30*time.Minute)), certRecord(b, 3600, until(10*time.Minute)), certRecord(b, 3600, until(-time.Hour))))
	d, clock := dnsClient(t, s)
	lives(t, s, d, clock, b, dns.TypeCERT, 10*time.Minute)
}

func TestCD9_NegativeAnswersLiveBySOA(t *testing.T) {
	soa := func(owner string, ttl, minimum int) string {
		return fmt.Sprintf("%s %d IN SOA ns.b.example. root.b.example. 1 3600 600 86400 %d", owner, ttl, minimum)
	}
	for _, c := range []struct {
		name  string
		rcode int
		soa   string
		life  time.Duration
		kind  Answer
	}{
		{"minimum", dns.RcodeNameError, soa(b, 60, 40), 40 * time.Second, AnswerNoName},
		{"TTL of the SOA", dns.RcodeSuccess, soa(b, 30, 40), 30 * time.Second, AnswerNoRecord},
		{"of the parent", dns.RcodeSuccess, soa("example.", 30, 40), 30 * time.Second, AnswerNoRecord},
		{"long", dns.RcodeNameError, soa(b, 86400, 86400), 5 * time.Minute, AnswerNoName},
		{"minimum 0", dns.RcodeNameError, soa(b, 60, 0), 0, AnswerNoName},
		{"minimum with the top bit", dns.RcodeNameError, soa(b, 60, 1<<31), 0, AnswerNoName},
		{"another's SOA", dns.RcodeNameError, soa("c.example.", 60, 60), 5 * time.Second, AnswerNoName},
		{"no SOA", dns.RcodeSuccess, "b.example. 60 IN TXT x", 5 * time.Second, AnswerNoRecord},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := nameserverAt(t, "127.0.0.1:0")
			s.on("b.example. CERT", denies(t, c.rcode, c.soa))
			first, _ := dnsClient(t, s)
			if a := kindOfQuery(t, first, b, dns.TypeCERT); a.kind != c.kind {
				t.Errorf("kind %s", a.kind)
			}
			d, clock := dnsClient(t, s)
			lives(t, s, d, clock, b, dns.TypeCERT, c.life)
		})
	}
}

func TestCD9_FailuresAreNotAskedAboutAtOnce(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("", says(dns.RcodeServerFailure))
	d, clock := dnsClient(t, s)
	lives(t, s, d, clock, b, dns.TypeMX, 30*time.Second)
}

func TestCD9_EachKindOfAnswerIsToldApart(t *testing.T) {
	for _, c := range []struct {
		name   string
		handle dns.HandlerFunc
		want   Answer
	}{
		{"found", gives(t, false, "b.example. 60 IN MX 0 b.example."), AnswerFound},
		{"NXDOMAIN", says(dns.RcodeNameError), AnswerNoName},
		{"NODATA", says(dns.RcodeSuccess), AnswerNoRecord},
		{"NODATA at the end of an alias", func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Answer = rrs(t, "b.example. 60 IN CNAME c.example.")
			m.Ns = rrs(t, "c.example. 60 IN SOA ns.c.example. root.c.example. 1 2 3 4 60")
			_ = w.WriteMsg(m)
		}, AnswerNoRecord},
		{"SERVFAIL", says(dns.RcodeServerFailure), AnswerServFail},
		{"REFUSED", says(dns.RcodeRefused), AnswerRefused},
		{"NOTIMP", says(dns.RcodeNotImplemented), AnswerRefused},
		{"FORMERR", says(dns.RcodeFormatError), AnswerBroken},
		{"a code that nobody knows", says(13), AnswerBroken},
		{"silence", ignores, AnswerTimeout},
		{"referral", refers(t, []string{"b.example. 60 IN NS ns.b.example."}), AnswerBroken},
		{"garbage", func(w dns.ResponseWriter, q *dns.Msg) {
			_, _ = w.Write([]byte{byte(q.Id >> 8), byte(q.Id), 0x80, 0, 0, 9, 0, 9, 0, 0, 0, 0, 0xff})
		}, AnswerBroken},
		{"truncated over TCP as well", func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			_ = w.WriteMsg(m)
		}, AnswerBroken},
		{"short", func(w dns.ResponseWriter, q *dns.Msg) { _, _ = w.Write([]byte{1, 2, 3}) }, AnswerBroken},
		{"answers to other ids without end", func(w dns.ResponseWriter, q *dns.Msg) {
			for range 3 * maxStray {
				q.Id++
				_ = w.WriteMsg(new(dns.Msg).SetReply(q))
			}
		}, AnswerBroken},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := nameserverAt(t, "127.0.0.1:0")
			s.on("b.example. MX", c.handle)
			d, _ := dnsClient(t, s)
			if a := kindOfQuery(t, d, b, dns.TypeMX); a.kind != c.want || a.server != s.addr.String() {
				t.Errorf("got %+v, want %s", a, c.want)
			}
		})
	}
}

func TestFreshAsksAnewAndIsKept(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. CERT", gives(t, false, "b.example. 60 IN CERT 1 0 0 AAAA"))
	d, clock := dnsClient(t, s)
	kindOfQuery(t, d, b, dns.TypeCERT)
	clock.Advance(time.Second)
	s.on("b.example. CERT", gives(t, false, "b.example. 60 IN CERT 1 0 0 AAAB"))
	a, err := d.query(t.Context(), b, dns.TypeCERT, true)
	if err != nil || a.cached || len(a.trail) != 1 {
		t.Fatalf("got %+v, %v", a, err)
	}
	kept := kindOfQuery(t, d, "B.Example", dns.TypeCERT) // names have no case
	if !kept.cached || kept.age != 0 || kept.records[0].String() != a.records[0].String() {
		t.Errorf("kept %+v", kept)
	}

	// A failure now says nothing against what is kept, but an answer does.
	s.on("b.example. CERT", says(dns.RcodeServerFailure))
	_, err = d.query(t.Context(), b, dns.TypeCERT, true)
	if !temporary(err) {
		t.Fatalf("got %v", err)
	}
	if kept := kindOfQuery(t, d, b, dns.TypeCERT); kept.kind != AnswerFound {
		t.Errorf("kept %+v", kept)
	}
	s.on("b.example. CERT", denies(t, dns.RcodeNameError, "b.example. 0 IN SOA ns.b.example. root.b.example. 1 2 3 4 0"))
	_, err = d.query(t.Context(), b, dns.TypeCERT, true)
	if !errors.Is(err, ErrNoName) {
		t.Fatalf("got %v", err)
	}
	if kept := kindOfQuery(t, d, b, dns.TypeCERT); kept.cached {
		t.Errorf("kept %+v", kept)
	}
}

func TestAnswersFromTheFutureDoNotCount(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. CERT", gives(t, false, "b.example. 60 IN CERT 1 0 0 AAAA"))
	d, clock := dnsClient(t, s)
	kindOfQuery(t, d, b, dns.TypeCERT)
	clock.Advance(-time.Second)
	if a := kindOfQuery(t, d, b, dns.TypeCERT); a.cached {
		t.Errorf("got %+v", a)
	}
}

func TestMailServersAreKeptToo(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. MX", gives(t, false, "b.example. 60 IN MX 5 mx.b.example."))
	s.on("mx.b.example. A", gives(t, false, "mx.b.example. 60 IN A 127.0.0.1"))
	s.on("mx.b.example. AAAA", says(dns.RcodeSuccess))
	d, _ := dnsClient(t, s)
	for range 3 {
		mx, err := d.LookupMX(t.Context(), "b.example")
		if err != nil || len(mx) != 1 {
			t.Fatal(mx, err)
		}
		hosts, err := d.LookupHost(t.Context(), mx[0].Host)
		if err != nil || len(hosts) != 1 {
			t.Fatal(hosts, err)
		}
	}
	if n := s.count(""); n != 3 {
		t.Errorf("%d questions", n)
	}
	if got, want := d.Stats(), (Stats{Questions: 3, Hits: 6}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// put keeps an answer of about n octets for name.
func put(t *testing.T, c *lru[dnsKey, *entry], name string, n int, now time.Time) {
	t.Helper()
	f := finding{kind: AnswerFound, life: time.Minute}
	for range n / (perRecord + len(name)) {
		f.records = append(f.records, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET}})
	}
	c.put(newEntry(dnsKey{name, dns.TypeA}, f, now), now)
}

func TestCacheIsBounded(t *testing.T) {
	kept := func(c *lru[dnsKey, *entry], name string) bool {
		_, ok := c.get(dnsKey{name, dns.TypeA}, testStart)
		return ok
	}
	bounded := lru[dnsKey, *entry]{maxEntries: maxEntries, maxOctets: maxOctets}
	t.Run("entries", func(t *testing.T) {
		c := bounded
		put(t, &c, "used", 0, testStart)
		put(t, &c, "idle", 0, testStart)
		for i := range maxEntries {
			if i == maxEntries/2 && !kept(&c, "used") {
				t.Fatal("gone early")
			}
			put(t, &c, fmt.Sprint(i), 0, testStart)
		}
		if len(c.entries) != maxEntries || c.used.Len() != maxEntries {
			t.Errorf("%d entries", len(c.entries))
		}
		if !kept(&c, "used") || kept(&c, "idle") {
			t.Error("those of use the longest ago did not make room")
		}
	})
	t.Run("octets", func(t *testing.T) {
		c := bounded
		for i := range 100 {
			put(t, &c, fmt.Sprint(i), 1<<20, testStart)
		}
		if c.octets > maxOctets || c.octets < maxOctets/2 || !kept(&c, "99") || kept(&c, "0") {
			t.Errorf("%d octets", c.octets)
		}
		put(t, &c, "huge", 2*maxOctets, testStart)
		if kept(&c, "huge") || !kept(&c, "99") {
			t.Error("one answer took all the room")
		}
		for at := range c.entries {
			c.remove(c.entries[at])
		}
		if c.octets != 0 || c.used.Len() != 0 {
			t.Errorf("%d octets are left", c.octets)
		}
	})
}

func TestClosedClientAnswersFromWhatItKept(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. CERT", gives(t, false, "b.example. 60 IN CERT 1 0 0 AAAA"))
	d, _ := dnsClient(t, s)
	kindOfQuery(t, d, b, dns.TypeCERT)
	d.Close()
	d.Close()
	if a := kindOfQuery(t, d, b, dns.TypeCERT); !a.cached {
		t.Errorf("got %+v", a)
	}
	a, err := d.query(context.Background(), "c.example", dns.TypeCERT, false)
	if a.kind != AnswerNotAsked || !temporary(err) {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestWhatIsNoNameIsNotAsked(t *testing.T) {
	d, _ := dnsClient(t)
	a, err := d.query(t.Context(), "b..example", dns.TypeCERT, false)
	if a.kind != AnswerNotAsked || !errors.Is(err, ErrNoName) || temporary(err) {
		t.Errorf("got %+v, %v", a, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, err = d.query(ctx, b, dns.TypeCERT, false)
	if a.kind != AnswerNotAsked || !temporary(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %+v, %v", a, err)
	}
}
