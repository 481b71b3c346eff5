package discovery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"postern/mime"
	"postern/trust/discovery"
	"postern/trust/reason"
)

const alice = "alice@b.example"

// directories returns a resolver for which b.example has these LDAP servers, the
// first asked first.
func directories(t testing.TB, servers ...*server) (*world, *discovery.Resolver) {
	t.Helper()
	w := newWorld(t)
	for i, s := range servers {
		w.ldap(t, i, s.addr)
	}
	return w, w.resolver(t)
}

// lastSteps returns the steps of the directories.
func ldapSteps(r discovery.Result) []discovery.Step {
	var all []discovery.Step
	for _, s := range r.Steps {
		if strings.HasPrefix(s.Query, "(mail=") {
			all = append(all, s)
		}
	}
	return all
}

// CD-28: whatever an address has in it, it is one value of one comparison.
func TestCD28_FilterIsOneEqualityMatch(t *testing.T) {
	s := (&server{}).start(t)
	_, r := directories(t, s)
	for _, local := range []string{
		"*", "a*", ")(uid=*", "*)(uid=*", "x)(|(mail=*", "alice\\2a", "\\", "\\\\", "(", ")", "&", "|", "!(a=b)",
		"a=b", "a>=b", "a~=b", "a:dn:=b", " a ", "a,b", `"`, "a#b", "o'brien", "%2a", "${x}",
	} {
		a, err := mime.NewAddress(local, "b.example")
		if err != nil {
			t.Errorf("%q is no local part: %v", local, err)
			continue
		}
		before := len(s.asked())
		r.Find(t.Context(), discovery.Request{Address: a})
		all := s.asked()[before:]
		if len(all) == 0 {
			t.Errorf("%q: nothing asked", local)
		}
		for _, q := range all {
			p := q.filter
			if p.Tag == ldap.FilterAnd { // the form that asks for certificates as well
				p = p.Children[0]
			}
			if p.Tag != ldap.FilterEqualityMatch || len(p.Children) != 2 || p.Children[0].Data.String() != "mail" {
				t.Errorf("%q became %s", local, q.text())
				continue
			}
			if got := p.Children[1].Data.String(); got != a.String() && got != "b.example" {
				t.Errorf("%q: the value is %q", local, got)
			}
		}
	}
}

// NUL, line ends and octets beyond ASCII do not come so far.
func TestCD28_WhatNoAddressHas(t *testing.T) {
	for _, local := range []string{"a\x00b", "a\r\nb", "ä", "a\x80b", "a\x7fb"} {
		if a, err := mime.NewAddress(local, "b.example"); err == nil {
			t.Errorf("%q is an address: %v", local, a)
		}
	}
}

// CD-28: the second form is for directories that find nothing by the first, or
// refuse it.
func TestCD28_FormsOfTheFilter(t *testing.T) {
	ca := newAuthority(t)
	const first, second = "(mail=alice@b.example)", "(&(mail=alice@b.example)(|(userCertificate;binary=*)(userCertificate=*)))"
	give := func(s *session, q search) {
		_ = s.entry(q.id, "cn=x", map[string][]string{"userCertificate;binary": raw(ca.leaf("alice"))})
	}
	for _, c := range []struct {
		name   string
		answer func(s *session, q search) (code int)
		want   []string
		code   reason.Code
	}{
		{"by the first", func(s *session, q search) int { give(s, q); return 0 }, []string{first}, reason.OK},
		{"by the second alone", func(s *session, q search) int {
			if q.text() == second {
				give(s, q)
			}
			return 0
		}, []string{first, second}, reason.OK},
		{"the first refused", func(s *session, q search) int {
			if q.text() == first {
				return ldap.LDAPResultUnwillingToPerform
			}
			give(s, q)
			return 0
		}, []string{first, second}, reason.OK},
		{"too many entries for the first", func(s *session, q search) int {
			if q.text() == first {
				return ldap.LDAPResultSizeLimitExceeded
			}
			give(s, q)
			return 0
		}, []string{first, second}, reason.OK},
		{"some of too many entries", func(s *session, q search) int { give(s, q); return ldap.LDAPResultSizeLimitExceeded },
			[]string{first}, reason.OK},
		{"an entry without certificates", func(s *session, q search) int {
			_ = s.entry(q.id, "cn=x", map[string][]string{"mail": {alice}})
			return 0
		}, []string{first}, reason.NoCertificate},
		{"a base that is not there", func(s *session, q search) int { return ldap.LDAPResultNoSuchObject },
			[]string{first}, reason.NoCertificate},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := (&server{answer: func(s *session, q search) {
				code := 0
				if strings.Contains(q.text(), alice) {
					code = c.answer(s, q)
				}
				_ = s.done(q.id, ldap.ApplicationSearchResultDone, code)
			}}).start(t)
			_, r := directories(t, s)
			got := ask(t, r, alice)
			if got.Err == nil && c.code != reason.OK || got.Err != nil && got.Err.Code != c.code {
				t.Errorf("got %v", got.Err)
			}
			var filters []string
			for _, q := range s.asked() {
				if strings.Contains(q.text(), alice) {
					filters = append(filters, q.text())
				}
				if q.size != discovery.MaxCertificates {
					t.Errorf("size limit %d", q.size)
				}
			}
			if d := cmp.Diff(c.want, filters); d != "" {
				t.Errorf("filters (-want +got):\n%s", d)
			}
		})
	}
}

