//go:build thunderbird

package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
)

// A marionette is a Thunderbird without a window that does what it is told, by Mozilla's
// protocol of that name: LENGTH:JSON both ways, [0, id, command, arguments] and
// [1, id, error, result].
type marionette struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	id   int
}

// thunderbird starts one with a profile of its own.
func thunderbird(t *testing.T) *marionette {
	t.Helper()
	program, dir := testnet.Require(t, "thunderbird"), t.TempDir()
	address := testnet.DeadPort(t)
	writeFile(t, filepath.Join(dir, "user.js"), fmt.Sprintf(`user_pref("marionette.port", %s);
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
`, portOf(t, address)))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--headless", "--no-remote", "--profile", dir, "--marionette", "-remote-allow-system-access")
	cmd.Env = append(os.Environ(), "HOME="+dir, "MOZ_HEADLESS=1")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with its children
		_ = cmd.Wait()
		_ = log.Close()
	})
	m := &marionette{t: t}
	for began := time.Now(); m.conn == nil; {
		m.conn, err = net.Dial("tcp", address)
		if err != nil && time.Since(began) > time.Minute {
			t.Fatalf("Thunderbird does not listen: %v", err)
		}
	}
	t.Cleanup(func() { _ = m.conn.Close() })
	_ = m.conn.SetDeadline(time.Now().Add(3 * time.Minute))
	m.in = bufio.NewReader(m.conn)
	m.receive() // what it is
	m.do("WebDriver:NewSession", map[string]any{"capabilities": map[string]any{}})
	m.do("Marionette:SetContext", map[string]any{"value": "chrome"})
	m.do("WebDriver:SetTimeouts", map[string]any{"script": 120_000})
	return m
}

func (m *marionette) receive() []byte {
	m.t.Helper()
	length, err := m.in.ReadString(':')
	if err != nil {
		m.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		m.t.Fatal(err)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(m.in, text)
	if err != nil {
		m.t.Fatal(err)
	}
	return text
}

func (m *marionette) do(command string, arguments map[string]any) json.RawMessage {
	m.t.Helper()
	m.id++
	text, err := json.Marshal([]any{0, m.id, command, arguments})
	if err == nil {
		_, err = fmt.Fprintf(m.conn, "%d:%s", len(text), text)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	var answer [4]json.RawMessage
	err = json.Unmarshal(m.receive(), &answer)
	if err != nil || string(answer[2]) != "null" {
		m.t.Fatalf("%s: %v, %s", command, err, answer[2])
	}
	return answer[3]
}

// script runs a script with arguments and reads what it returns.
func (m *marionette) script(file string, result any, arguments ...any) {
	m.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	var answer struct {
		Value struct {
			Value json.RawMessage
			Error string
		}
	}
	raw := m.do("WebDriver:ExecuteAsyncScript", map[string]any{"script": string(text), "args": arguments})
	err = json.Unmarshal(raw, &answer)
	if err == nil && answer.Value.Error == "" {
		err = json.Unmarshal(answer.Value.Value, result)
	}
	if err != nil || answer.Value.Error != "" {
		m.t.Fatalf("%s: %v %s", file, err, answer.Value.Error)
	}
}

// EP-17: Thunderbird lists, fetches, marks, files and deletes over IMAP; all else stays as
// it is.
func TestInteropEP17_Thunderbird(t *testing.T) {
	const user = "bob@b.example"
	s := newSite(t, "b.example", setup{users: []string{user}})
	s.serve()
	c, err := dialIMAP(t.Context(), s.address("imaps"), user, s.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	var subjects, kept []string
	add := func(subject string) {
		text := fmt.Sprintf("From: alice@a.example\r\nTo: %s\r\nDate: Mon, 1 Jun 2026 12:00:00 +0000\r\nSubject: %s\r\nMessage-ID: <%d@a.example>\r\n\r\nThe text\r\n",
			user, subject, len(subjects))
		_, err := c.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text))
		if err != nil {
			t.Fatal(err)
		}
		subjects, kept = append(subjects, subject), append(kept, text)
	}
	add("to be read")
	for i := range 50 {
		add(fmt.Sprint("plain ", i))
	}
	add("to be filed")
	add("to be deleted")
	kept = kept[:len(kept)-2]

	var got struct {
		Listed []string
		Whole  int
	}
	thunderbird(t).script("testdata/thunderbird.js", &got, portNumber(t, s.address("imaps")), string(readFile(t, s.tlsCert())), user, password)
	slices.Sort(subjects)
	if diff := cmp.Diff(subjects, got.Listed); diff != "" {
		t.Errorf("Thunderbird lists (-want +got):\n%s", diff)
	}
	if got.Whole != len(subjects) {
		t.Errorf("it has %d whole messages, want %d", got.Whole, len(subjects))
	}
	left := s.rawInbox(user, len(kept))
	slices.Sort(left)
	slices.Sort(kept)
	if diff := cmp.Diff(kept, left); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	for _, check := range [][2]string{
		{"NOOP", "EXPUNGE"},
		{"SEARCH SEEN", "* SEARCH 1\r\n"},
		{"STATUS Filed (MESSAGES)", "(MESSAGES 1)"},
	} {
		answer, err := c.do(check[0])
		if err != nil || !strings.Contains(answer, check[1]) {
			t.Errorf("%s: %q, want %q: %v", check[0], answer, check[1], err)
		}
	}
	s.stop()
	s.checkStore()
}

func portNumber(t *testing.T, address string) int {
	t.Helper()
	n, err := strconv.Atoi(portOf(t, address))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
