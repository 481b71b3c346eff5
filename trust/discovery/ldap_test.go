package discovery_test

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/guard"
	"postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

const ldapService = "_ldap._tcp.b.example"

// directory returns the SRV record of an LDAP server on loopback.
func directory(t testing.TB, priority, weight uint16, addr string) named.Record {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return named.SRV(ldapService, priority, weight, uint16(port), "ns.b.example")
}

func TestCP13_LDAPDiscoveryAgainstSlapd(t *testing.T) {
	ca := newAuthority(t)
	addr := testnet.Slapd(t, "o=b.example", []testnet.Entry{
		{Mail: "alice@b.example", Certificates: certs(ca.leaf("alice"), ca.leaf("alice 2"))},
		{Mail: "bare@b.example"},
		{Mail: "b.example", Certificates: certs(ca.leaf("domain"))},
	})
	r := resolver(t, serve(t, directory(t, 0, 0, addr)))
	domain := place{"domain", discovery.LDAPDomain}
	for _, c := range []struct {
		name, address string
		want          []place
	}{
		{"D3 address", "alice@b.example", []place{{"alice", discovery.LDAPAddress}, {"alice 2", discovery.LDAPAddress}}},
		{"AS-4 case", "ALICE@b.example", []place{{"alice", discovery.LDAPAddress}, {"alice 2", discovery.LDAPAddress}}},
		{"D4 domain", "nobody@b.example", []place{domain}},
		{"entry without certificate", "bare@b.example", []place{domain}},
		{"CD-28 wildcard is a letter", "*@b.example", []place{domain}},
		{"CD-28 injection", `"*)(uid=*"@b.example`, []place{domain}},
		{"CD-28 injection closed", `"x)(|(mail=alice@b.example)"@b.example`, []place{domain}},
		{"CD-28 backslash", `"\\2a"@b.example`, []place{domain}},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, r.Find(t.Context(), discovery.Request{Address: address(t, c.address)}), reason.OK, c.want...)
		})
	}
	t.Run("private addresses are guarded", func(t *testing.T) {
		guarded := &discovery.Resolver{DNS: r.DNS}
		got := guarded.Find(t.Context(), discovery.Request{Address: address(t, "alice@b.example")})
		check(t, got, reason.NoCertificate)
		last := got.Steps[len(got.Steps)-1]
		if last.Err == nil || !strings.Contains(last.Err.Error(), guard.ErrForbidden.Error()) {
			t.Errorf("last step: %v", last.Err)
		}
	})
}

func TestCD22_CD23_LDAPServersInOrder(t *testing.T) {
	ca := newAuthority(t)
	slapd := func(name string, entries ...testnet.Entry) string {
		if name != "" {
			entries = append(entries, testnet.Entry{Mail: "alice@b.example", Certificates: certs(ca.leaf(name))})
		}
		return testnet.Slapd(t, "o=b.example", entries)
	}
	one, two, empty, dead := slapd("one"), slapd("two"), slapd(""), testnet.DeadPort(t)
	for _, c := range []struct {
		name    string
		servers []named.Record
		want    string // "" is none
	}{
		{"CD-21 D15 priority", []named.Record{directory(t, 1, 0, two), directory(t, 0, 0, one)}, "one"},
		{"CD-22 D16 weight", []named.Record{directory(t, 0, 0, two), directory(t, 0, 100, one)}, "one"},
		{"CD-23 D10 dead, then live", []named.Record{directory(t, 0, 0, dead), directory(t, 1, 0, one)}, "one"},
		{"CD-24 empty, then full", []named.Record{directory(t, 0, 0, empty), directory(t, 1, 0, one)}, "one"},
		{"CD-43 D12 dead alone", []named.Record{directory(t, 0, 0, dead)}, ""},
		{"CD-25 no service", []named.Record{named.SRV(ldapService, 0, 0, 389, ".")}, ""},
		{"D11 no SRV", nil, ""},
		{"a target without an address", []named.Record{named.SRV(ldapService, 0, 0, 389, "nohost.b.example")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := resolver(t, serve(t, c.servers...)).Find(t.Context(), discovery.Request{Address: address(t, "alice@b.example")})
			if c.want == "" {
				check(t, got, reason.NoCertificate)
				return
			}
			check(t, got, reason.OK, place{c.want, discovery.LDAPAddress})
		})
	}
}

// CD-42: what DNS publishes ends the search, whatever LDAP has.
func TestCD20_CD42_LaterSourcesAreNotAsked(t *testing.T) {
	ca := newAuthority(t)
	r := resolver(t, serve(t, named.DomainCERT("b.example", ca.leaf("dns")), directory(t, 0, 0, testnet.DeadPort(t))))
	got := r.Find(t.Context(), discovery.Request{Address: address(t, "alice@b.example")})
	check(t, got, reason.OK, place{"dns", discovery.DNSDomain})
	if len(got.Steps) != 2 {
		t.Errorf("%d steps", len(got.Steps))
	}
}

// Directories that are silent, hang up, or talk without end.
func TestCD31_HostileDirectoriesEndInNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
	}{
		{"hangs up", func(c net.Conn) {}},
		{"endless zeroes", func(c net.Conn) { pour(c, make([]byte, 64<<10)) }},
		{"endless nesting", func(c net.Conn) { pour(c, []byte(strings.Repeat("\x30\x80", 32<<10))) }},
		{"long promise", func(c net.Conn) { pour(c, []byte("\x30\x84\x7f\xff\xff\xff\x04\x84\x7f\xff\xff\xf0")) }},
		{"not LDAP", func(c net.Conn) { _, _ = c.Write([]byte("220 smtp.b.example\r\n")) }},
		{"bind refused", func(c net.Conn) {
			_, _ = c.Write([]byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00"))
		}},
		{"bind answered, then nonsense", func(c net.Conn) {
			_, _ = c.Write([]byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"))
			_, _ = c.Write([]byte("\x30\x07\x02\x01\x02\x64\x02\x04\x00"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := resolver(t, serve(t, directory(t, 0, 0, listen(t, c.serve))))
			began := time.Now()
			check(t, r.Find(t.Context(), discovery.Request{Address: address(t, "alice@b.example")}), reason.NoCertificate)
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestSilentDirectoryEndsWithTheContext(t *testing.T) {
	r := resolver(t, serve(t, directory(t, 0, 0, listen(t, func(c net.Conn) { hold(c) }))))
	r.Budget = 300 * time.Millisecond
	began := time.Now()
	check(t, r.Find(t.Context(), discovery.Request{Address: address(t, "alice@b.example")}), reason.DiscoveryTimeout)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}
