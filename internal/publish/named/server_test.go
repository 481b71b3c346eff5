package named

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"postern/internal/publish"
	"postern/internal/testnet"
	"postern/mime"
)

// A site publishes a set that tests change.
type site struct {
	set atomic.Pointer[publish.Set]
	err atomic.Pointer[error]
}

func (s *site) source(context.Context) (*publish.Set, error) {
	err := s.err.Load()
	if err != nil {
		return nil, *err
	}
	return s.set.Load(), nil
}

func (s *site) fail(err error) {
	if err == nil {
		s.err.Store(nil)
		return
	}
	s.err.Store(&err)
}

// serve runs a server of the site until the test ends.
func (s *site) serve(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	server := New(s.source, o)
	return server, run(t, server)
}

func run(t *testing.T, server *Server) string {
	t.Helper()
	l, pc, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(t.Context(), l, pc) }()
	t.Cleanup(func() {
		err := errors.Join(server.Shutdown(context.Background()), <-ended)
		if err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

var address = testnet.Address

// theSite publishes two domains, of which one is in the other, with a certificate
// for each domain and for alice in each.
func theSite(t *testing.T) (s *site, certs map[string]*x509.Certificate) {
	t.Helper()
	root := testnet.NewPKI(t, time.Now()).Root("root")
	certs = make(map[string]*x509.Certificate)
	s = new(site)
	set := &publish.Set{
		Options: publish.Options{
			NameServers: []mime.Domain{"ns.b.example", "ns.elsewhere.example"},
			Mail:        []publish.MailServer{{Preference: 10, Host: "mail.b.example"}},
			Directories: []publish.Directory{{Host: "mail.b.example", Port: 389}, {Host: "ldap.elsewhere.example", Port: 10389}},
			Hosts: map[mime.Domain][]netip.Addr{
				"ns.b.example":   {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
				"mail.b.example": {netip.MustParseAddr("192.0.2.2")},
			},
			TTL: time.Hour,
		},
		Serial: 7, Domains: []mime.Domain{"b.example", "lab.b.example"},
	}
	for _, owner := range []string{"alice@b.example", "b.example", "alice@lab.b.example", "lab.b.example"} {
		certs[owner] = root.Leaf(owner).Cert
		c := publish.Certificate{Domain: mime.Domain(owner[strings.Index(owner, "@")+1:]), Certificate: certs[owner]}
		if strings.Contains(owner, "@") {
			c.Address = address(t, owner)
		}
		set.Certificates = append(set.Certificates, c)
	}
	s.set.Store(set)
	return s, certs
}

// dig asks as a stranger would and returns the lines of the answer section.
func dig(t *testing.T, server string, args ...string) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"@" + host, "-p", port, "+noall", "+answer", "+nosplit", "+tries=1", "+time=5"}, args...)
	out, err := exec.Command(testnet.Require(t, "dig"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("dig %v: %v\n%s", args, err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && !strings.HasPrefix(line, ";") {
			lines = append(lines, line)
		}
	}
	return lines
}

// CD-10, H1, H2: dig finds the certificates of addresses and domains, over UDP,
// which is too small for two kilobytes, and over TCP, and what a zone needs.
func TestCD10_H1_H2_DigFindsWhatIsPublished(t *testing.T) {
	s, certs := theSite(t)
	server, addr := s.serve(t, Options{})
	certLine := func(name, owner string) string {
		return name + ". 3600 IN CERT PKIX 0 0 " + base64.StdEncoding.EncodeToString(certs[owner].Raw)
	}
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"alice.b.example CERT", []string{certLine("alice.b.example", "alice@b.example")}},
		{"b.example CERT", []string{certLine("b.example", "b.example")}},
		{"alice.lab.b.example CERT", []string{certLine("alice.lab.b.example", "alice@lab.b.example")}},
		{"lab.b.example TYPE37", []string{certLine("lab.b.example", "lab.b.example")}},
		{"b.example SOA", []string{"b.example. 3600 IN SOA ns.b.example. hostmaster.b.example. 7 3600 600 1209600 300"}},
		{"lab.b.example SOA", []string{"lab.b.example. 3600 IN SOA ns.b.example. hostmaster.lab.b.example. 7 3600 600 1209600 300"}},
		{"b.example NS", []string{"b.example. 3600 IN NS ns.b.example.", "b.example. 3600 IN NS ns.elsewhere.example."}},
		{"lab.b.example NS", []string{"lab.b.example. 3600 IN NS ns.b.example.", "lab.b.example. 3600 IN NS ns.elsewhere.example."}},
		{"b.example MX", []string{"b.example. 3600 IN MX 10 mail.b.example."}},
		{"_ldap._tcp.b.example SRV", []string{"_ldap._tcp.b.example. 3600 IN SRV 0 0 389 mail.b.example.",
			"_ldap._tcp.b.example. 3600 IN SRV 1 0 10389 ldap.elsewhere.example."}},
		{"ns.b.example A", []string{"ns.b.example. 3600 IN A 192.0.2.1"}},
		{"ns.b.example AAAA", []string{"ns.b.example. 3600 IN AAAA 2001:db8::1"}},
		{"bob.b.example CERT", nil},
	} {
		t.Run(tt.query, func(t *testing.T) {
			for _, way := range []string{"+notcp", "+tcp", "+noedns"} {
				args := append([]string{way}, strings.Fields(tt.query)...)
				if diff := cmp.Diff(tt.want, dig(t, addr, args...)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", way, diff)
				}
			}
		})
	}
	if st := server.Stats(); st.TCP == 0 || st.Answers["NOERROR"] == 0 || st.Answers["NXDOMAIN"] == 0 || st.Limited != 0 {
		t.Errorf("counted %+v", st)
	}
}

