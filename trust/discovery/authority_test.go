package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/guard"
)

// A domainWorld is a resolver that refuses questions for CERT, and b.example
// with a server of its own at 127.0.0.2.
type domainWorld struct {
	resolver, own *nameserver
	dns           *DNS
}

func newDomainWorld(t *testing.T) domainWorld {
	t.Helper()
	w := domainWorld{resolver: nameserverAt(t, "127.0.0.1:0"), own: nameserverAt(t, "127.0.0.2:0")}
	w.resolver.on("", func(rw dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Qtype == dns.TypeCERT {
			says(dns.RcodeRefused)(rw, q)
			return
		}
		denies(t, dns.RcodeSuccess, soaOf("b.example."))(rw, q)
	})
	w.resolver.on("b.example. NS", gives(t, false, "b.example. 60 IN NS ns.b.example."))
	w.resolver.on("ns.b.example. A", gives(t, false, "ns.b.example. 60 IN A 127.0.0.2"))
	w.dns, _ = dnsClient(t, w.resolver)
	w.dns.Port = w.own.addr.Port()
	return w
}

// another starts one more server at the port of the first.
func (w *domainWorld) another(t *testing.T, ip string) *nameserver {
	t.Helper()
	return nameserverAt(t, netip.AddrPortFrom(netip.MustParseAddr(ip), w.dns.Port).String())
}

func soaOf(zone string) string {
	return zone + " 60 IN SOA ns.b.example. root.b.example. 1 2 3 4 60"
}

func TestCD8_TheDomainsOwnServersAreAskedWhereNoResolverAnswers(t *testing.T) {
	for name, broken := range map[string]dns.HandlerFunc{
		"REFUSED":  says(dns.RcodeRefused),
		"SERVFAIL": says(dns.RcodeServerFailure),
		"NOTIMP":   says(dns.RcodeNotImplemented),
		"FORMERR":  says(dns.RcodeFormatError),
		"silence":  ignores,
		"garbage": func(w dns.ResponseWriter, q *dns.Msg) {
			_, _ = w.Write([]byte{byte(q.Id >> 8), byte(q.Id), 0x80, 0, 0, 9, 0, 9, 0, 0, 0, 0, 0xff})
		},
		"truncated, and TCP is cut": func(w dns.ResponseWriter, q *dns.Msg) {
			if w.LocalAddr().Network() == "tcp" {
				_ = w.Close()
				return
			}
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			_ = w.WriteMsg(m)
		},
		"truncated over TCP": func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			m.Truncated = true
			_ = w.WriteMsg(m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newDomainWorld(t)
			w.resolver.on("alice.b.example. CERT", broken)
			w.own.on("alice.b.example. CERT", func(rw dns.ResponseWriter, q *dns.Msg) {
				if q.RecursionDesired {
					t.Error("it was asked for recursion")
				}
				gives(t, true, "alice.b.example. 60 IN CERT 1 0 0 AAAA")(rw, q)
			})
			a := kindOfQuery(t, w.dns, "alice.b.example", dns.TypeCERT)
			if !a.authoritative || len(a.records) != 1 || a.server != w.own.addr.String() || a.left != time.Minute {
				t.Errorf("got %+v", a)
			}
			if again := kindOfQuery(t, w.dns, "alice.b.example", dns.TypeCERT); !again.cached || !again.authoritative {
				t.Errorf("kept %+v", again)
			}
			if n := w.dns.Stats().Authoritative; n != 1 {
				t.Errorf("counted %d", n)
			}
		})
	}
}