// CD-26: a directory that takes no anonymous bind may let anybody search
// (RFC 4513 §5.1).
func TestCD26_SearchWithoutABind(t *testing.T) {
	ca := newAuthority(t)
	s := (&server{bindCode: ldap.LDAPResultInappropriateAuthentication,
		entries: map[string][]string{alice: raw(ca.leaf("alice"))}}).start(t)
	_, r := directories(t, s)
	got := ask(t, r, alice)
	check(t, got, reason.OK, place{"alice", discovery.LDAPAddress})
	if o := ldapSteps(got)[0].Outcome; !strings.Contains(o, "no anonymous bind") || strings.Contains(o, "\n") {
		t.Errorf("outcome %q", o)
	}
}

func TestCD26_DirectoriesThatRefuse(t *testing.T) {
	for _, c := range []struct {
		code int
		want discovery.Answer
	}{
		{ldap.LDAPResultInsufficientAccessRights, discovery.AnswerRefused},
		{ldap.LDAPResultStrongAuthRequired, discovery.AnswerRefused},
		{ldap.LDAPResultOperationsError, discovery.AnswerRefused},
		{ldap.LDAPResultBusy, discovery.AnswerServFail},
		{ldap.LDAPResultUnavailable, discovery.AnswerServFail},
	} {
		s := (&server{bindCode: c.code, rootCode: c.code, answer: func(s *session, q search) {
			_ = s.done(q.id, ldap.ApplicationSearchResultDone, c.code)
		}}).start(t)
		_, r := directories(t, s)
		got := ask(t, r, alice)
		check(t, got, reason.NoCertificate)
		for _, step := range ldapSteps(got) {
			if step.Answer != c.want || step.Err == nil {
				t.Errorf("code %d: %s, %v", c.code, step.Answer, step.Err)
			}
		}
	}
}

