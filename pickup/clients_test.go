package pickup_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/pickup"
)

// peer finds a program, or skips the test where CI does not demand it.
func peer(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		absent(t, name)
	}
	return path
}

func absent(t *testing.T, name string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TZ=UTC")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(name), err, out, stderr.Bytes())
	}
	return out
}

func certFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "cert.pem")
	err := os.WriteFile(path, testnet.PEM(testnet.LocalCert()), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	err := os.WriteFile(path, []byte(content), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

// tuid is a field that isync adds to what it stores.
var tuid = regexp.MustCompile(`(?m)^X-TUID: .*\n`)

// maildir returns the messages of a maildir folder, sorted.
func maildir(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	for _, sub := range []string{"new", "cur"} {
		files, err := filepath.Glob(filepath.Join(dir, sub, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, tuid.ReplaceAllString(string(raw), ""))
		}
	}
	sort.Strings(out)
	return out
}

// isync takes 100 messages, brings others, and carries flags and removals both
// ways, with STARTTLS and with implicit TLS.
func TestPeerMbsync(t *testing.T) {
	mbsync := peer(t, "mbsync")
	for name, o := range map[string]pickup.Options{"STARTTLS": {}, "IMAPS": {Implicit: true}} {
		t.Run(name, func(t *testing.T) {
			h := startHouse(t, o)
			var want []string
			for i := range 100 {
				raw := fmt.Sprintf("Subject: %d\r\nMessage-ID: <%d@b.example>\r\n\r\nbody %d \xc3\xa9\r\n", i, i, i)
				h.deliver([]byte(raw))
				want = append(want, strings.ReplaceAll(raw, "\r\n", "\n"))
			}
			sort.Strings(want)
			dir := t.TempDir()
			config := filepath.Join(dir, "mbsyncrc")
			_, port, err := net.SplitHostPort(h.addr)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, config, fmt.Sprintf(`IMAPAccount a
Host localhost
Port %s
User %s
Pass "%s"
SSLType %s
CertificateFile %s
AuthMechs *

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
`, port, testUser, testPassword, name, certFile(t), dir, dir))
			sync := func() { run(t, mbsync, "-c", config, "-a") }
			sync()
			inbox := filepath.Join(dir, "INBOX")
			if diff := cmp.Diff(want, maildir(t, inbox)); diff != "" {
				t.Fatalf("after the first run (-want +got):\n%s", diff)
			}
			// A message from here, a flag from here, and one removed there.
			writeFile(t, filepath.Join(inbox, "new", "1.local.host"), "Subject: local\n\nfrom here\n")
			files, err := filepath.Glob(filepath.Join(inbox, "new", "*,U=1:2,"))
			if err != nil || len(files) != 1 {
				t.Fatalf("message 1: %v, %v", files, err)
			}
			err = os.Rename(files[0], filepath.Join(inbox, "cur", filepath.Base(files[0])+"FS"))
			if err != nil {
				t.Fatal(err)
			}
			k := h.talk()
			k.ok(`UID STORE 100 +FLAGS (\Deleted)`)
			k.ok("EXPUNGE")
			k.ok("CREATE Archive/2026")
			sync()
			if n := len(maildir(t, inbox)); n != 100 {
				t.Errorf("%d messages after the second run, want 100", n)
			}
			k.ok("NOOP")
			if diff := cmp.Diff([]string{"* SEARCH 1"}, k.ok("UID SEARCH SEEN FLAGGED")); diff != "" {
				t.Errorf("flags from isync: %s", diff)
			}
			got := k.ok("FETCH * BODY.PEEK[TEXT]")
			if len(got) != 1 || !strings.Contains(got[0], "\nfrom here\r\n)") {
				t.Errorf("message from isync: %q", got)
			}
			sync()
			_, err = os.Stat(filepath.Join(dir, "Archive", "2026", "cur"))
			if err != nil {
				t.Errorf("mailbox from the server: %v", err)
			}
		})
	}
}

// curl lists, fetches a message and appends one.
func TestPeerCurl(t *testing.T) {
	curl := peer(t, "curl")
	if !bytes.Contains(run(t, curl, "--version"), []byte("imaps")) {
		absent(t, "curl with IMAP")
	}
	h := implicit(t)
	raw := []byte("Subject: curl\r\n\r\n8 bit \xff, no final newline")
	h.deliver(raw)
	_, port, err := net.SplitHostPort(h.addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "curlrc")
	writeFile(t, config, fmt.Sprintf("user = \"%s:%s\"\ncacert = \"%s\"\nsilent\nshow-error\nipv4\n", testUser, testPassword, certFile(t)))
	url := "imaps://localhost:" + port
	if got := run(t, curl, "-K", config, url+"/INBOX;UID=1"); !bytes.Equal(got, raw) {
		t.Errorf("curl got %q", got)
	}
	up := filepath.Join(dir, "up.eml")
	writeFile(t, up, plainMail)
	run(t, curl, "-K", config, "-T", up, url+"/INBOX")
	if got := run(t, curl, "-K", config, url+"/INBOX;UID=2"); string(got) != plainMail {
		t.Errorf("curl got back %q", got)
	}
	if got := run(t, curl, "-K", config, url); !bytes.Contains(got, []byte("INBOX")) {
		t.Errorf("curl lists %q", got)
	}
	if got := run(t, curl, "-K", config, url+"/INBOX?SUBJECT%20curl"); !bytes.Contains(got, []byte("* SEARCH 1")) {
		t.Errorf("curl searches %q", got)
	}
}
