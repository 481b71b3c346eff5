package gateway

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/config"
	"postern/internal/publish"
	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
)

func (s *site) publishes() *publish.Set {
	s.t.Helper()
	set, err := s.Published(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return set
}

// owners lists whose certificates a set has, by their number.
func owners(set *publish.Set) map[string]int {
	all := make(map[string]int)
	for _, c := range set.Certificates {
		if c.Address.IsZero() {
			all[string(c.Domain)]++
		} else {
			all[c.Address.String()]++
		}
	}
	return all
}

// CD-10: others are told of what they may encrypt to, and of nothing else.
func TestCD10_Published(t *testing.T) {
	w := newWorld(t)
	s := w.bare("a.example", "b.example", "empty.example")
	s.Publish = publish.Options{NameServers: []mime.Domain{"ns.a.example"}, TTL: time.Hour}
	add := func(owner string, options ...testnet.Option) *testnet.Identity {
		id := w.root.Leaf(strings.ToLower(owner), options...)
		s.addKey(owner, id)
		return id
	}
	add("a.example")
	add("alice@a.example")
	newest := add("alice@a.example", testnet.Valid(-time.Minute, time.Hour))
	add("Bob@a.example")
	add("b.example")
	add("carol@a.example", testnet.Usage(0x1)) // signs only
	add("dave@a.example", testnet.Valid(-2*time.Hour, -time.Hour))
	add("erin@a.example", testnet.Valid(time.Hour, 2*time.Hour))
	retired := w.root.Leaf("frank@a.example")
	s.addKey("frank@a.example", retired, func(k *store.Key) { k.Retired = s.Now() })
	add("gone.example") // a key whose domain is none of ours
	add("x@gone.example")

	set := s.publishes()
	want := map[string]int{"a.example": 1, "b.example": 1, "alice@a.example": 2, "bob@a.example": 1}
	if diff := cmp.Diff(want, owners(set)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	equal(t, "domains", set.Domains, []mime.Domain{"a.example", "b.example", "empty.example"})
	equal(t, "name servers", set.NameServers, s.Publish.NameServers)
	for _, c := range set.Certificates {
		if c.Address.String() == "alice@a.example" {
			equal(t, "the newest is first", c.Certificate.Equal(newest.Cert), true)
			break
		}
	}
}

// BB-35: the address of a patient has its own certificates, and its domain those
// that it has for others.
func TestBB35_PatientsPublishTheirOwn(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	s.update(func(tx store.Tx) error {
		return tx.PutAccount(store.Account{Address: addr(t, "pat@a.example"), Patient: true})
	})
	equal(t, "without one", owners(s.publishes()), map[string]int{"a.example": 1})
	s.addKey("pat@a.example", w.root.Leaf("pat@a.example"))
	equal(t, "with one", owners(s.publishes()), map[string]int{"a.example": 1, "pat@a.example": 1})
}

// The same Set is kept while it says the same, and each change has a serial of its
// own, though the time stands still.
func TestPublishedChanges(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	start := uint32(s.Now().Unix())
	first := s.publishes()
	equal(t, "serial", first.Serial, start)
	if s.publishes() != first {
		t.Error("it is made anew without a change")
	}
	s.accounts("alice@a.example")
	s.trust("a.example", store.In, w.pki.Root("other"))
	w.clock.advance(time.Minute)
	if s.publishes() != first {
		t.Error("it is made anew for what is not published")
	}
	id := w.root.Leaf("alice@a.example")
	s.addKey("alice@a.example", id)
	added := s.publishes()
	equal(t, "added", owners(added), map[string]int{"a.example": 1, "alice@a.example": 1})
	equal(t, "serial after a minute", added.Serial, start+60)
	equal(t, "the first is as it was", len(first.Certificates), 1)
	s.update(func(tx store.Tx) error { return tx.RemoveKey(store.FingerprintOf(id.Cert.Raw)) })
	equal(t, "removed", owners(s.publishes()), map[string]int{"a.example": 1})
	equal(t, "serial at once", s.publishes().Serial, start+61)
	s.update(func(tx store.Tx) error { return tx.PutDomain(store.Domain{Name: "b.example"}) })
	equal(t, "domains", len(s.publishes().Domains), 2)
	equal(t, "serial of a domain", s.publishes().Serial, start+62)
	w.clock.advance(time.Hour)
	equal(t, "serial later", s.publishes().Serial, start+62)
}

// Certificates come and go by themselves, to the second.
func TestPublishedFollowsDates(t *testing.T) {
	w := newWorld(t)
	s := w.bare("a.example")
	s.addKey("a.example", w.root.Leaf("a.example", testnet.Valid(-time.Hour, time.Hour)))
	s.addKey("a.example", w.root.Leaf("a.example", testnet.Valid(30*time.Minute, 2*time.Hour)))
	start := s.publishes().Serial
	for _, step := range []struct {
		wait   time.Duration
		want   int
		serial uint32
	}{
		{0, 1, 0},
		{30*time.Minute - time.Nanosecond, 1, 0},
		{time.Nanosecond, 2, 1800},
		{30 * time.Minute, 2, 1800}, // NotAfter is in date
		{time.Nanosecond, 1, 3600},
		{time.Hour - time.Nanosecond, 1, 3600},
		{time.Second, 0, 7201},
		{-2 * time.Hour, 1, 7202}, // a clock that was set back
	} {
		w.clock.advance(step.wait)
		set := s.publishes()
		if len(set.Certificates) != step.want || set.Serial-start != step.serial {
			t.Errorf("after %v: %d certificates, serial %d; want %d and %d", step.wait, len(set.Certificates), set.Serial-start,
				step.want, step.serial)
		}
	}
}

func TestPublishedNeedsTheStore(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	s.publishes()
	err := s.Store.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Published(t.Context())
	if err == nil {
		t.Error("what was known is published on without the store")
	}
}

func TestPublishOptions(t *testing.T) {
	parse := func(text string) publish.Options {
		t.Helper()
		cfg, err := config.Parse([]byte("hostname = \"mx.b.example\"\n"+text), filepath.Join(t.TempDir(), "postern.toml"))
		if err != nil {
			t.Fatal(err)
		}
		o, err := publishOptions(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	host := mime.Domain("mx.b.example")
	for name, tt := range map[string]struct {
		text string
		want publish.Options
	}{
		"nothing": {"", publish.Options{NameServers: []mime.Domain{host}, Mail: []publish.MailServer{{Preference: 10, Host: host}},
			Hosts: map[mime.Domain][]netip.Addr{}, TTL: time.Hour}},
		"LDAP": {"[listen]\nldap = \":389\"", publish.Options{NameServers: []mime.Domain{host},
			Mail: []publish.MailServer{{Preference: 10, Host: host}}, Directories: []publish.Directory{{Host: host, Port: 389}},
			Hosts: map[mime.Domain][]netip.Addr{}, TTL: time.Hour}},
		"LDAP at a port that is not known": {"[listen]\nldap = \"127.0.0.1:0\"", publish.Options{NameServers: []mime.Domain{host},
			Mail: []publish.MailServer{{Preference: 10, Host: host}}, Hosts: map[mime.Domain][]netip.Addr{}, TTL: time.Hour}},
		"all": {`[listen]
ldap = ":389"
[publish]
name_servers = ["ns1.b.example", "ns2.b.example"]
mail = ["5 mail.b.example"]
directories = ["ldap.b.example:1389"]
hosts = { "mail.b.example" = "192.0.2.1 2001:db8::1" }
ttl = "5m"`, publish.Options{NameServers: []mime.Domain{"ns1.b.example", "ns2.b.example"},
			Mail:        []publish.MailServer{{Preference: 5, Host: "mail.b.example"}},
			Directories: []publish.Directory{{Host: "ldap.b.example", Port: 1389}},
			Hosts:       map[mime.Domain][]netip.Addr{"mail.b.example": {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}},
			TTL:         5 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parse(tt.text), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
