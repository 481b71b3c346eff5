package pop3_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A drop's model is what is in it, by UID, and what a session marked.
type model struct {
	rand   *rand.Rand
	texts  map[uint32]string
	next   uint32
	seen   []uint32 // at login: message n is seen[n-1]
	marked map[uint32]bool
	gone   map[uint32]bool // removed by others since
}

// Whatever sessions do, and however they end: a message goes by QUIT alone, and a
// number always gives the same message.
func TestEP18_Model(t *testing.T) {
	h := implicit(t)
	m := &model{rand: rand.New(rand.NewPCG(1, 2)), texts: map[uint32]string{}, next: 1}
	for range 60 {
		m.session(t, h)
		want := []uint32{}
		for uid := range m.texts {
			want = append(want, uid)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, h.uids()); diff != "" {
			t.Fatalf("in the mailbox (-want +got)\n%s", diff)
		}
	}
}

func (m *model) arrive(h *house) {
	text := fmt.Sprintf("Subject: %d\r\n\r\nmessage %[1]d\r\n", m.next)
	h.deliver(text)
	m.texts[m.next] = text
	m.next++
}

func (m *model) session(t *testing.T, h *house) {
	for range m.rand.IntN(4) {
		m.arrive(h)
	}
	k := m.login(t, h)
	m.seen, m.marked, m.gone = h.uids(), map[uint32]bool{}, map[uint32]bool{}
	for range m.rand.IntN(20) {
		m.step(t, h, k)
	}
	switch m.rand.IntN(5) {
	case 0: // the connection breaks
		raw := k.conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn)
		_ = raw.SetLinger(0)
		raw.Close()
	case 1: // in the middle of a QUIT
		k.write("QUI")
		k.conn.Close()
	case 2: // and where the rest of a message is on its way
		if len(m.seen) > 0 {
			k.write("RETR 1\r\n")
		}
		k.write("DELE 1\r\n")
		k.conn.Close()
	default:
		k.ok("QUIT")
		for uid := range m.marked {
			delete(m.texts, uid)
		}
	}
}

// login waits until a session that broke off has given the mailbox free.
func (m *model) login(t *testing.T, h *house) *talk {
	for range 1000 {
		k := h.dial()
		k.ok("USER " + testUser)
		answer := k.do("PASS " + testPassword)
		if strings.HasPrefix(answer, "+OK") {
			return k
		}
		if !strings.HasPrefix(answer, "-ERR [IN-USE]") {
			t.Fatal(answer)
		}
		_, _ = io.WriteString(k.conn, "QUIT\r\n")
		k.conn.Close()
	}
	t.Fatal("the mailbox stays locked")
	return nil
}

func (m *model) step(t *testing.T, h *house, k *talk) {
	n := m.rand.IntN(len(m.seen)+2) + 1
	there := n <= len(m.seen) && !m.marked[m.seen[n-1]]
	switch m.rand.IntN(8) {
	case 0, 1:
		if !there {
			k.expect("-ERR No such", fmt.Sprintf("DELE %d", n))
			return
		}
		k.ok(fmt.Sprintf("DELE %d", n))
		m.marked[m.seen[n-1]] = true
	case 2, 3:
		switch {
		case !there:
			k.expect("-ERR No such", fmt.Sprintf("RETR %d", n))
		case m.gone[m.seen[n-1]]:
			k.expect("-ERR The message is gone", fmt.Sprintf("RETR %d", n))
		default:
			uid := m.seen[n-1]
			if got, _ := k.text(fmt.Sprintf("RETR %d", n)); got != m.texts[uid] {
				t.Fatalf("message %d is %q, not %q", n, got, m.texts[uid])
			}
		}
	case 4:
		if m.rand.IntN(3) == 0 {
			k.ok("RSET")
			clear(m.marked)
		}
	case 5:
		if got := len(k.many("UIDL")); got != len(m.seen)-len(m.marked) {
			t.Fatalf("UIDL has %d messages, not %d", got, len(m.seen)-len(m.marked))
		}
	case 6:
		m.arrive(h)
	case 7: // another client removes one
		if there && !m.gone[m.seen[n-1]] {
			uid := m.seen[n-1]
			h.expunge(uid)
			m.gone[uid] = true
			delete(m.texts, uid)
		}
	}
}