// A zone transfer would tell every address at once.
func TestZonesAreNotTransferred(t *testing.T) {
	s, _ := theSite(t)
	_, addr := s.serve(t, Options{})
	if got := dig(t, addr, "b.example", "AXFR"); len(got) > 0 {
		t.Errorf("AXFR: %q", got)
	}
	if got := dig(t, addr, "+tcp", "b.example", "IXFR=1"); len(got) > 0 {
		t.Errorf("IXFR: %q", got)
	}
}

func serial(t *testing.T, addr string) uint32 {
	t.Helper()
	m := ask(t, addr, "udp", question("b.example", dns.TypeSOA))
	if len(m.Answer) != 1 {
		t.Fatalf("no SOA:\n%s", m)
	}
	return m.Answer[0].(*dns.SOA).Serial
}

// What changes is answered at once, and what cannot be known is not answered from
// what was known.
func TestChangesCountAtOnce(t *testing.T) {
	s, certs := theSite(t)
	var log testnet.Log
	_, addr := s.serve(t, Options{Log: textLog(&log)})
	if got := serial(t, addr); got != 7 {
		t.Errorf("serial %d", got)
	}
	next := *s.set.Load()
	next.Serial = 8
	next.Certificates = append(next.Certificates, publish.Certificate{Address: address(t, "bob@b.example"), Domain: "b.example",
		Certificate: certs["b.example"]})
	s.set.Store(&next)
	if m := ask(t, addr, "tcp", question("bob.b.example", dns.TypeCERT)); len(m.Answer) != 1 {
		t.Errorf("the new certificate:\n%s", m)
	}
	if got := serial(t, addr); got != 8 {
		t.Errorf("serial %d after a change", got)
	}
	s.fail(errors.New("the store is closed"))
	for range 2 {
		if m := ask(t, addr, "udp", question("b.example", dns.TypeSOA)); m.Rcode != dns.RcodeServerFailure || m.Authoritative {
			t.Errorf("without a set:\n%s", m)
		}
	}
	s.fail(nil)
	if got := serial(t, addr); got != 8 {
		t.Errorf("serial %d afterwards", got)
	}
	equalText(t, log.String(), "the store is closed", 1)
}

