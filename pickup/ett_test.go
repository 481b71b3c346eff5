package pickup_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"postern/pickup"
)

// The cases of the Edge Testing Tool for IMAP, by their numbers, but for IMAP 32, which is
// TestEP19_BodiesAreByteExact.
func TestEP17_ETT(t *testing.T) {
	h := startHouse(t, pickup.Options{})
	h.deliver([]byte(plainMail))
	clear := func() *talk {
		k := h.dial(false)
		k.line()
		return k
	}
	secured := func() *talk {
		k := clear()
		k.startTLS()
		return k
	}
	in := func() *talk {
		k := secured()
		k.ok("LOGIN %s %q", testUser, testPassword)
		return k
	}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + testUser + "\x00" + testPassword))
	for _, tc := range []struct {
		id   string
		from func() *talk
		does func(*talk)
	}{
		{"IMAP 1: CAPABILITY, NOOP and LOGOUT", clear, func(k *talk) {
			if got := k.ok("CAPABILITY"); !strings.Contains(got[0], "IMAP4rev1") || !strings.Contains(got[0], "STARTTLS") {
				k.t.Errorf("%q", got)
			}
			k.ok("NOOP")
			k.ok("LOGOUT")
		}},
		{"IMAP 2: the same in the session", in, func(k *talk) {
			if got := k.ok("CAPABILITY"); !strings.Contains(got[0], "IMAP4rev1") {
				k.t.Errorf("%q", got)
			}
			k.ok("NOOP")
			k.ok("LOGOUT")
		}},
		{"IMAP 3: SELECT and FETCH", in, func(k *talk) {
			k.ok("SELECT INBOX")
			if got := k.ok("FETCH 1 BODY[]"); !strings.Contains(got[0], plainMail) {
				k.t.Errorf("%q", got)
			}
		}},
		{"IMAP 8: STARTTLS", clear, func(k *talk) { k.startTLS(); k.ok("NOOP") }},
		{"IMAP 9: bad syntax", in, func(k *talk) {
			k.expect("BAD", "FETCH")
			k.expect("BAD", "NONSENSE")
			k.expect("BAD", "SELECT")
			k.ok("NOOP")
		}},
		{"IMAP 10: commands out of their state", secured, func(k *talk) {
			for _, c := range []string{"FETCH 1 FLAGS", "SELECT INBOX", `GETQUOTA ""`, "SEARCH ALL"} {
				k.expect("BAD", "%s", c)
			}
			k.expect("NO", "STARTTLS") // TLS is there already
			k.ok("LOGIN %s %q", testUser, testPassword)
			k.expect("BAD", "FETCH 1 FLAGS")
			k.expect("BAD", "LOGIN %s %q", testUser, testPassword)
		}},
		{"IMAP 11: LOGIN", secured, func(k *talk) { k.ok("LOGIN %s %q", testUser, testPassword) }},
		{"IMAP 15: AUTHENTICATE PLAIN", secured, func(k *talk) { k.ok("AUTHENTICATE PLAIN %s", plain) }},
		{"IMAP 17: wrong passwords", secured, func(k *talk) {
			k.expect("NO [AUTHENTICATIONFAILED]", "LOGIN %s wrong", testUser)
			k.expect("NO [AUTHENTICATIONFAILED]", "LOGIN nobody@a.example %q", testPassword)
			k.expect("BAD", "SELECT INBOX")
		}},
	} {
		t.Run(tc.id, func(t *testing.T) {
			k := tc.from()
			k.t = t
			tc.does(k)
		})
	}
}
