package discovery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// questions are those of all steps, each with its answer, and must be as many as
// the result says.
func questions(t *testing.T, got discovery.Result) (all []string) {
	t.Helper()
	for _, s := range got.Steps {
		for _, q := range s.Questions {
			all = append(all, q.Query+": "+string(q.Answer))
			if q.Server == "" || s.Cached {
				t.Errorf("question %+v of step %+v", q, s)
			}
		}
	}
	if len(all) != got.Questions {
		t.Errorf("%d questions, told are %q", got.Questions, all)
	}
	return all
}

// The story has every question: an operator whose resolver refuses CERT questions
// must see that.
func TestCD43_EveryQuestionIsTold(t *testing.T) {
	ca := newAuthority(t)
	t.Run("a resolver that refuses", func(t *testing.T) {
		w := newWorld(t)
		w.fail("alice.b.example. CERT", dns.RcodeRefused)
		w.cert(t, "b.example", discovery.CertPKIX, ca.leaf("domain").Raw)
		got := ask(t, w.resolver(t), alice)
		want := []string{"alice.b.example CERT: refused", "alice.b.example NS: no-such-name", "b.example CERT: found"}
		if d := cmp.Diff(want, questions(t, got)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if q := got.Steps[0].Questions[0]; q.Detail != "it answered REFUSED" || q.Server != w.addr {
			t.Errorf("%+v", q)
		}
	})
	t.Run("directories", func(t *testing.T) {
		s := (&server{entries: map[string][]string{"b.example": raw(ca.leaf("domain"))}}).start(t)
		w, r := directories(t, s)
		got := ask(t, r, alice)
		want := []string{"alice.b.example CERT: no-such-name", "b.example CERT: no-such-name", "_ldap._tcp.b.example SRV: found",
			"anonymous bind: found", "root entry: found", "(mail=alice@b.example) below o=b.example: no-entry",
			"(&(mail=alice@b.example)(|(userCertificate;binary=*)(userCertificate=*))) below o=b.example: no-entry",
			"anonymous bind: found", "root entry: found", "(mail=b.example) below o=b.example: found"}
		if d := cmp.Diff(want, questions(t, got)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		w.pass(time.Second)
		if all := questions(t, ask(t, r, alice)); len(all) != 0 {
			t.Errorf("warm: %q", all)
		}
	})
	t.Run("a URL", func(t *testing.T) {
		w := newWorld(t)
		f := &fetcher{now: w.now, pages: map[string][]byte{"http://www.b.example/alice": ca.leaf("alice").Raw}}
		w.ipkix(t, "http://www.b.example/alice")
		got := ask(t, w.resolver(t, func(r *discovery.Resolver) { r.Fetcher = f }), alice)
		if d := cmp.Diff([]string{"alice.b.example CERT: found", "GET http://www.b.example/alice: found"}, questions(t, got)); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// CD-31: where a directory failed, the detail of no-certificate says so; the end
// of its time is told as such.
func TestCD31_FailedDirectoriesAreNamed(t *testing.T) {
	w := newWorld(t)
	w.ldap(t, 0, testnet.DeadPort(t))
	got := ask(t, w.resolver(t), alice)
	check(t, got, reason.NoCertificate)
	if d := got.Err.Detail; !strings.Contains(d, "ldap.b.example:") || !strings.Contains(d, "refused") {
		t.Errorf("detail %q", d)
	}
	_, r := directories(t, (&server{answer: func(s *session, q search) { hold(s.conn) }}).start(t))
	r.Budget = time.Second
	s := ldapSteps(ask(t, r, alice))[0]
	if s.Answer != discovery.AnswerTimeout || !strings.Contains(s.Outcome, "no answer within ") || strings.Contains(s.Outcome, "closed") {
		t.Errorf("step %+v", s)
	}
}
