package pickup_test

import (
	"strings"
	"testing"
	"time"

	"postern/mime"
	"postern/pickup"
	"postern/store"
)

// An account that is disabled, removed or given another password is put out of
// the sessions it has, whatever they do.
func TestClosedAccountEndsItsSessions(t *testing.T) {
	changes := map[string]func(tx store.Tx, a mime.Address) error{
		"disabled": func(tx store.Tx, a mime.Address) error {
			return tx.PutAccount(store.Account{Address: a, Disabled: true})
		},
		"another password": func(tx store.Tx, a mime.Address) error {
			return tx.PutAccount(store.Account{Address: a, Password: "x"})
		},
		"removed": func(tx store.Tx, a mime.Address) error { return tx.RemoveAccount(a) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			h := startHouse(t, pickup.Options{Implicit: true, Recheck: 10 * time.Millisecond})
			h.deliver([]byte(plainMail))
			commands := []string{
				"NOOP", "FETCH 1 BODY[]", "SEARCH ALL", `STORE 1 FLAGS (\Seen)`, "COPY 1 INBOX", "STATUS INBOX (MESSAGES)",
				`LIST "" *`, "SELECT INBOX", "CREATE x", "APPEND INBOX {2}", "IDLE",
			}
			var sessions []*talk
			for range commands {
				sessions = append(sessions, h.talk())
			}
			idling := h.talk()
			idling.write("i IDLE\r\n")
			idling.line()
			err := h.store.Update(t.Context(), func(tx store.Tx) error { return change(tx, h.account) })
			if err != nil {
				t.Fatal(err)
			}
			if l := idling.line(); !strings.HasPrefix(l, "* BYE") {
				t.Errorf("in IDLE: %q", l)
			}
			for i, k := range sessions {
				k.write("c " + commands[i] + "\r\n")
				l := k.line()
				if strings.HasPrefix(l, "+ Ready") { // for the message
					k.write("\r\n\r\n")
				}
				if !strings.HasPrefix(l, "* BYE") { // SELECT has left the old mailbox by then
					l = k.line()
				}
				if !strings.HasPrefix(l, "* BYE") {
					t.Errorf("%s: %q", commands[i], l)
				}
			}
		})
	}
}
