package discovery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// CD-23: a server that was dead is asked after the others for a minute, and not at
// all for half of that.
func TestCD23_DeadServersAreAskedLast(t *testing.T) {
	ca := newAuthority(t)
	dead := testnet.DeadPort(t)
	w := newWorld(t)
	live := (&server{entries: map[string][]string{alice: raw(ca.leaf("alice")), "bob@b.example": raw(ca.leaf("bob"))}}).start(t)
	w.ldap(t, 0, dead)
	w.ldap(t, 1, live.addr)
	r := w.resolver(t)

	names := func(got discovery.Result) (all []string) {
		for _, s := range ldapSteps(got) {
			kind := "live"
			if strings.Contains(s.Server, dead[strings.LastIndex(dead, ":"):]) {
				kind = "dead"
			}
			all = append(all, kind+" "+string(s.Answer))
		}
		return all
	}
	same := func(got discovery.Result, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, names(got)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	same(ask(t, r, alice), "dead unreachable", "live found")
	same(ask(t, r, "bob@b.example"), "live found")
	w.pass(time.Second)
	got := ask(t, r, "carol@b.example")
	same(got, "live no-entry", "dead unreachable", "live no-entry", "dead unreachable")
	if s := ldapSteps(got)[1]; !s.Cached || !strings.Contains(s.Outcome, "not asked") {
		t.Errorf("step %+v", s)
	}
	w.pass(35 * time.Second)
	got = ask(t, r, "dan@b.example")
	if s := ldapSteps(got)[1]; s.Cached || s.Answer != discovery.AnswerUnreachable {
		t.Errorf("after 40 seconds it was not asked: %+v", s)
	}
	w.pass(2 * time.Minute)
	same(askAnew(t, r, alice), "dead unreachable", "live found")
}

// A property that refusals rest on: what is kept refuses nobody by itself.
func TestStaleKnowledgeAloneRefusesNobody(t *testing.T) {
	ca := newAuthority(t)
	t.Run("a directory came back", func(t *testing.T) {
		dead := testnet.DeadPort(t)
		w := newWorld(t)
		w.ldap(t, 0, dead)
		r := w.resolver(t)
		got := ask(t, r, alice)
		check(t, got, reason.NoCertificate)
		if got.Cached {
			t.Error("the first answer is cached")
		}
		s := (&server{entries: map[string][]string{alice: raw(ca.leaf("alice"))}}).startAt(t, dead)
		defer s.stop()
		w.pass(time.Second)
		if got = ask(t, r, alice); got.Err == nil || !got.Cached {
			t.Errorf("%v, cached %v", got.Err, got.Cached)
		}
		check(t, askAnew(t, r, alice), reason.OK, place{"alice", discovery.LDAPAddress})
		check(t, ask(t, r, alice), reason.OK, place{"alice", discovery.LDAPAddress})
	})
	t.Run("an entry was made", func(t *testing.T) {
		s := (&server{entries: map[string][]string{}}).start(t)
		_, r := directories(t, s)
		check(t, ask(t, r, alice), reason.NoCertificate)
		s.mu.Lock()
		s.entries = map[string][]string{alice: raw(ca.leaf("alice"))}
		s.mu.Unlock()
		if got := ask(t, r, alice); got.Err == nil || !got.Cached || got.Questions != 0 {
			t.Errorf("%v, cached %v, questions %d", got.Err, got.Cached, got.Questions)
		}
		check(t, askAnew(t, r, alice), reason.OK, place{"alice", discovery.LDAPAddress})
	})
	t.Run("a record was made", func(t *testing.T) {
		w := newWorld(t)
		r := w.resolver(t)
		check(t, ask(t, r, alice), reason.NoCertificate)
		w.cert(t, "alice.b.example", discovery.CertPKIX, ca.leaf("alice").Raw)
		if got := ask(t, r, alice); got.Err == nil || !got.Cached {
			t.Errorf("%v, cached %v", got.Err, got.Cached)
		}
		check(t, askAnew(t, r, alice), reason.OK, place{"alice", discovery.DNSAddress})
	})
	t.Run("a record was replaced", func(t *testing.T) {
		w := newWorld(t)
		w.cert(t, "b.example", discovery.CertPKIX, ca.leaf("old").Raw)
		r := w.resolver(t)
		check(t, ask(t, r, alice), reason.OK, place{"old", discovery.DNSDomain})
		w.cert(t, "alice.b.example", discovery.CertPKIX, ca.leaf("new").Raw)
		if got := ask(t, r, alice); !got.Cached {
			t.Error("it is not cached")
		}
		check(t, askAnew(t, r, alice), reason.OK, place{"new", discovery.DNSAddress})
	})
}
