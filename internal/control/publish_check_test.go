package control

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/config"
	"postern/internal/publish"
	"postern/internal/publish/ldapd"
	zone "postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
)

// outside is a server whose domain's DNS is somewhere else.
func outside(t *testing.T, change func(*config.Config), records ...zone.Record) *server {
	t.Helper()
	z, err := zone.Records(records...)
	must(t, err)
	must(t, z.Start("127.0.0.1:0"))
	t.Cleanup(func() { must(t, z.Close()) })
	_, text, err := net.SplitHostPort(z.Addr())
	must(t, err)
	port, err := strconv.Atoi(text)
	must(t, err)
	s := serve(t, func(cfg *config.Config) {
		cfg.DNS.Servers, cfg.DNS.Port = []string{z.Addr()}, port
		cfg.Network.AllowPrivate = true
		if change != nil {
			change(cfg)
		}
	})
	must(t, s.AddDomain(t.Context(), "a.example"))
	return s
}

// states are the findings of one kind, each as its state and name.
func states(r PublishReport, what string) (all []string) {
	for _, f := range r.Findings {
		if f.What == what {
			all = append(all, f.State+" "+f.Name)
		}
	}
	return all
}

var loopback = netip.MustParseAddr("127.0.0.1")

// mailHost is how the rig calls itself.
const mailHost = "mx.a.example"

// CD-10: what is found at a name is compared with what the store publishes there.
func TestCD10_CertificatesAreFoundFromOutside(t *testing.T) {
	root := testnet.NewPKI(t, noon()).Root("root")
	own, alice, stranger := root.Leaf("a.example"), root.Leaf("alice@a.example"), root.Leaf("a.example")
	retired := root.Leaf("a.example", testnet.Valid(-time.Hour, time.Hour))
	expired := root.Leaf("a.example", testnet.Valid(-2*time.Hour, -time.Hour))
	base := []zone.Record{zone.Apex("a.example", mailHost), zone.A(mailHost, loopback), zone.MX("a.example", 10, mailHost)}
	domain := func(ids ...*testnet.Identity) (all []zone.Record) {
		for _, id := range ids {
			all = append(all, zone.DomainCERT("a.example", id.Cert))
		}
		return all
	}
	atAlice := func(id *testnet.Identity) zone.Record { return zone.CERT("alice.a.example", 1, id.Cert.Raw) }
	for name, tt := range map[string]struct {
		records []zone.Record
		want    []string
		verdict string
	}{
		"all there": {append(domain(own), atAlice(alice)), []string{"ok a.example", "ok alice@a.example"}, PublishedOK},
		"missing":   {domain(own), []string{"ok a.example", "missing alice@a.example"}, PublishedWrong},
		"stale":     {append(domain(own, retired), atAlice(alice)), []string{"ok a.example", "stale a.example", "ok alice@a.example"}, PublishedWrong},
		"expired":   {append(domain(own, expired), atAlice(alice)), []string{"ok a.example", "expired a.example", "ok alice@a.example"}, PublishedWrong},
		"foreign":   {append(domain(own, stranger), atAlice(alice)), []string{"ok a.example", "foreign a.example", "ok alice@a.example"}, PublishedWrong},
		"extra": {append(domain(own), atAlice(alice), atAlice(own)),
			[]string{"ok a.example", "ok alice@a.example", "extra alice@a.example"}, PublishedWrong},
		"garbage": {append(domain(own), atAlice(alice), zone.CERT("a.example", 1, []byte("x"))),
			[]string{"ok a.example", "extra a.example", "ok alice@a.example"}, PublishedWrong},
		"another kind": {append(domain(own), atAlice(alice), zone.CERT("a.example", 3, []byte("x"))),
			[]string{"ok a.example", "extra a.example", "ok alice@a.example"}, PublishedWrong},
	} {
		t.Run(name, func(t *testing.T) {
			s := outside(t, nil, append(append([]zone.Record{}, base...), tt.records...)...)
			must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
				for _, k := range []struct {
					owner string
					id    *testnet.Identity
					gone  bool
				}{{"a.example", own, false}, {"alice@a.example", alice, false}, {"a.example", retired, true}} {
					p := pairOf(k.id)
					one := store.Key{Owner: k.owner, Certificate: p.Certificate, Fingerprint: store.FingerprintOf(p.Certificate), PKCS8: p.PKCS8}
					if k.gone {
						one.Retired = noon()
					}
					err := tx.PutKey(one)
					if err != nil {
						return err
					}
				}
				return nil
			}))
			r, err := s.CheckPublished(t.Context(), nil)
			must(t, err)
			equal(t, "certificates", states(r, whatCertificate), tt.want)
			equal(t, "verdict", r.Verdict, tt.verdict)
			for _, f := range r.Findings {
				if f.State != FoundOK && f.Hint == "" || f.State == FoundMissing && !strings.Contains(f.Record, " IN CERT PKIX 0 0 ") {
					t.Errorf("it does not tell what to do: %+v", f)
				}
			}
		})
	}
}

