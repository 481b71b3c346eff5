package discovery_test

import (
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// CD-31: a directory that was dead for an earlier look-up may be back. Until it
// has been asked again nobody knows that it has nothing, and nothing is refused.
func TestCD31_DirectoryThatIsPassedOverRefusesNobody(t *testing.T) {
	ca := newAuthority(t)
	dead := testnet.DeadPort(t)
	w := newWorld(t)
	w.ldap(t, 0, dead)
	r := w.resolver(t)
	check(t, ask(t, r, alice), reason.NoCertificate) // it was asked
	w.pass(time.Second)
	got := ask(t, r, "bob@b.example")
	check(t, got, reason.DiscoveryTimeout)
	if s := ldapSteps(got)[0]; !s.Cached || !strings.Contains(s.Outcome, "not asked") {
		t.Errorf("step %+v", s)
	}
	live := (&server{entries: map[string][]string{"bob@b.example": raw(ca.leaf("bob"))}}).startAt(t, dead)
	defer live.stop()
	w.pass(time.Minute)
	check(t, ask(t, r, "bob@b.example"), reason.OK, place{"bob", discovery.LDAPAddress})
}

// What one domain's look-ups learnt of a server says nothing about it to another:
// a stranger may name the directory of anybody.
func TestCD31_NoDomainMarksTheDirectoryOfAnother(t *testing.T) {
	ca := newAuthority(t)
	port := testnet.DeadPort(t)
	w := newWorld(t)
	w.ldap(t, 0, port)
	w.put(t, "_ldap._tcp.evil.example. 3600 IN SRV 0 0 "+port[strings.LastIndex(port, ":")+1:]+" ldap.b.example.")
	r := w.resolver(t)
	check(t, ask(t, r, "x@evil.example"), reason.NoCertificate)
	live := (&server{entries: map[string][]string{alice: raw(ca.leaf("alice"))}}).startAt(t, port)
	defer live.stop()
	w.pass(time.Second)
	check(t, ask(t, r, alice), reason.OK, place{"alice", discovery.LDAPAddress})
}

// That DNS did not say where a directory is does not make it dead.
func TestCD31_SilenceOfDNSMarksNoDirectory(t *testing.T) {
	w := newWorld(t)
	w.ldap(t, 0, testnet.DeadPort(t))
	w.fail("ldap.b.example. A", -1)
	w.fail("ldap.b.example. AAAA", -1)
	r := w.resolver(t)
	check(t, ask(t, r, alice), reason.DiscoveryTimeout)
	w.pass(time.Second)
	for _, s := range ldapSteps(ask(t, r, "bob@b.example")) {
		if s.Answer == discovery.AnswerNotAsked || !strings.Contains(s.Outcome, "looking up ldap.b.example") {
			t.Errorf("step %+v", s)
		}
	}
}

// CD-31: no zone has us speak to another's mail server.
func TestCD31_DirectoriesAreNotAtThePortsOfOthers(t *testing.T) {
	w := newWorld(t)
	w.put(t, "_ldap._tcp.b.example. 60 IN SRV 0 0 25 ldap.b.example.", "_ldap._tcp.b.example. 60 IN SRV 1 0 22 ldap.b.example.")
	for _, s := range ldapSteps(ask(t, w.resolver(t), alice)) {
		if s.Answer != discovery.AnswerForbidden {
			t.Errorf("step %+v", s)
		}
	}
	if w.count("ldap.b.example. A") != 0 {
		t.Error("the server was looked up")
	}
}
