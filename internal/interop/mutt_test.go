package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
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

// terminalCodes are what a program at a terminal writes beside text.
var terminalCodes = regexp.MustCompile("\x1b(?:\\[[0-9;?]*[A-Za-z]|\\([B0]|[=>])|[\r\x0f]")

// mutt runs mutt at a terminal of its own with the INBOX of a user, presses keys as soon as
// it shows a text, and returns all that it showed.
func (s *site) mutt(user, shown, keys string) string {
	s.t.Helper()
	dir := s.t.TempDir()
	rc := writeFile(s.t, filepath.Join(dir, "muttrc"), fmt.Sprintf(`
set folder="imaps://%s/" spoolfile="+INBOX" imap_user="%s" imap_pass="%s"
set certificate_file="%s" ssl_verify_host=no ssl_force_tls=yes # it is reached by its address
set tmpdir="%s" record="" wait_key=no help=no mark_old=no
set delete=yes quit=yes confirmappend=no confirmcreate=no
set sort=threads ascii_chars=yes index_format="<%%s>"
`, s.address("imaps"), user, password, s.tlsCert(), dir))
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, testnet.Require(s.t, "script"), "-qec", testnet.Require(s.t, "mutt")+" -F "+rc, os.DevNull)
	cmd.Env = append(os.Environ(), "TERM=xterm", "LC_ALL=C", "HOME="+dir, "LINES=50", "COLUMNS=120")
	hands, err := cmd.StdinPipe() // stays open: the end of it would be a key too
	if err != nil {
		s.t.Fatal(err)
	}
	defer hands.Close()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	var screen []byte
	for pressed, piece := false, make([]byte, 4096); err == nil; {
		var n int
		n, err = out.Read(piece)
		screen = append(screen, piece[:n]...)
		if !pressed && bytes.Contains(screen, []byte(shown)) {
			pressed = true
			_, _ = io.WriteString(hands, keys) // that it ended shows below
		}
	}
	err = cmd.Wait()
	text := terminalCodes.ReplaceAllString(string(screen), "")
	if err != nil {
		s.t.Fatalf("mutt: %v\n%s", err, tail(text))
	}
	return text
}

// EP-17: mutt logs in, lists threads, reads, files, deletes and syncs; all else stays as
// it is.
func TestInteropEP17_Mutt(t *testing.T) {
	testnet.Require(t, "mutt")
	const user = "bob@b.example"
	s := newSite(t, "b.example", setup{users: []string{user}})
	s.serve()
	c, err := dialIMAP(t.Context(), s.address("imaps"), user, s.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	var kept []string
	add := func(id, subject, parent string) string {
		text := fmt.Sprintf("From: alice@a.example\r\nTo: %s\r\nDate: Mon, 1 Jun 2026 12:00:00 +0000\r\nSubject: %s\r\nMessage-ID: <%s@a.example>\r\n%s\r\nThe text of %s\r\n",
			user, subject, id, parent, id)
		_, err := c.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text))
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, text)
		return text
	}
	add("answer", "Re: a referral", "In-Reply-To: <referral@a.example>\r\n")
	read := add("referral", "a referral", "")
	for i := range 20 {
		add(fmt.Sprint("plain", i), fmt.Sprint("plain ", i), "")
	}
	filed := add("filed", "to be filed", "")
	add("gone1", "to be gone", "")
	add("gone2", "to be gone", "")
	kept = kept[:len(kept)-3]

	out := filepath.Join(t.TempDir(), "read")
	screen := s.mutt(user, "<to be filed>", strings.Join([]string{
		"/~i referral@", "", "q|cat > " + out, // finds it, opens it, closes it, and writes it to a file
		"/~i filed@", "s=Filed", // finds and files it
		"D~s 'to be gone'", "$q", // deletes, syncs and quits
	}, "\r"))
	for _, want := range []string{"<a referral>", "<`->>", "<plain 19>", "<to be gone>"} {
		if !strings.Contains(screen, want) {
			t.Errorf("mutt does not show %q:\n%s", want, screen)
		}
	}
	got, err := os.ReadFile(out)
	if err != nil || string(got) != lf(read) {
		t.Errorf("read %q, want %q: %v", got, lf(read), err)
	}
	left := s.rawInbox(user, len(kept))
	slices.Sort(left)
	slices.Sort(kept)
	if !slices.Equal(left, kept) {
		t.Errorf("%d messages are left, want %d:\n%q", len(left), len(kept), left)
	}
	for _, check := range [][2]string{
		{"NOOP", "EXPUNGE"},
		{"SEARCH SEEN", "* SEARCH 2\r\n"},
		{"SEARCH SUBJECT {10+}\r\nto be gone", "* SEARCH\r\n"},
		{"STATUS Filed (MESSAGES)", "(MESSAGES 1)"},
	} {
		command, want := check[0], check[1]
		answer, err := c.do(command)
		if err != nil || !strings.Contains(answer, want) {
			t.Errorf("%s: %q, want %q: %v", command, answer, want, err)
		}
	}
	_, err = c.do("SELECT Filed")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.do("FETCH 1 (RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)])")
	if err != nil || !strings.Contains(raw, fmt.Sprintf("RFC822.SIZE %d", len(filed))) {
		t.Errorf("filed: %q, %v", raw, err)
	}
	s.stop()
	s.checkStore()
}
