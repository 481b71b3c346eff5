package discovery_test

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/trust/discovery"
	"postern/trust/reason"
)

// blackHole returns an address on loopback that takes no connection and refuses
// none, as a host that is down does.
func blackHole(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	err = syscall.Listen(fd, 0)
	if err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 16 { // what fills the queue is never accepted
		c, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue does not fill")
	return ""
}

// CD-23 D10: a dead server of the first priority costs two seconds, once.
func TestCD23_DeadServerCostsTwoSecondsOnce(t *testing.T) {
	ca := newAuthority(t)
	live := (&server{entries: map[string][]string{alice: raw(ca.leaf("alice")), "bob@b.example": raw(ca.leaf("bob"))}}).start(t)
	w := newWorld(t)
	w.ldap(t, 0, blackHole(t))
	w.ldap(t, 1, live.addr)
	r := w.resolver(t)
	began := time.Now()
	got := ask(t, r, alice)
	check(t, got, reason.OK, place{"alice", discovery.LDAPAddress})
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("took %v", took)
	}
	if s := ldapSteps(got)[0]; s.Answer != discovery.AnswerTimeout || s.Duration > 3*time.Second {
		t.Errorf("the dead server: %+v", s)
	}
	w.pass(time.Second)
	got = ask(t, r, "bob@b.example")
	check(t, got, reason.OK, place{"bob", discovery.LDAPAddress})
	if all := ldapSteps(got); len(all) != 1 {
		t.Errorf("the dead server was asked before the live one: %+v", all)
	}
}

// CD-23: many dead servers share the time, so that the live one behind them still
// has its own.
func TestCD23_DeadServersShareTheTime(t *testing.T) {
	live := (&server{entries: map[string][]string{alice: raw(newAuthority(t).leaf("alice"))}}).start(t)
	w := newWorld(t)
	dead := blackHole(t)
	for i := range 4 {
		w.put(t, fmt.Sprintf("_ldap._tcp.b.example. 3600 IN SRV %d 0 %s ldap%d.b.example.", i, dead[strings.LastIndex(dead, ":")+1:], i),
			fmt.Sprintf("ldap%d.b.example. 3600 IN A 127.0.0.1", i))
	}
	w.ldap(t, 9, live.addr)
	r := w.resolver(t)
	r.Budget = 3 * time.Second // two of them for directories
	check(t, ask(t, r, alice), reason.OK, place{"alice", discovery.LDAPAddress})
}

// A directory that had less than its time to let us connect, since others had
// taken it, has not shown that it is dead; one that had it all has.
func TestCD31_HastyConnectionsMarkNoDirectory(t *testing.T) {
	w := newWorld(t)
	w.ldap(t, 0, blackHole(t))
	r := w.resolver(t)
	r.Budget = 3 * time.Second // of which a connection has less than two
	check(t, ask(t, r, alice), reason.NoCertificate)
	w.pass(time.Second)
	got := ask(t, r, "bob@b.example")
	if s := ldapSteps(got)[0]; s.Cached || !strings.Contains(s.Outcome, "connecting") {
		t.Errorf("step %+v", s)
	}
}