// CD-10: mail servers, name servers and their addresses.
func TestAS3_CD10_ServersAreFoundFromOutside(t *testing.T) {
	apex, address, mx := zone.Apex("a.example", mailHost), zone.A(mailHost, loopback), zone.MX("a.example", 10, mailHost)
	for name, tt := range map[string]struct {
		change  func(*config.Config)
		records []zone.Record
		want    []string // "what state name" of those that are not ok
	}{
		"all there":            {nil, []zone.Record{apex, address, mx}, nil},
		"no MX":                {nil, []zone.Record{apex, address}, []string{"mail missing mx.a.example"}},
		"another MX":           {nil, []zone.Record{apex, address, mx, zone.MX("a.example", 20, "mx.b.example")}, []string{"mail foreign mx.b.example"}},
		"no address":           {nil, []zone.Record{apex, mx}, []string{"host missing mx.a.example"}},
		"an address as server": {nil, []zone.Record{zone.Apex("a.example", "192.0.2.1"), address, mx}, []string{"name-server wrong 192.0.2.1"}},
		"another address": {func(c *config.Config) { c.Publish.Hosts = hosts(mailHost, "192.0.2.1") },
			[]zone.Record{apex, address, mx}, []string{"host wrong mx.a.example"}},
		"a private address": {func(c *config.Config) { c.Network.AllowPrivate = false }, []zone.Record{apex, address, mx},
			[]string{"host wrong mx.a.example", "name-server wrong mx.a.example", "name-server wrong mx.a.example"}},
		"no directory": {func(c *config.Config) { c.Publish.Directories = []string{mailHost + ":389"} }, []zone.Record{apex, address, mx},
			[]string{"directory missing mx.a.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := outside(t, tt.change, tt.records...)
			r, err := s.CheckPublished(t.Context(), []string{"postmaster@a.example"})
			must(t, err)
			var got []string
			for _, f := range r.Findings {
				if f.State != FoundOK && f.What != whatCertificate {
					got = append(got, f.What+" "+f.State+" "+f.Name)
				}
			}
			equal(t, "findings", got, tt.want)
		})
	}
}

// A directory that says nothing has not said that nothing is there, and is not
// waited for once for each owner.
func TestCD10_SilentDirectoriesAreNotCalledEmpty(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	var calls atomic.Int32
	go func() {
		var all []net.Conn
		for {
			c, err := silent.Accept()
			if err != nil {
				for _, c := range all {
					c.Close()
				}
				return
			}
			calls.Add(1)
			all = append(all, c)
		}
	}()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, closed.Close())
	leaf := testnet.NewPKI(t, noon()).Root("root").Leaf("a.example").Cert
	for name, l := range map[string]net.Listener{"silent": silent, "closed": closed} {
		t.Run(name, func(t *testing.T) {
			port := netip.MustParseAddrPort(l.Addr().String()).Port()
			s := outside(t, nil, zone.Apex("a.example", mailHost), zone.A(mailHost, loopback), zone.SRV("_ldap._tcp.a.example", 0, 0, port, mailHost))
			set := publish.Set{Options: publish.Options{Directories: []publish.Directory{{Host: mailHost, Port: port}}}}
			owners := []owner{{domain: "a.example"}}
			for i := range 9 {
				a, err := mime.ParseAddress(fmt.Sprintf("alice%d@a.example", i))
				must(t, err)
				owners = append(owners, owner{a, "a.example"})
			}
			for _, o := range owners {
				set.Certificates = append(set.Certificates, publish.Certificate{Address: o.address, Domain: o.domain, Certificate: leaf})
			}
			r, end, err := s.core.Outside()
			must(t, err)
			defer end()
			r.Budget = time.Second
			v := &survey{Resolver: r, at: noon(), set: &set, inLDAP: map[string]string{}}
			v.directories(t.Context(), "a.example", owners)
			equal(t, "findings", states(v.report(), whatDirectory), []string{"ok mx.a.example", "unanswered a.example"})
			v.each(owners[:2], func(o owner) { v.certificates(t.Context(), o) }) // whom DNS has nothing of either
			equal(t, "certificates", states(v.report(), whatCertificate), []string{"unanswered a.example", "unanswered alice0@a.example"})
			equal(t, "verdict", v.report().Verdict, PublishedUnanswered)
		})
	}
	if calls.Load() > 2 { // for an address, and for the domain
		t.Errorf("a silent directory was called %d times", calls.Load())
	}
}