func TestCD27_WhereADirectoryIsSearched(t *testing.T) {
	var ten []string
	for i := range 10 {
		ten = append(ten, fmt.Sprintf("o=%d", i))
	}
	for _, c := range []struct {
		name string
		s    *server
		want []string
	}{
		{"one", &server{}, []string{"o=b.example"}},
		{"all, up to eight", &server{root: map[string][]string{"NamingContexts": ten}}, ten[:8]},
		{"the empty one", &server{root: map[string][]string{"namingContexts": {""}}}, []string{""}},
		{"the default one", &server{root: map[string][]string{"defaultNamingContext": {"dc=b"}}}, []string{"dc=b"}},
		{"contexts before the default", &server{root: map[string][]string{"defaultNamingContext": {"dc=b"}, "namingContexts": {"dc=a"}}}, []string{"dc=a"}},
		{"none", &server{root: map[string][]string{"vendorName": {"x"}}}, []string{""}},
		{"no root DSE", &server{rootCode: ldap.LDAPResultInsufficientAccessRights}, []string{""}},
		{"a name without end", &server{root: map[string][]string{"namingContexts": {strings.Repeat("o=x,", 1000), "o=y"}}}, []string{"o=y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.s.start(t)
			_, r := directories(t, s)
			ask(t, r, alice)
			var bases []string
			for _, q := range s.asked() {
				if q.text() == "(mail="+alice+")" {
					bases = append(bases, q.base)
				}
			}
			if d := cmp.Diff(c.want, bases); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestCD29_AttributesThatAreRead(t *testing.T) {
	ca := newAuthority(t)
	for name, read := range map[string]bool{
		"userCertificate": true, "userCertificate;binary": true, "USERCERTIFICATE;Binary": true, "userCertificate;x-foo": true,
		"userSMIMECertificate": false, "userCertificates": false, "cACertificate;binary": false, "": false,
	} {
		s := (&server{answer: func(s *session, q search) {
			_ = s.entry(q.id, "cn=x", map[string][]string{name: raw(ca.leaf("alice"))})
			_ = s.done(q.id, ldap.ApplicationSearchResultDone, 0)
		}}).start(t)
		_, r := directories(t, s)
		if got := ask(t, r, alice); (got.Err == nil) != read {
			t.Errorf("%q: %v", name, got.Err)
		}
	}
}

// Referrals lead where nobody has looked at: the guard could, and yet it would be
// another's word about where the domain's certificates are.
func TestReferralsAreNotFollowed(t *testing.T) {
	elsewhere := (&server{}).start(t)
	url := "ldap://" + elsewhere.addr + "/o=b.example"
	for name, answer := range map[string]func(s *session, q search){
		"references": func(s *session, q search) {
			_ = s.refer(q.id, url)
			_ = s.done(q.id, ldap.ApplicationSearchResultDone, 0)
		},
		"a referral": func(s *session, q search) {
			_ = s.done(q.id, ldap.ApplicationSearchResultDone, ldap.LDAPResultReferral)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := directories(t, (&server{answer: answer}).start(t))
			got := ask(t, r, alice)
			check(t, got, reason.NoCertificate)
			step := ldapSteps(got)[0]
			if !strings.Contains(step.Outcome, "not followed") || step.Answer != discovery.AnswerNoEntry {
				t.Errorf("%s: %s", step.Answer, step.Outcome)
			}
			if elsewhere.binds > 0 {
				t.Error("it was followed")
			}
		})
	}
}

// CD-23, CD-24: whatever the first directory does, the second is asked.
func TestCD24_TheNextDirectoryIsAsked(t *testing.T) {
	ca := newAuthority(t)
	long := string(ca.leaf("other").Raw) // any value that is long
	good := func() *server { return &server{entries: map[string][]string{alice: raw(ca.leaf("alice"))}} }
	for name, answer := range map[string]func(s *session, q search){
		"an entry without certificates": func(s *session, q search) {
			_ = s.entry(q.id, "cn=x", map[string][]string{"mail": {alice}})
			_ = s.done(q.id, ldap.ApplicationSearchResultDone, 0)
		},
		"no entry":  func(s *session, q search) { _ = s.done(q.id, ldap.ApplicationSearchResultDone, 0) },
		"a refusal": func(s *session, q search) { _ = s.done(q.id, ldap.ApplicationSearchResultDone, ldap.LDAPResultBusy) },
		"hangs up":  func(s *session, q search) { s.conn.Close() },
		"cut off": func(s *session, q search) {
			_, _ = s.conn.Write([]byte("\x30\x84\x00\x00\x10\x00\x02"))
			s.conn.Close()
		},
		"another's id": func(s *session, q search) { _ = s.done(q.id+7, ldap.ApplicationSearchResultDone, 0); s.conn.Close() },
		"endless entries": func(s *session, q search) {
			for s.entry(q.id, "cn=x", map[string][]string{"mail": {alice}, "description": {long}}) == nil {
			}
		},
		"endless references": func(s *session, q search) {
			for s.refer(q.id, "ldap://x.example/") == nil {
			}
		},
		"ten thousand values of no use": func(s *session, q search) {
			_ = s.entry(q.id, "cn=x", map[string][]string{"description": make([]string, 1900)})
			_ = s.done(q.id, ldap.ApplicationSearchResultDone, 0)
		},
		"more than a megabyte": func(s *session, q search) {
			_ = s.entry(q.id, "cn=x", map[string][]string{"description": {strings.Repeat(long, 4096)}})
			_ = s.done(q.id, ldap.ApplicationSearchResultDone, 0)
		},
		"deep nesting": func(s *session, q search) {
			p := octets("x")
			for range 1000 {
				around := ber.NewSequence("")
				around.AppendChild(p)
				p = around
			}
			_ = s.send(q.id, p)
		},
		"an entry of another form": func(s *session, q search) {
			op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
			op.AppendChild(ber.NewSequence(""))
			_ = s.send(q.id, op)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := directories(t, (&server{answer: answer}).start(t), good().start(t))
			got := ask(t, r, alice)
			check(t, got, reason.OK, place{"alice", discovery.LDAPAddress})
		})
	}
}

// CD-41: an entry of nearly two thousand unreadable values is an unusable certificate.
func TestCD41_ValuesOfNoUse(t *testing.T) {
	s := (&server{answer: func(s *session, q search) {
		_ = s.entry(q.id, "cn=x", map[string][]string{"userCertificate;binary": make([]string, 1900)})
		_ = s.done(q.id, ldap.ApplicationSearchResultDone, 0)
	}}).start(t)
	_, r := directories(t, s, (&server{entries: map[string][]string{alice: raw(newAuthority(t).leaf("alice"))}}).start(t))
	got := ask(t, r, alice)
	check(t, got, reason.NoCertificate)
	if step := ldapSteps(got)[0]; !strings.Contains(step.Outcome, "unreadable: 50, not looked at: 1850") {
		t.Errorf("outcome %q", step.Outcome)
	}
}

// CD-30: a directory that sends an octet now and then has its time and no more.
func TestCD30_SlowDirectoriesEnd(t *testing.T) {
	s := (&server{answer: func(s *session, q search) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for _, err := s.conn.Write([]byte("\x30\x82\xf0\x00\x04\x82\xef\xfc")); err == nil; _, err = s.conn.Write([]byte{'x'}) {
			<-tick.C
		}
	}}).start(t)
	_, r := directories(t, s)
	r.Budget = time.Second
	began := time.Now()
	check(t, ask(t, r, alice), reason.DiscoveryTimeout)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
