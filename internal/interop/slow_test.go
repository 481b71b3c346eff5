package interop

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
)

const (
	slowSenders = 400       // at once; 100 with -short
	slowOctets  = 700 << 10 // of a message of 36 MiB that each has sent so far
	slowRoom    = 700       // KiB that each may take in memory
)

// TestInteropSlowSenders has hundreds send large messages at once and never end
// them. What that takes in memory is a chunk and the buffers of each, however much
// they have sent; and others are served meanwhile.
func TestInteropSlowSenders(t *testing.T) {
	senders := slowSenders
	if testing.Short() {
		senders = 100
	}
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	own := root.Leaf("b.example")
	s := newSite(t, "b.example", setup{
		users: []string{"bob@b.example", "carol@b.example"}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
		more: map[string]string{"limits": "connections_per_ip = 500\n"},
	})
	s.serve()
	before := s.status("RssAnon")
	var all sync.WaitGroup
	for range senders {
		all.Go(func() { s.sendSlowly(slowOctets) })
	}
	all.Wait()
	after := s.status("RssAnon")
	t.Logf("%d messages under way, %d KiB of each sent: %d KiB of memory, %d KiB before: %d KiB each",
		senders, slowOctets>>10, after, before, (after-before)/senders)
	if (after-before)/senders > slowRoom {
		t.Errorf("each takes %d KiB", (after-before)/senders)
	}
	err := s.submit("carol@b.example", "bob@b.example", record("carol@b.example", "bob@b.example", "<beside@b.example>", 10<<10))
	if err != nil {
		t.Errorf("a message beside them: %v", err)
	}
	s.inbox("bob@b.example", 1)
	s.alive()
}

// sendSlowly begins a message and leaves it at so many octets until the test ends.
func (s *site) sendSlowly(octets int) {
	conn, err := net.Dial("tcp", s.backbone)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(sessionTime))
	in := bufio.NewReader(conn)
	for _, line := range []string{"", "HELO far.example\r\n", "MAIL FROM:<x@a.example>\r\n", "RCPT TO:<bob@b.example>\r\n", "DATA\r\n"} {
		_, err := io.WriteString(conn, line)
		if err != nil {
			s.t.Errorf("%q: %v", line, err)
			return
		}
		answer, err := in.ReadString('\n')
		if err != nil || answer[0] > '3' {
			s.t.Errorf("%q was answered %q, %v", line, answer, err)
			return
		}
	}
	_, err = fmt.Fprintf(conn, "Subject: large\r\n\r\n%s", strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\r\n", octets/62))
	if err != nil {
		s.t.Errorf("sending: %v", err)
	}
}
