package discovery_test

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/guard"
	"postern/trust/discovery"
)

// A world is the DNS of all domains, which tests change and which counts what it
// is asked. Names without records do not exist.
type world struct {
	addr string

	mu      sync.Mutex
	time    time.Time
	records map[string][]dns.RR // by name, type
	failing map[string]int      // code by name, type; -1 is silence
	dead    string              // a domain below which all is silence
	asked   map[string]int
}

func newWorld(t testing.TB) *world {
	w := &world{time: now, records: map[string][]dns.RR{}, failing: map[string]int{}, asked: map[string]int{}}
	w.addr = fake(t, w.answer)
	w.put(t, "ldap.b.example. 3600 IN A 127.0.0.1", "www.b.example. 3600 IN A 127.0.0.1")
	return w
}

func (w *world) answer(out dns.ResponseWriter, q *dns.Msg) {
	question := q.Question[0]
	name := strings.ToLower(question.Name)
	key := name + " " + dns.TypeToString[question.Qtype]
	w.mu.Lock()
	w.asked[key]++
	code, fails := w.failing[key]
	silent := code < 0 || w.dead != "" && dns.IsSubDomain(w.dead, name)
	m := new(dns.Msg).SetReply(q)
	m.Answer = w.records[key]
	w.mu.Unlock()
	switch {
	case silent:
		return
	case fails:
		m.Answer = nil
		m.SetRcode(q, code)
	case len(m.Answer) == 0:
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 120},
			Ns: ".", Mbox: ".", Minttl: 120}}
	}
	if !overTCP(out) {
		m.Truncate(1232)
	}
	_ = out.WriteMsg(m)
}

// put adds records, in the text form of zone files.
func (w *world) put(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		key := strings.ToLower(rr.Header().Name) + " " + dns.TypeToString[rr.Header().Rrtype]
		w.records[key] = append(w.records[key], rr)
		w.mu.Unlock()
	}
}

// drop takes away the records that answer a question, such as "b.example. CERT".
func (w *world) drop(question string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.records, question)
}

// cert publishes one CERT record with an hour to live.
func (w *world) cert(t testing.TB, name string, kind uint16, data []byte) {
	t.Helper()
	w.put(t, fmt.Sprintf("%s. 3600 IN CERT %d 0 0 %s", name, kind, base64.StdEncoding.EncodeToString(data)))
}

// ldap names a directory of b.example, at a port of ldap.b.example.
func (w *world) ldap(t testing.TB, priority int, addr string) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, fmt.Sprintf("_ldap._tcp.b.example. 3600 IN SRV %d 0 %s ldap.b.example.", priority, port))
}

// fail has a question, such as "b.example. CERT", answered by a code, or not at
// all; a code of 0 ends that.
func (w *world) fail(question string, code int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if code == 0 {
		delete(w.failing, question)
		return
	}
	w.failing[question] = code
}

func (w *world) kill(domain string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = domain
}

// count returns how many questions came that end in suffix.
func (w *world) count(suffix string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := 0
	for key, n := range w.asked {
		if strings.HasSuffix(key, suffix) {
			sum += n
		}
	}
	return sum
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

// resolver returns one that asks this world and goes by its clock.
func (w *world) resolver(t testing.TB, options ...func(*discovery.Resolver)) *discovery.Resolver {
	t.Helper()
	d := client(t, w.addr)
	d.Now = w.now
	d.TryTimeout, d.Tries = 400*time.Millisecond, 1 // silence is waited for; an answer on a busy machine comes in less
	r := &discovery.Resolver{DNS: d, Network: guard.Policy{AllowPrivate: true}, Now: w.now}
	for _, o := range options {
		o(r)
	}
	t.Cleanup(func() {
		r.Close()
		d.Close()
	})
	return r
}

// ask finds the certificates of an address.
func ask(t testing.TB, r *discovery.Resolver, addr string) discovery.Result {
	t.Helper()
	discovery.Load(r)
	return r.Find(t.Context(), discovery.Request{Address: address(t, addr)})
}

// askAnew asks every question anew.
func askAnew(t testing.TB, r *discovery.Resolver, addr string) discovery.Result {
	t.Helper()
	return r.Find(t.Context(), discovery.Request{Address: address(t, addr), Fresh: true})
}

// raw is the DER of certificates.
func raw(all ...*x509.Certificate) []string {
	var ders []string
	for _, c := range all {
		ders = append(ders, string(c.Raw))
	}
	return ders
}
