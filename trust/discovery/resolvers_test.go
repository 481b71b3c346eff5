package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// CD-9: two of three resolvers say nothing. That costs its time once.
func TestCD9_SilentResolversAreAskedLast(t *testing.T) {
	good, dead, gone := nameserverAt(t, "127.0.0.1:0"), nameserverAt(t, "127.0.0.1:0"), nameserverAt(t, "127.0.0.1:0")
	dead.on("", ignores)
	gone.on("", ignores)
	good.on("", says(dns.RcodeNameError))
	d, clock := dnsClient(t, good, dead, gone)
	d.TryTimeout = time.Second
	n := 0
	ask := func() int {
		n++
		return len(kindOfQuery(t, d, fmt.Sprintf("%d.b.example", n), dns.TypeMX).trail)
	}
	told := func() bool { return dead.count("") == 1 && gone.count("") == 1 }
	for !told() { // the order is drawn
		ask()
	}
	for range 20 {
		if got := ask(); got != 1 {
			t.Fatalf("it took %d questions", got)
		}
	}
	// They get another chance, and one that speaks is one of all again.
	clock.Advance(unresponsiveFor)
	dead.on("", says(dns.RcodeNameError))
	for range 100 {
		ask()
	}
	if dead.count("") < 5 || gone.count("") > 2 {
		t.Errorf("%d and %d questions", dead.count(""), gone.count(""))
	}
}

func TestCD9_AResolverThatRefusesCostsNoTime(t *testing.T) {
	for _, rcode := range []int{dns.RcodeServerFailure, dns.RcodeRefused} {
		bad, good := nameserverAt(t, "127.0.0.1:0"), nameserverAt(t, "127.0.0.1:0")
		bad.on("", says(rcode))
		good.on("", says(dns.RcodeNameError))
		d, _ := dnsClient(t, bad, good)
		d.TryTimeout = time.Hour
		for n := range 10 {
			if a := kindOfQuery(t, d, fmt.Sprintf("%d.b.example", n), dns.TypeMX); a.kind != AnswerNoName || len(a.trail) > 2 {
				t.Errorf("got %+v", a)
			}
		}
	}
}

// What speaks counts more than what is silent, whichever was asked last.
func TestCD9_TheMostTellingFailureIsTold(t *testing.T) {
	t.Parallel() // it waits for silence
	mute, refusing := nameserverAt(t, "127.0.0.1:0"), nameserverAt(t, "127.0.0.1:0")
	mute.on("", ignores)
	d, _ := dnsClient(t, mute, refusing)
	d.TryTimeout = time.Second
	for n := range 6 {
		if a := kindOfQuery(t, d, fmt.Sprintf("%d.b.example", n), dns.TypeMX); a.kind != AnswerRefused {
			t.Errorf("got %+v", a)
		}
	}
}

func TestTooManyAreNotRememberedForSilence(t *testing.T) {
	var q unresponsive
	for i := range 3 * maxUnresponsive {
		q.add(netip.AddrPortFrom(netip.IPv6Loopback(), uint16(i)), testStart)
	}
	if len(q.since) > maxUnresponsive {
		t.Errorf("%d are remembered", len(q.since))
	}
}

// CD-7: names are absolute: what does not exist is not looked for below a search
// suffix of this host.
func TestCD7_NamesAreAbsolute(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("", denies(t, dns.RcodeNameError, "example. 60 IN SOA ns.example. h.example. 1 1 1 1 60"))
	d, _ := dnsClient(t, s)
	for _, name := range []string{"b.example", "b.example.", "host"} {
		_, err := d.query(t.Context(), name, dns.TypeCERT, true)
		if !errors.Is(err, ErrNoName) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.count("b.example. CERT"); got != 2 || s.count("host. CERT") != 1 || s.count("") != 3 {
		t.Errorf("asked %v", s.asked)
	}
}
