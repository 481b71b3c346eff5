package ldapd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"postern/internal/publish"
	"postern/mime"
)

const suffix = "dc=b,dc=example"

func TestCD27_RootDSENamesTheContexts(t *testing.T) {
	_, addr := start(t, newSite(t).source, Options{})
	c := connect(t, addr)
	for _, attributes := range [][]string{{"namingContexts"}, {"NAMINGCONTEXTS"}, {"+"}, {"*"}, nil} {
		r, err := c.Search(ask("", ldap.ScopeBaseObject, "(objectClass=*)", attributes...))
		if err != nil || len(r.Entries) != 1 {
			t.Fatalf("%q: %v, %v", attributes, r, err)
		}
		want := []string{"dc=b,dc=example", "dc=sub,dc=b,dc=example", "dc=bare,dc=example"}
		if diff := cmp.Diff(want, r.Entries[0].GetAttributeValues("namingContexts")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", attributes, diff)
		}
	}
	r, err := c.Search(ask("", ldap.ScopeBaseObject, "(objectClass=*)"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, a := range r.Entries[0].Attributes {
		got[a.Name] = a.Values
	}
	delete(got, "namingContexts")
	want := map[string][]string{
		"objectClass": {"top"}, "supportedLDAPVersion": {"3"}, "vendorName": {"Postern"},
		"supportedExtension": {oidWhoAmI}, "supportedFeatures": {oidAllOperations, oidTrueFalse},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCD28_CD32_Search also covers H3 and H4, by the library that discovery uses.
func TestCD28_CD32_Search(t *testing.T) {
	s := newSite(t)
	_, addr := start(t, s.source, Options{})
	c := connect(t, addr)
	alice, both := raw(s.alice...), raw(s.alice[0], s.alice[1], s.domain)
	escaped := ldap.EscapeFilter(quotedAddress)
	dcdt := func(mail string) string {
		return "(&(mail=" + mail + ")(|(userCertificate;binary=*)(userCertificate=*)))"
	}
	const one, sub, base = ldap.ScopeSingleLevel, ldap.ScopeWholeSubtree, ldap.ScopeBaseObject
	const aliceDN = "mail=Alice@b.example," + suffix
	for _, q := range []struct {
		name   string
		base   string
		scope  int
		filter string
		code   code
		want   [][]byte
	}{
		{"H3 address", suffix, sub, "(mail=alice@b.example)", success, alice},
		{"H3 DCDT form", suffix, sub, dcdt("alice@b.example"), success, alice},
		{"H4 domain", suffix, sub, "(mail=b.example)", success, raw(s.domain)},
		{"H4 DCDT form", suffix, sub, dcdt("b.example"), success, raw(s.domain)},
		{"AS-4 case", suffix, sub, "(MAIL=ALICE@B.EXAMPLE)", success, alice},
		{"either", suffix, sub, "(|(mail=alice@b.example)(mail=b.example))", success, both},
		{"one twice", suffix, sub, "(|(mail=alice@b.example)(mail=Alice@b.example))", success, alice},
		{"below all contexts", "", sub, "(mail=alice@b.example)", success, alice},
		{"one level", suffix, one, "(mail=alice@b.example)", success, alice},
		{"one level below the root", "", one, "(mail=alice@b.example)", success, nil},
		{"another domain", "dc=bare,dc=example", sub, "(mail=alice@b.example)", success, nil},
		{"a nested domain", "dc=sub,dc=b,dc=example", sub, "(mail=sub.b.example)", success, raw(s.other)},
		{"a nested domain from above", suffix, sub, "(mail=sub.b.example)", success, raw(s.other)},
		{"a nested domain one level below", suffix, one, "(mail=sub.b.example)", success, nil},
		{"quoted", suffix, sub, "(mail=" + escaped + ")", success, raw(s.quoted)},
		{"not there", suffix, sub, "(mail=nobody@b.example)", success, nil},
		{"no entry without certificate", suffix, sub, "(mail=bare.example)", success, nil},
		{"by class and mail", suffix, sub, "(&(objectClass=inetOrgPerson)(mail=alice@b.example))", success, alice},
		{"another class", suffix, sub, "(&(objectClass=device)(mail=alice@b.example))", success, nil},
		{"not another class", suffix, sub, "(&(!(objectClass=device))(mail=alice@b.example))", success, alice},
		{"unknown attribute", suffix, sub, "(&(!(shoeSize=43))(mail=alice@b.example))", success, nil},
		{"unknown or known", suffix, sub, "(&(|(shoeSize=43)(cn=alice@*))(mail=alice@b.example))", success, alice},
		{"contradiction", suffix, sub, "(&(mail=b.example)(mail=alice@b.example))", success, nil},
		{"true and mail", suffix, sub, "(&(&)(mail=b.example))", success, raw(s.domain)},
		{"false", suffix, sub, "(|)", success, nil},

		{"no browsing by class", suffix, sub, "(objectClass=*)", adminLimitExceeded, nil},
		{"no browsing by presence", suffix, sub, "(mail=*)", adminLimitExceeded, nil},
		{"no browsing by letters", suffix, sub, "(mail=a*)", adminLimitExceeded, nil},
		{"no browsing by name", suffix, sub, "(cn=alice*)", adminLimitExceeded, nil},
		{"no browsing by order", suffix, sub, "(mail>=a)", adminLimitExceeded, nil},
		{"no browsing by not", suffix, sub, "(!(mail=x@b.example))", adminLimitExceeded, nil},
		{"no browsing by or", suffix, sub, "(|(mail=alice@b.example)(objectClass=*))", adminLimitExceeded, nil},
		{"no browsing by or within and", suffix, sub, "(&(|(mail=b.example)(cn=*))(userCertificate=*))", adminLimitExceeded, nil},
		{"no browsing by true", "", sub, "(&)", adminLimitExceeded, nil},
		{"no browsing one level below", suffix, one, "(objectClass=*)", adminLimitExceeded, nil},
		{"no browsing by extensible match", suffix, sub, "(mail:caseIgnoreIA5Match:=b.example)", adminLimitExceeded, nil},

		{"by DN", aliceDN, base, "(objectClass=*)", success, alice},
		{"by DN and below", aliceDN, sub, "(objectClass=*)", success, alice},
		{"below an address", aliceDN, one, "(objectClass=*)", success, nil},
		{"by DN and another mail", aliceDN, base, "(mail=b.example)", success, nil},
		{"by DN in another form", " MAIL = alice\\40b.example , 0.9.2342.19200300.100.1.25=B,DC=example ", base, "(objectClass=*)", success, alice},
		{"by DN of a quoted", publish.EntryDN(quotedAddress, "b.example"), base, "(objectClass=*)", success, raw(s.quoted)},
		{"by DN of nobody", "mail=nobody@b.example," + suffix, base, "(objectClass=*)", noSuchObject, nil},
		{"foreign base", "dc=c,dc=example", sub, "(mail=alice@b.example)", noSuchObject, nil},
		{"no DN", "alice", sub, "(mail=alice@b.example)", invalidDNSyntax, nil},
	} {
		t.Run(q.name, func(t *testing.T) {
			r, err := c.Search(ask(q.base, q.scope, q.filter))
			if codeOf(err) != q.code {
				t.Fatalf("result %v, want %d", err, q.code)
			}
			if diff := cmp.Diff(q.want, ders(r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCD29_CP13_Attributes(t *testing.T) {
	s := newSite(t)
	_, addr := start(t, s.source, Options{})
	c := connect(t, addr)
	classes := []string{"top", "person", "organizationalPerson", "inetOrgPerson"}
	for _, q := range []struct {
		asked []string
		want  []string
	}{
		{nil, []string{"objectClass", "cn", "sn", "mail", "userCertificate;binary"}},
		{[]string{"*"}, []string{"objectClass", "cn", "sn", "mail", "userCertificate;binary"}},
		{[]string{"userCertificate"}, []string{"userCertificate;binary"}},
		{[]string{"userCertificate;binary"}, []string{"userCertificate;binary"}},
		{[]string{"usercertificate", "USERCERTIFICATE;BINARY"}, []string{"userCertificate;binary"}},
		{[]string{"2.5.4.36"}, []string{"userCertificate;binary"}},
		{[]string{"userCertificate;lang-en", "mail;binary", "userSMIMECertificate"}, nil},
		{[]string{"rfc822Mailbox", "objectClass"}, []string{"objectClass", "mail"}},
		{[]string{"1.1"}, nil},
		{[]string{"1.1", "mail"}, []string{"mail"}},
	} {
		for _, typesOnly := range []bool{false, true} {
			request := ask(suffix, ldap.ScopeWholeSubtree, "(mail=alice@b.example)", q.asked...)
			request.TypesOnly = typesOnly
			r, err := c.Search(request)
			if err != nil || len(r.Entries) != 1 {
				t.Fatalf("%q: %v, %v", q.asked, r, err)
			}
			var got []string
			for _, a := range r.Entries[0].Attributes {
				got = append(got, a.Name)
				if (len(a.Values) == 0) != typesOnly {
					t.Errorf("%q, types only %v: %s has %d values", q.asked, typesOnly, a.Name, len(a.Values))
				}
				if a.Name == "objectClass" && !typesOnly {
					if diff := cmp.Diff(classes, a.Values); diff != "" {
						t.Errorf("classes (-want +got):\n%s", diff)
					}
				}
			}
			if diff := cmp.Diff(q.want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", q.asked, diff)
			}
			if want := "mail=Alice@b.example," + suffix; r.Entries[0].DN != want {
				t.Errorf("DN %s, want %s", r.Entries[0].DN, want)
			}
		}
	}
}

func TestSearchLimits(t *testing.T) {
	s := newSite(t)
	_, addr := start(t, s.source, Options{})
	c := connect(t, addr)
	both := ask(suffix, ldap.ScopeWholeSubtree, "(|(mail=alice@b.example)(mail=b.example))")
	both.SizeLimit = 1
	r, err := c.Search(both)
	if codeOf(err) != sizeLimitExceeded || len(r.Entries) != 1 {
		t.Errorf("size limit 1: %v, %v", r, err)
	}
	both.SizeLimit, both.TimeLimit = 2, 1
	r, err = c.Search(both)
	if err != nil || len(r.Entries) != 2 {
		t.Errorf("size limit 2: %v, %v", r, err)
	}
	for n, want := range map[int]code{maxMails: success, maxMails + 1: adminLimitExceeded} {
		var names strings.Builder
		for i := range n {
			fmt.Fprintf(&names, "(mail=%d@b.example)", i)
		}
		_, err = c.Search(ask("", ldap.ScopeWholeSubtree, "(|"+names.String()+")"))
		if codeOf(err) != want {
			t.Errorf("%d mail values: %v, want %d", n, err, want)
		}
	}
}

func TestAnswerIsBounded(t *testing.T) {
	set := &publish.Set{Domains: []mime.Domain{"b.example"}}
	some := newSite(t).domain
	for _, name := range []string{"b.example", "a@b.example"} {
		for i := range 8 {
			cert := *some
			cert.Raw = append(make([]byte, 100<<10), byte(i))
			c := publish.Certificate{Domain: "b.example", Certificate: &cert}
			if name != "b.example" {
				c.Address = address(t, name)
			}
			set.Certificates = append(set.Certificates, c)
		}
	}
	_, addr := start(t, func(context.Context) (*publish.Set, error) { return set, nil }, Options{})
	r, err := connect(t, addr).Search(ask("", ldap.ScopeWholeSubtree, "(|(mail=b.example)(mail=a@b.example))"))
	if codeOf(err) != adminLimitExceeded || len(r.Entries) != 1 {
		t.Errorf("%d entries, %v", len(r.Entries), err)
	}
}

func TestSourceThatFails(t *testing.T) {
	failing := func(context.Context) (*publish.Set, error) { return nil, errors.New("the store is shut") }
	_, addr := start(t, failing, Options{})
	_, err := connect(t, addr).Search(ask("", ldap.ScopeWholeSubtree, "(mail=b.example)"))
	if codeOf(err) != unavailable || strings.Contains(err.Error(), "store") {
		t.Errorf("%v", err)
	}
}

// TestSourceThatIsSlow: the search ends in the client's time, and in ours.
func TestSourceThatIsSlow(t *testing.T) {
	for seconds, want := range map[int32]code{1: timeLimitExceeded, 0: unavailable} {
		q := &search{scope: scopeSubtree, timeLimit: seconds, filter: compile(t, "(mail=b.example)")}
		synctest.Test(t, func(t *testing.T) {
			s := &session{server: New(func(ctx context.Context) (*publish.Set, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}, Options{})}
			began := time.Now()
			_, r := s.find(t.Context(), q)
			took, wait := time.Since(began), sourceTime
			if seconds > 0 {
				wait = time.Duration(seconds) * time.Second
			}
			if r.code != want || took != wait {
				t.Errorf("time limit %d: %d after %v, want %d", seconds, r.code, took, want)
			}
		})
	}
}

// TestChangesShowAtOnce: each search sees the Set of its moment.
func TestChangesShowAtOnce(t *testing.T) {
	s := newSite(t)
	var set atomic.Pointer[publish.Set]
	set.Store(s.set)
	_, addr := start(t, func(context.Context) (*publish.Set, error) { return set.Load(), nil }, Options{})
	c := connect(t, addr)
	count := func() int {
		r, err := c.Search(ask("", ldap.ScopeWholeSubtree, "(mail=alice@b.example)"))
		if err != nil {
			t.Fatal(err)
		}
		return len(ders(r))
	}
	before := count()
	less := *s.set
	less.Certificates = less.Certificates[:2]
	set.Store(&less)
	if after := count(); before != 2 || after != 1 {
		t.Errorf("%d certificates, then %d", before, after)
	}
}

func largeSite(b *testing.B) *site {
	s := newSite(b)
	for i := range 10_000 {
		s.set.Certificates = append(s.set.Certificates, publish.Certificate{
			Address: address(b, fmt.Sprintf("a%d@b.example", i)), Domain: "b.example", Certificate: s.domain,
		})
	}
	return s
}

// BenchmarkSearch is one answer of a directory of 10,000 addresses, without the
// network.
func BenchmarkSearch(b *testing.B) {
	site := largeSite(b)
	s := &session{server: New(site.source, Options{Rate: 1 << 30})}
	request := searchOctets(mailFilter())
	s.answer(b.Context(), request)
	for b.Loop() {
		r := s.answer(b.Context(), request)
		if len(r.octets) < 500 {
			b.Fatalf("%x", r.octets)
		}
	}
}

// BenchmarkNewSet is what a change of such a directory costs.
func BenchmarkNewSet(b *testing.B) {
	site := largeSite(b)
	for b.Loop() {
		if _, err := newTree(site.set); err != nil {
			b.Fatal(err)
		}
	}
}
