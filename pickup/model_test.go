package pickup_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/store"
)

// A mirror is what a client knows of a mailbox by what it was told: UIDs by sequence
// number, 0 where it does not know yet.
type mirror struct {
	*talk
	uids []uint32
}

// hear takes one untagged response, and finds any that does not fit what came before.
func (m *mirror) hear(line string, numbersHold bool) error {
	var n, uid uint32
	fields := strings.Fields(line)
	if len(fields) < 3 || fields[0] != "*" {
		return nil
	}
	if _, err := fmt.Sscan(fields[1], &n); err != nil {
		return nil
	}
	switch {
	case fields[2] == "RECENT":
	case fields[2] == "EXISTS":
		if int(n) < len(m.uids) {
			return fmt.Errorf("%q, and there were %d", line, len(m.uids))
		}
		m.uids = append(m.uids, make([]uint32, int(n)-len(m.uids))...)
	case n == 0 || int(n) > len(m.uids):
		return fmt.Errorf("%q, and there are %d", line, len(m.uids))
	case fields[2] == "EXPUNGE" && numbersHold:
		return fmt.Errorf("%q while sequence numbers hold", line)
	case fields[2] == "EXPUNGE":
		m.uids = slices.Delete(m.uids, int(n)-1, int(n))
	case fields[2] == "FETCH":
		_, rest, _ := strings.Cut(line, "UID ")
		fmt.Sscan(rest, &uid)
		known := &m.uids[n-1]
		if uid == 0 || *known != 0 && *known != uid {
			return fmt.Errorf("%q, and %d was UID %d", line, n, *known)
		}
		*known = uid
	}
	return nil
}

// tell sends a command and hears the answer.
func (m *mirror) tell(format string, args ...any) error {
	name := strings.Fields(fmt.Sprintf(format, args...))[0]
	for _, line := range m.do(format, args...) {
		err := m.hear(line, name == "FETCH" || name == "STORE" || name == "SEARCH")
		if err != nil {
			return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
		}
	}
	return nil
}

// idle listens until another command has been answered elsewhere.
func (m *mirror) idle(meanwhile func() error) error {
	m.n++
	tag := fmt.Sprintf("t%d", m.n)
	m.write(tag + " IDLE\r\n")
	for line := ""; !strings.HasPrefix(line, "+"); {
		line = m.line()
		err := m.hear(line, false)
		if err != nil {
			return err
		}
	}
	err := meanwhile()
	if err != nil {
		return err
	}
	m.write("DONE\r\n")
	for _, line := range m.until(tag) {
		err := m.hear(line, false)
		if err != nil {
			return fmt.Errorf("in IDLE: %w", err)
		}
	}
	return nil
}

// step does one thing at random.
func (m *mirror) step(r *rand.Rand, deliver func()) error {
	if len(m.uids) == 0 {
		deliver()
		return m.tell("NOOP")
	}
	n := 1 + r.IntN(len(m.uids))
	switch r.IntN(12) {
	case 0, 1:
		return m.tell(`STORE %d +FLAGS (\Deleted)`, n)
	case 2:
		return m.tell(`STORE %d:* -FLAGS.SILENT (\Deleted x)`, n)
	case 3:
		return m.tell("EXPUNGE")
	case 4:
		return m.tell("MOVE %d other", n)
	case 5:
		return m.tell("UID MOVE %d:* other", max(1, m.uids[len(m.uids)-1]))
	case 6, 7:
		deliver()
		return m.tell("NOOP")
	case 8:
		return m.idle(func() error { deliver(); return nil })
	case 9:
		return m.tell("SEARCH UNDELETED")
	case 10:
		return m.tell("UID FETCH 1:* FLAGS")
	}
	return m.tell("FETCH %d:* (FLAGS MODSEQ)", n)
}

// Several sessions do everything to one mailbox at once. To each of them sequence numbers
// stand for the same messages all along, and in the end all know what there is.
func TestSessionsSeeOneOrderOfEvents(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := implicit(t)
			for range 10 {
				h.deliver([]byte(plainMail))
			}
			h.talk().ok("CREATE other")
			var mirrors []*mirror
			for range 5 {
				m := &mirror{talk: h.dial(true)}
				m.line()
				m.ok("LOGIN %s %q", testUser, testPassword)
				if err := m.tell("SELECT INBOX"); err != nil {
					t.Fatal(err)
				}
				mirrors = append(mirrors, m)
			}
			var all sync.WaitGroup
			for i, m := range mirrors {
				all.Go(func() {
					r := rand.New(rand.NewPCG(seed, uint64(i)))
					for range 60 {
						err := m.step(r, func() { h.deliver([]byte(plainMail)) })
						if err != nil {
							t.Errorf("session %d: %v", i, err)
							return
						}
					}
				})
			}
			all.Wait()
			if t.Failed() {
				return
			}
			want := h.uidsOf(store.Inbox)
			for i, m := range mirrors {
				for _, c := range []string{"NOOP", "FETCH 1:* UID"} {
					err := m.tell("%s", c)
					if err != nil && len(want) > 0 {
						t.Errorf("session %d, at last: %v", i, err)
					}
				}
				if diff := cmp.Diff(want, append([]uint32{}, m.uids...)); diff != "" {
					t.Errorf("session %d (-store +session):\n%s", i, diff)
				}
			}
		})
	}
}

// uidsOf are the UIDs of a mailbox in their order.
func (h *house) uidsOf(name string) []uint32 {
	h.t.Helper()
	uids := []uint32{}
	err := h.store.View(context.Background(), func(tx store.Tx) error {
		box, err := tx.MailboxByName(h.account, name)
		if err != nil {
			return err
		}
		return tx.EachMessage(box.ID, 1, func(m store.Message) bool {
			uids = append(uids, m.UID)
			return true
		})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return uids
}