func TestCD8_OwnServersAnswers(t *testing.T) {
	w := newDomainWorld(t)
	w.resolver.on("alice.c.example. CERT", gives(t, false, "alice.c.example. 60 IN CERT 1 0 0 AAAC"))
	w.own.on("nobody.b.example. CERT", denies(t, dns.RcodeNameError, soaOf(b)))
	w.own.on("host.b.example. CERT", denies(t, dns.RcodeSuccess, soaOf(b)))
	w.own.on("inside.b.example. CERT", gives(t, true, "inside.b.example. 60 IN CNAME alice.b.example.", "alice.b.example. 60 IN CERT 1 0 0 AAAA"))
	w.own.on("bare.b.example. CERT", gives(t, true, "bare.b.example. 60 IN CNAME alice.b.example."))
	w.own.on("alice.b.example. CERT", gives(t, true, "alice.b.example. 60 IN CERT 1 0 0 AAAA"))
	// What it says of others' names is not for it to say.
	w.own.on("outside.b.example. CERT", gives(t, true, "outside.b.example. 60 IN CNAME alice.c.example.", "alice.c.example. 60 IN CERT 1 0 0 BBBB"))
	w.own.on("denied.b.example. CERT", func(rw dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
		m.Authoritative, m.Answer = true, rrs(t, "denied.b.example. 60 IN CNAME alice.c.example.")
		_ = rw.WriteMsg(m)
	})
	w.own.on("lame.b.example. CERT", gives(t, false, "lame.b.example. 60 IN CERT 1 0 0 BBBB"))
	w.own.on("mute.b.example. CERT", ignores)
	w.own.on("loop.b.example. CERT", gives(t, true, "loop.b.example. 60 IN CNAME loop.b.example."))
	for _, c := range []struct {
		name string
		kind Answer
		own  bool
		cert string
	}{
		{"alice", AnswerFound, true, "AAAA"},
		{"nobody", AnswerNoName, true, ""},
		{"host", AnswerNoRecord, true, ""},
		{"inside", AnswerFound, true, "AAAA"},
		{"bare", AnswerFound, true, "AAAA"},
		{"outside", AnswerFound, false, "AAAC"},
		{"denied", AnswerFound, false, "AAAC"},
		{"lame", AnswerRefused, false, ""},
		{"mute", AnswerRefused, false, ""},
		{"elsewhere", AnswerRefused, false, ""}, // by both
		{"loop", AnswerBroken, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := kindOfQuery(t, w.dns, c.name+".b.example", dns.TypeCERT)
			cert := ""
			if len(a.records) == 1 {
				cert = a.records[0].(*dns.CERT).Certificate
			}
			if a.kind != c.kind || a.authoritative != c.own || cert != c.cert {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestCD8_MailAndDirectoriesAreForTheResolversAlone(t *testing.T) {
	w := newDomainWorld(t)
	w.resolver.on("", says(dns.RcodeRefused))
	for _, qtype := range []uint16{dns.TypeMX, dns.TypeA, dns.TypeSRV} {
		if a := kindOfQuery(t, w.dns, b, qtype); a.kind != AnswerRefused {
			t.Errorf("got %+v", a)
		}
	}
	if n := w.own.count(""); n != 0 {
		t.Errorf("%d questions", n)
	}
}

func TestCD8_TheZoneIsFoundByWalkingUp(t *testing.T) {
	w := newDomainWorld(t)
	name := strings.Repeat("x.", 60) + "b.example."
	w.own.on(name+" CERT", gives(t, true, name+" 60 IN CERT 1 0 0 AAAA"))
	if a := kindOfQuery(t, w.dns, name, dns.TypeCERT); a.kind != AnswerFound || len(a.trail) > 6 {
		t.Errorf("by the SOA: got %+v", a)
	}

	// Without an SOA it goes name by name, and never to the top.
	w.resolver.on("", says(dns.RcodeRefused))
	w.own.on("p.q.b.example. CERT", gives(t, true, "p.q.b.example. 60 IN CERT 1 0 0 AAAA"))
	if a := kindOfQuery(t, w.dns, "p.q.b.example.", dns.TypeCERT); a.kind != AnswerFound {
		t.Errorf("by the names: got %+v", a)
	}
	for _, name := range []string{"alice.elsewhere.example.", "example.", strings.Repeat("x.", 60) + "elsewhere.example."} {
		if a := kindOfQuery(t, w.dns, name, dns.TypeCERT); a.kind != AnswerRefused || len(a.trail) > 2+maxClimbs {
			t.Errorf("%s: got %+v", name, a)
		}
	}
	if n := w.resolver.count("example. NS") + w.resolver.count(". NS"); n != 0 {
		t.Errorf("a zone of one label was asked for %d times", n)
	}
}

func TestCD8_NameServersOfAnAliasAreNotThoseOfTheName(t *testing.T) {
	w := newDomainWorld(t)
	w.resolver.on("alice.b.example. NS", gives(t, false, "alice.b.example. 60 IN CNAME c.example.", "c.example. 60 IN NS ns.evil.example."))
	w.own.on("alice.b.example. CERT", gives(t, true, "alice.b.example. 60 IN CERT 1 0 0 AAAA"))
	if a := kindOfQuery(t, w.dns, "alice.b.example", dns.TypeCERT); a.kind != AnswerFound {
		t.Errorf("got %+v", a)
	}
	if w.resolver.count("ns.evil.example. A") != 0 {
		t.Error("the alias's servers were asked for")
	}
}

func TestCD8_ReferralsLeadDownwards(t *testing.T) {
	const name = "alice.s.b.example."
	below := []string{"s.b.example. 60 IN NS ns.s.b.example."}
	for _, c := range []struct {
		name   string
		handle func(t *testing.T) dns.HandlerFunc
		kind   Answer
	}{
		{"with glue", func(t *testing.T) dns.HandlerFunc { return refers(t, below, "ns.s.b.example. 60 IN A 127.0.0.3") }, AnswerFound},
		{"without glue", func(t *testing.T) dns.HandlerFunc { return refers(t, []string{"s.b.example. 60 IN NS ns.c.example."}) }, AnswerFound},
		{"glue of a stranger", func(t *testing.T) dns.HandlerFunc {
			return refers(t, []string{"s.b.example. 60 IN NS ns.c.example."}, "ns.c.example. 60 IN A 127.0.0.4")
		}, AnswerFound},
		{"to itself", func(t *testing.T) dns.HandlerFunc {
			return refers(t, []string{"b.example. 60 IN NS ns.b.example."}, "ns.b.example. 60 IN A 127.0.0.2")
		}, AnswerRefused},
		{"upwards", func(t *testing.T) dns.HandlerFunc { return refers(t, []string{"example. 60 IN NS ns.c.example."}) }, AnswerRefused},
		{"beside the name", func(t *testing.T) dns.HandlerFunc {
			return refers(t, []string{"x.b.example. 60 IN NS ns.c.example."})
		}, AnswerRefused},
		{"past the name", func(t *testing.T) dns.HandlerFunc {
			return refers(t, []string{"x.alice.s.b.example. 60 IN NS ns.c.example."})
		}, AnswerRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newDomainWorld(t)
			sub, trap := w.another(t, "127.0.0.3"), w.another(t, "127.0.0.4")
			w.resolver.on("ns.c.example. A", gives(t, false, "ns.c.example. 60 IN A 127.0.0.3"))
			w.own.on(name+" CERT", c.handle(t))
			sub.on(name+" CERT", gives(t, true, name+" 60 IN CERT 1 0 0 AAAA"))
			a := kindOfQuery(t, w.dns, name, dns.TypeCERT)
			if a.kind != c.kind || a.authoritative != (c.kind == AnswerFound) {
				t.Errorf("got %+v", a)
			}
			if trap.count("") != 0 {
				t.Error("glue from outside of the zone was used")
			}
		})
	}
}

func TestReferralsWithoutEndEnd(t *testing.T) {
	w := newDomainWorld(t)
	zone := b
	for range 30 {
		zone = "x." + zone
	}
	var asked []string
	w.own.on(zone+" CERT", func(rw dns.ResponseWriter, q *dns.Msg) {
		// Each answer delegates one label more, to this same server.
		labels := dns.SplitDomainName(q.Question[0].Name)
		cut := dns.Fqdn(strings.Join(labels[len(labels)-3-len(asked):], "."))
		asked = append(asked, cut)
		refers(t, []string{cut + " 60 IN NS ns." + cut}, "ns."+cut+" 60 IN A 127.0.0.2")(rw, q)
	})
	a := kindOfQuery(t, w.dns, zone, dns.TypeCERT)
	if a.kind != AnswerRefused || len(asked) != maxReferrals+1 {
		t.Errorf("got %+v after %q", a, asked)
	}
}

// Every server that a stranger names is one more question for us, and for whom
// he names.
func TestStrangersCannotHaveUsAskWithoutEnd(t *testing.T) {
	w := newDomainWorld(t)
	var servers []string
	for i := range 50 {
		servers = append(servers, fmt.Sprintf("b.example. 60 IN NS ns%d.b.example.", i))
		host := fmt.Sprintf("ns%d.b.example.", i)
		var addresses []string
		for j := range 50 {
			addresses = append(addresses, fmt.Sprintf("%s 60 IN A 127.1.%d.%d", host, i, j))
		}
		w.resolver.on(host+" A", gives(t, false, addresses...))
	}
	w.resolver.on("b.example. NS", gives(t, false, servers...))
	a := kindOfQuery(t, w.dns, "alice.b.example", dns.TypeCERT)
	if a.kind != AnswerRefused || len(a.trail) > maxQuestions {
		t.Errorf("got %+v", a)
	}
	if n := w.resolver.count(""); n > 4+2*maxOwnServers { // two for each large answer
		t.Errorf("%d questions to the resolver", n)
	}
	if got := len(a.trail) - w.resolver.count(""); got > maxOwnServers*maxOwnAddress {
		t.Errorf("%d questions to the domain's servers", got)
	}
}

func TestQuestionsOfOneLookUpAreBounded(t *testing.T) {
	w := newDomainWorld(t)
	w.dns.Tries = 1000
	a := kindOfQuery(t, w.dns, "alice.b.example", dns.TypeCERT)
	if a.kind != AnswerRefused || len(a.trail) != maxQuestions || w.resolver.count("") != maxQuestions {
		t.Errorf("got %+v", a)
	}
}

func TestCD8_AnotherServerAnswersForOneThatDoesNot(t *testing.T) {
	w := newDomainWorld(t)
	good := w.another(t, "127.0.0.3")
	w.own.on("", ignores)
	good.on("", gives(t, true, "alice.b.example. 60 IN CERT 1 0 0 AAAA"))
	w.resolver.on("ns.b.example. A", gives(t, false, "ns.b.example. 60 IN A 127.0.0.2", "ns.b.example. 60 IN A 127.0.0.3"))
	for range 3 {
		a, err := w.dns.query(t.Context(), "alice.b.example", dns.TypeCERT, true)
		if err != nil || a.server != good.addr.String() {
			t.Errorf("got %+v, %v", a, err)
		}
	}
	if n := w.own.count(""); n != 1 {
		t.Errorf("the silent one was asked %d times", n)
	}
}

// The resolver's answers name the servers of the domain: without the guard, any
// stranger could have us send packets into our own networks.
func TestGuard_NameServersInsideAreNotAsked(t *testing.T) {
	for _, ip := range []string{"127.0.0.2", "10.1.2.3", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:127.0.0.2", "fe80::1", "fd00::1"} {
		t.Run(ip, func(t *testing.T) {
			w := newDomainWorld(t)
			w.own.on("", gives(t, true, "alice.b.example. 60 IN CERT 1 0 0 AAAA"))
			qtype, addr := "A", netip.MustParseAddr(ip)
			if addr.Is6() {
				qtype = "AAAA"
				w.resolver.on("ns.b.example. A", says(dns.RcodeSuccess))
			}
			w.resolver.on("ns.b.example. "+qtype, func(rw dns.ResponseWriter, q *dns.Msg) {
				m := new(dns.Msg).SetReply(q)
				h := dns.RR_Header{Name: "ns.b.example.", Rrtype: q.Question[0].Qtype, Class: dns.ClassINET, Ttl: 60}
				if addr.Is6() {
					m.Answer = []dns.RR{&dns.AAAA{Hdr: h, AAAA: addr.AsSlice()}}
				} else {
					m.Answer = []dns.RR{&dns.A{Hdr: h, A: addr.AsSlice()}}
				}
				_ = rw.WriteMsg(m)
			})
			w.dns.Network = guard.Policy{}
			_, err := w.dns.query(t.Context(), "alice.b.example", dns.TypeCERT, false)
			if !errors.Is(err, guard.ErrForbidden) || !temporary(err) {
				t.Errorf("got %v", err)
			}
			if w.own.count("") != 0 {
				t.Error("it was asked")
			}
			if n := w.resolver.count(""); n > 5 {
				t.Errorf("%d questions", n)
			}
		})
	}
}