// CD-44: a site that publishes in LDAP alone is whole; one whose directory is down
// is told so, and not that it lacks records; a wrong record is wrong all the same.
func TestCD44_LDAPAloneIsEnough(t *testing.T) {
	root := testnet.NewPKI(t, noon()).Root("root")
	own, alice := root.Leaf("a.example"), root.Leaf("alice@a.example")
	for name, tt := range map[string]struct {
		down    bool
		records []zone.Record
		certs   []string
		verdict string
	}{
		"alone":              {false, nil, []string{"ok a.example", "ok alice@a.example"}, PublishedOK},
		"down":               {true, nil, []string{"unanswered a.example", "unanswered alice@a.example"}, PublishedUnanswered},
		"and another in DNS": {false, []zone.Record{zone.DomainCERT("a.example", alice.Cert)}, []string{"missing a.example", "extra a.example", "ok alice@a.example"}, PublishedWrong},
		"down, and all in DNS": {true, []zone.Record{zone.DomainCERT("a.example", own.Cert), zone.CERT("alice.a.example", 1, alice.Cert.Raw)},
			[]string{"ok a.example", "ok alice@a.example"}, PublishedUnanswered},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			port := netip.MustParseAddrPort(l.Addr().String()).Port()
			s := outside(t, func(c *config.Config) { c.Publish.Directories = []string{fmt.Sprintf("%s:%d", mailHost, port)} },
				append([]zone.Record{zone.Apex("a.example", mailHost), zone.A(mailHost, loopback), zone.MX("a.example", 10, mailHost),
					zone.SRV("_ldap._tcp.a.example", 0, 0, port, mailHost)}, tt.records...)...)
			for _, id := range []*testnet.Identity{own, alice} {
				_, err = s.ImportCertificates(t.Context(), importOf(t, "", id))
				must(t, err)
			}
			if tt.down {
				must(t, l.Close())
			} else {
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- ldapd.New(s.core.Published, ldapd.Options{}).Serve(ctx, l) }()
				defer func() {
					cancel()
					must(t, <-done)
				}()
			}
			r, err := s.CheckPublished(t.Context(), nil)
			must(t, err)
			equal(t, "certificates", states(r, whatCertificate), tt.certs)
			equal(t, "verdict", r.Verdict, tt.verdict)
			for _, f := range r.Findings {
				if tt.down && f.What == whatDirectory && f.Name == "a.example" && !strings.Contains(f.Detail, "connection refused") {
					t.Errorf("the cause is not told: %+v", f)
				}
			}
		})
	}
}

// BB-35: a patient's address without a certificate is missing, though its
// domain's is there.
func TestBB35_PatientsAreFoundByTheirOwnCertificates(t *testing.T) {
	root := testnet.NewPKI(t, noon()).Root("root")
	own := root.Leaf("a.example")
	s := outside(t, nil, zone.Apex("a.example", mailHost), zone.A(mailHost, loopback), zone.MX("a.example", 10, mailHost),
		zone.DomainCERT("a.example", own.Cert))
	_, err := s.ImportCertificates(t.Context(), importOf(t, "", own))
	must(t, err)
	info, err := one(s.ImportCertificates(t.Context(), importOf(t, "", root.Leaf("alice@a.example"))))
	must(t, err)
	must(t, s.AddPatient(t.Context(), "alice@a.example", []byte("correct horse battery")))
	_, err = s.RetireCertificate(t.Context(), Retire{SHA256: info.SHA256})
	must(t, err)
	for _, names := range [][]string{nil, {"alice@a.example"}} {
		r, err := s.CheckPublished(t.Context(), names)
		must(t, err)
		equal(t, "verdict", r.Verdict, PublishedWrong)
		got := states(r, whatCertificate)
		equal(t, "alice", got[len(got)-1], "missing alice@a.example")
	}
	r, err := s.CheckPublished(t.Context(), []string{"bob@a.example"})
	must(t, err)
	equal(t, "bob", states(r, whatCertificate), []string{"ok bob@a.example"})
	_, err = s.CheckPublished(t.Context(), []string{"bob@b.example"})
	isRefused(t, "not ours", err, Negative)
}

// Files of what is published tell what they leave out.
func TestPublishedFiles(t *testing.T) {
	s := ours(t, "a.example")
	_, err := s.ImportCertificates(t.Context(), importOf(t, "", testnet.NewPKI(t, noon()).Root("root").Leaf("alice@a.example")))
	must(t, err)
	written, err := s.Zone(t.Context(), FileOrder{Domain: "a.example"})
	must(t, err)
	if !strings.Contains(written.Text, "CERT") || len(written.Warnings) != 1 { // mx.a.example has no address
		t.Errorf("%+v", written)
	}
	generic, err := s.Zone(t.Context(), FileOrder{Domain: "a.example", Generic: true})
	must(t, err)
	if !strings.Contains(generic.Text, "TYPE37") {
		t.Errorf("%+v", generic)
	}
	ldif, err := s.LDIF(t.Context(), FileOrder{Domain: "a.example"})
	must(t, err)
	if !strings.Contains(ldif.Text, "mail: alice@a.example") || len(ldif.Warnings) != 0 {
		t.Errorf("%+v", ldif)
	}
	for _, get := range []func(FileOrder) error{
		func(o FileOrder) error { _, err := s.Zone(t.Context(), o); return err },
		func(o FileOrder) error { _, err := s.LDIF(t.Context(), o); return err },
	} {
		isRefused(t, "not ours", get(FileOrder{Domain: "b.example"}), Negative)
		isRefused(t, "no domain", get(FileOrder{Domain: "nonsense"}), Invalid)
	}
}

func hosts(host mime.Domain, addresses string) map[mime.Domain]string {
	return map[mime.Domain]string{host: addresses}
}
