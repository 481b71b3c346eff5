package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// syncTime bounds what a sync takes on a busy machine.
const syncTime = 4 * time.Minute

// A syncer is isync with a maildir of a user's, beside a site.
type syncer struct {
	*site
	user, dir string
}

func (s *syncer) inbox() string { return filepath.Join(s.dir, "INBOX") }

// command is mbsync for the place where the site listens now.
func (s *syncer) command(ctx context.Context) (*exec.Cmd, *bytes.Buffer) {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.address("imaps"))
	if err != nil {
		s.t.Fatal(err)
	}
	config := writeFile(s.t, filepath.Join(s.dir, "mbsyncrc"), fmt.Sprintf(`IMAPAccount a
Host 127.0.0.1
Port %s
User %s
Pass "%s"
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns INBOX
Create Both
Expunge Both
SyncState *
`, port, s.user, password, s.tlsCert(), s.dir, s.inbox()))
	cmd := exec.CommandContext(ctx, testnet.Require(s.t, "mbsync"), "-c", config, "-a")
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+s.dir)
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// sync runs to the end.
func (s *syncer) sync() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), syncTime)
	defer cancel()
	cmd, out := s.command(ctx)
	err := cmd.Run()
	if err != nil {
		s.t.Fatalf("mbsync: %v\n%s", err, tail(out.String()))
	}
}

// here is how many messages are in the maildir, which mbsync renames meanwhile.
func (s *syncer) here() (n int) {
	s.t.Helper()
	for _, sub := range []string{"new", "cur"} {
		files, err := os.ReadDir(filepath.Join(s.inbox(), sub))
		if err != nil {
			s.t.Fatal(err)
		}
		n += len(files)
	}
	return n
}

// interrupted runs until so many messages more are here, and then has end called.
func (s *syncer) interrupted(more int, end func(*exec.Cmd)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), syncTime)
	defer cancel()
	want := s.here() + more
	cmd, out := s.command(ctx)
	err := cmd.Start()
	if err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for s.here() < want {
		select {
		case <-tick.C:
		case err := <-ended:
			s.t.Fatalf("mbsync ended before it was interrupted, with %d messages of %d: %v\n%s",
				s.here(), want, err, tail(out.String()))
		}
	}
	end(cmd)
	<-ended // it was killed, or lost its server
}

var syncedID = regexp.MustCompile(`(?m)^Message-ID: <([0-9]+[ab])@`)

// idsOf are the numbers of messages, sorted.
func idsOf(messages []string) []string {
	var ids []string
	for _, m := range messages {
		if found := syncedID.FindStringSubmatch(m); found != nil {
			ids = append(ids, found[1])
		}
	}
	slices.Sort(ids)
	return ids
}

// A thousand messages go both ways, half of them each. isync is killed in the middle, and
// then the server; afterwards nothing is lost and nothing is there twice.
func TestSyncBothWaysThroughKills(t *testing.T) {
	testnet.Require(t, "mbsync")
	const half = 500
	s := &syncer{site: newSite(t, "b.example", setup{users: []string{"bob@b.example"}}), user: "bob@b.example", dir: t.TempDir()}
	s.serve()
	text := func(id string) string {
		return fmt.Sprintf("Subject: %s\r\nMessage-ID: <%s@b.example>\r\n\r\n%s\r\n", id, id, strings.Repeat("the text of "+id+"\r\n", 100))
	}
	far, err := dialIMAP(t.Context(), s.address("imaps"), s.user, s.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, sub := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.inbox(), sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i := range half {
		a, b := fmt.Sprintf("%da", i), fmt.Sprintf("%db", i)
		want = append(want, a, b)
		_, err := far.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text(a)), text(a)))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(s.inbox(), "new", fmt.Sprintf("%d.local.host", i)), strings.ReplaceAll(text(b), "\r\n", "\n"))
	}
	far.conn.Close()
	slices.Sort(want)

	for range 2 {
		s.interrupted(60, func(cmd *exec.Cmd) { _ = cmd.Process.Kill() })
	}
	s.interrupted(60, func(*exec.Cmd) { s.kill() })
	s.serve()
	s.sync()
	s.sync()
	// What isync was writing when it was killed is no message of a maildir.
	if err := os.RemoveAll(filepath.Join(s.inbox(), "tmp")); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(maildir(t, s.inbox())); !slices.Equal(got, want) {
		t.Errorf("%d messages are here, want %d: %s", len(got), len(want), differing(want, got))
	}
	there := s.rawInbox(s.user, len(want))
	if got := idsOf(there); !slices.Equal(got, want) {
		t.Errorf("%d messages are there, want %d: %s", len(got), len(want), differing(want, got))
	}
	s.stop()
	s.checkStore()
}

// differing names some of what is missing or there too often.
func differing(want, got []string) string {
	count := make(map[string]int)
	for _, id := range got {
		count[id]++
	}
	var odd []string
	for _, id := range want {
		if count[id] != 1 && len(odd) < 10 {
			odd = append(odd, fmt.Sprintf("%s is there %d times", id, count[id]))
		}
	}
	return strings.Join(odd, ", ")
}