// What DNS cannot say is told once, and not with every change.
func TestProblemsAreToldOnce(t *testing.T) {
	s, certs := theSite(t)
	var log testnet.Log
	_, addr := s.serve(t, Options{Log: textLog(&log)})
	serial(t, addr)
	equalText(t, log.String(), "DNS cannot say", 0)
	for range 3 {
		next := *s.set.Load()
		next.Serial++
		next.Certificates = append(next.Certificates, publish.Certificate{Address: address(t, `"a b"@b.example`), Domain: "b.example",
			Certificate: certs["b.example"]})
		s.set.Store(&next)
		serial(t, addr)
	}
	equalText(t, log.String(), "DNS cannot say", 1)
}

func equalText(t *testing.T, text, part string, want int) {
	t.Helper()
	if got := strings.Count(text, part); got != want {
		t.Errorf("%q is there %d times, want %d:\n%s", part, got, want, text)
	}
}

// While a set is being made others are answered from the one before.
func TestASlowSourceHoldsNobodyUp(t *testing.T) {
	s, _ := theSite(t)
	set := s.set.Load()
	asked, goOn := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	server := New(func(ctx context.Context) (*publish.Set, error) {
		if calls.Add(1) == 2 { // the first is that of Serve
			close(asked)
			<-goOn
		}
		return set, nil
	}, Options{})
	addr := run(t, server)
	slow := make(chan error, 1)
	go func() {
		_, _, err := new(dns.Client).Exchange(question("b.example", dns.TypeSOA), addr)
		slow <- err
	}()
	<-asked
	if got := serial(t, addr); got != 7 {
		t.Errorf("serial %d", got)
	}
	close(goOn)
	if err := <-slow; err != nil {
		t.Error(err)
	}
}

// A defect costs one answer and not the server.
func TestAPanicIsOneAnswer(t *testing.T) {
	s, _ := theSite(t)
	set := s.set.Load()
	var calls atomic.Int32
	var log testnet.Log
	server := New(func(context.Context) (*publish.Set, error) {
		if calls.Add(1) == 2 {
			panic("a defect")
		}
		return set, nil
	}, Options{Log: textLog(&log)})
	addr := run(t, server)
	conn, err := dns.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, id := range []uint16{1, 2} {
		q := question("b.example", dns.TypeSOA)
		q.Id = id
		err = conn.WriteMsg(q)
		if err != nil {
			t.Fatal(err)
		}
	}
	m, err := conn.ReadMsg()
	if err != nil || m.Id != 2 {
		t.Errorf("the second answer: %v %v", m, err)
	}
	if !strings.Contains(log.String(), "a defect") {
		t.Errorf("it was not told of:\n%s", log.String())
	}
}

func TestServeAndShutdown(t *testing.T) {
	s, _ := theSite(t)
	sockets := func() (net.Listener, net.PacketConn) {
		l, pc, err := Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l, pc
	}
	t.Run("never served", func(t *testing.T) {
		server := New(s.source, Options{})
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		l, pc := sockets()
		if err := server.Serve(t.Context(), l, pc); err != nil {
			t.Error(err)
		}
		if _, err := l.Accept(); err == nil {
			t.Error("the socket is open")
		}
	})
	t.Run("served twice", func(t *testing.T) {
		server, _ := s.serve(t, Options{})
		l, pc := sockets()
		<-server.started
		if err := server.Serve(t.Context(), l, pc); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a socket is lost", func(t *testing.T) {
		server := New(s.source, Options{})
		l, pc := sockets()
		_ = pc.Close()
		if err := server.Serve(t.Context(), l, pc); err == nil {
			t.Error("no error")
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("idle connections end", func(t *testing.T) {
		server := New(s.source, Options{})
		l, pc := sockets()
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(t.Context(), l, pc) }()
		conn, err := dns.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if m := over(t, conn, question("b.example", dns.TypeSOA)); len(m.Answer) != 1 {
			t.Errorf("before:\n%s", m)
		}
		if err := errors.Join(server.Shutdown(t.Context()), <-ended); err != nil {
			t.Error(err)
		}
		if _, err := conn.ReadMsg(); err == nil {
			t.Error("the connection is open")
		}
	})
}

// over asks on an open connection.
func over(t *testing.T, conn *dns.Conn, q *dns.Msg) *dns.Msg {
	t.Helper()
	err := conn.WriteMsg(q)
	if err != nil {
		t.Fatal(err)
	}
	m, err := conn.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
