package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
)

// popListeners are what a site listens at besides.
const popListeners = "pop3 = \"127.0.0.1:0\"\npop3s = \"127.0.0.1:0\"\n"

// A popClient is a program that fetches mail over POP3 into a folder, and remembers
// there what it has.
type popClient struct {
	name, program string
	// command fetches, and removes from the server what it fetched unless keep is
	// given.
	command func(t testing.TB, s *site, dir, user string, keep bool) []string
	// knows says that a run that was killed is no reason to fetch anything again.
	knows bool
	// leaves says that what it has from a run that broke off stays on the server.
	leaves bool
	// most bounds how many messages it is given; 0 does not.
	most int
}

func popClients() []popClient {
	return []popClient{
		{name: "fetchmail", program: "fetchmail", command: fetchmail, leaves: true},
		{name: "getmail", program: "getmail", command: getmail, most: 100},
		{name: "mpop", program: "mpop", command: mpop},
		{name: "poplib", program: "python3", command: poplib, knows: true},
	}
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// fetchmail comes by STLS, asks for whole messages by TOP when it keeps them, and
// gives each to a program.
func fetchmail(t testing.TB, s *site, dir, user string, keep bool) []string {
	keeping := "keep"
	if !keep {
		keeping = "nokeep"
	}
	rc := writeFile(t, filepath.Join(dir, "fetchmailrc"), fmt.Sprintf(`set no bouncemail
set invisible
poll 127.0.0.1 service %s protocol pop3 uidl auth password
  user %q password %q %s norewrite batchlimit 0
  sslproto "TLS1.2+" sslcertck sslcertfile %q sslcommonname %q
  mda "/bin/sh %s"
`, portOf(t, s.address("pop3")), user, password, keeping, s.tlsCert(), s.hostname(), deliver(t, dir)))
	return []string{"fetchmail", "--nodetach", "--nosyslog", "--silent", "-f", rc, "--idfile", filepath.Join(dir, "ids"), "--pidfile", filepath.Join(dir, "pid")}
}

// deliver is a script that puts a message from its standard input into a maildir.
func deliver(t testing.TB, dir string) string {
	return writeFile(t, filepath.Join(dir, "deliver"), fmt.Sprintf("f=$(mktemp %s/tmp/XXXXXXXXXX) && cat >$f && mv $f %[1]s/new/\n", dir))
}

// slowly has a script take a moment more.
func slowly(t testing.TB, script string) string {
	return writeFile(t, script, readText(t, script)+"sleep 0.05\n")
}

func readText(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mailFor are the messages that a client is to fetch, n at most.
func (c popClient) mailFor(n int) []string {
	if c.most > 0 {
		n = min(n, c.most)
	}
	return popMail(n)
}

// getmail comes by TLS and remembers what it has by UIDL. It loses a child that ends
// before it waits for it, so each takes a moment more, and there are fewer.
func getmail(t testing.TB, s *site, dir, user string, keep bool) []string {
	writeFile(t, filepath.Join(dir, "getmailrc"), fmt.Sprintf(`[retriever]
type = SimplePOP3SSLRetriever
server = 127.0.0.1
port = %s
username = %s
password = %s
ca_certs = %s
ssl_cert_hostname = %s
[destination]
type = MDA_external
path = /bin/sh
arguments = (%q,)
allow_root_commands = true
[options]
read_all = false
delete = %v
delivered_to = false
received = false
verbose = 0
`, portOf(t, s.address("pop3s")), user, password, s.tlsCert(), s.hostname(), slowly(t, deliver(t, dir)), !keep))
	return []string{"getmail", "--getmaildir", dir, "--rcfile", "getmailrc"}
}

// mpop comes by STLS and sends its commands in one go.
func mpop(t testing.TB, s *site, dir, user string, keep bool) []string {
	rc := writeFile(t, filepath.Join(dir, "mpoprc"), fmt.Sprintf(`account default
host 127.0.0.1
port %s
tls on
tls_starttls on
tls_trust_file %s
tls_host_override %s
auth plain
user %s
password "%s"
pipelining on
keep %s
received_header off
uidls_file %s/uidls
delivery maildir %[7]s
`, portOf(t, s.address("pop3")), s.tlsCert(), s.hostname(), user, password, onOff(keep), dir))
	return []string{"mpop", "--quiet", "--file=" + rc}
}

// poplib is a program of a few lines, as apps have it, that writes a file for each
// message by its name.
func poplib(t testing.TB, s *site, dir, user string, keep bool) []string {
	script := writeFile(t, filepath.Join(dir, "fetch.py"), `import os, poplib, socket, ssl, sys
port, host, ca, user, password, folder, keep = sys.argv[1:]
poplib._MAXLINE = 1 << 20
p = poplib.POP3("127.0.0.1", int(port), timeout=60)
p.host = host
assert "STLS" in p.capa()
context = ssl.create_default_context(cafile=ca)
p.stls(context)
p.user(user)
p.pass_(password)
count, octets = p.stat()
names = dict(l.decode().split() for l in p.uidl()[1])
sizes = dict(l.decode().split() for l in p.list()[1])
assert count == len(names) == len(sizes) and octets == sum(map(int, sizes.values()))
for n, name in names.items():
    path = os.path.join(folder, "new", name)
    if not os.path.exists(path):
        lines = p.retr(n)[1]
        text = b"".join(l + b"\r\n" for l in lines)
        assert len(text) == int(sizes[n]), (n, len(text), sizes[n])
        part = os.path.join(folder, "tmp", name)
        with open(part, "wb") as f:
            f.write(text)
        os.rename(part, path)
    if keep == "off":
        p.dele(n)
p.quit()
`)
	return []string{"python3", script, portOf(t, s.address("pop3")), s.hostname(), s.tlsCert(), user, password, dir, onOff(keep)}
}

// folder makes a maildir.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"new", "cur", "tmp"} {
		err := os.Mkdir(filepath.Join(dir, sub), 0o700)
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fetched are the messages in a maildir, whole ones only.
func fetched(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
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
			// getmail says in front that it knows no envelope.
			all = append(all, strings.TrimPrefix(crlf(string(raw)), "Return-Path: <unknown>\r\n"))
		}
	}
	slices.Sort(all)
	return all
}

// popCommand makes the command of a client ready to run.
func popCommand(ctx context.Context, args []string, home string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "HOME="+home)
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// fetch runs a client to its end, which has to be a good one: 0, or that there was
// nothing new.
func (c popClient) fetch(t testing.TB, s *site, dir, user string, keep bool) {
	t.Helper()
	// getmail takes two processes for each message, which on a busy machine is slow.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd, out := popCommand(ctx, c.command(t, s, dir, user, keep), dir)
	err := cmd.Run()
	nothing := c.program == "fetchmail" && cmd.ProcessState.ExitCode() == 1
	if err != nil && !nothing {
		t.Fatalf("%s: %v\n%s\n%s", c.name, err, tail(out.String()), tail(s.text()))
	}
}

// popMail are messages of which each is another, with what POP3 has to take care of.
func popMail(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("From: <bob@b.example>\r\nTo: <alice@a.example>\r\nSubject: %d\r\nMessage-ID: <%[1]d@b.example>\r\n"+
			"Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"+
			".\r\n..\r\n.dot\r\n\r\nmessage %[1]d \xc3\xa9\r\n%s\r\n", i, strings.Repeat("x", i%900))
	}
	slices.Sort(all)
	return all
}

// fill puts messages into the INBOX of a user.
func (s *site) fill(user string, all []string) {
	s.t.Helper()
	c, err := dialIMAP(s.t.Context(), s.address("imaps"), user, s.clientTLS())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.conn.Close()
	for _, text := range all {
		_, err := c.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text), text))
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// held is how many messages are in the INBOX of a user.
func (s *site) held(user string) int {
	s.t.Helper()
	c, err := dialIMAP(s.t.Context(), s.address("imaps"), user, s.clientTLS())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.conn.Close()
	answer, err := c.do("STATUS INBOX (MESSAGES)")
	if err != nil {
		s.t.Fatal(err)
	}
	n := -1
	_, _ = fmt.Sscanf(answer[strings.Index(answer, "(")+1:], "MESSAGES %d", &n)
	return n
}

func newPopSite(t testing.TB, users ...string) *site {
	t.Helper()
	s := newSite(t, "a.example", setup{users: users, more: map[string]string{"listen": popListeners, "limits": "message_bytes = 1048576\n"}, listeners: 2})
	s.serve()
	return s
}

// TestInteropEP18_EP19_ClientsFetch has real clients fetch 1,000 messages: keeping them, so that
// the next run brings nothing; killed on the way, and again; and removing them. EP-18,
// EP-19.
func TestInteropEP18_EP19_ClientsFetch(t *testing.T) {
	t.Parallel()
	var users []string
	for _, c := range popClients() {
		testnet.Require(t, c.program)
		users = append(users, c.name+"@a.example")
	}
	s := newPopSite(t, users...)
	t.Cleanup(s.alive)
	for _, c := range popClients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mail := c.mailFor(1000)
			messages := len(mail)
			user := c.name + "@a.example"
			s.fill(user, mail)
			dir := folder(t)
			for range 2 {
				c.fetch(t, s, dir, user, true)
				if diff := cmp.Diff(mail, fetched(t, dir)); diff != "" {
					t.Fatalf("kept (-want +got)\n%.2000s", diff)
				}
			}
			dir = folder(t)
			c.killed(t, s, dir, user, true)
			begun := len(fetched(t, dir))
			if n := s.held(user); n != messages {
				t.Errorf("%d messages are on the server after a client was killed", n)
			}
			c.fetch(t, s, dir, user, false)
			got := fetched(t, dir)
			c.checkAll(t, mail, got, begun)
			if n := s.held(user); n != 0 {
				t.Errorf("%d messages are left on the server", n)
			}
			t.Logf("%d messages of %d twice, after %d were there when it was killed", len(got)-messages, messages, begun)
		})
	}
}

// checkAll wants each message, and those alone twice that a client had when it was
// killed: what it does not remember it fetches again.
func (c popClient) checkAll(t testing.TB, want, got []string, begun int) {
	t.Helper()
	if diff := cmp.Diff(want, slices.Compact(slices.Clone(got))); diff != "" {
		t.Fatalf("what was fetched (-want +got)\n%.2000s", diff)
	}
	if c.knows {
		begun = 0
	}
	if twice := len(got) - len(want); twice > begun {
		t.Errorf("%d messages came twice", twice)
	}
}

// killed runs a client and kills it when it has some of the messages.
func (c popClient) killed(t testing.TB, s *site, dir, user string, keep bool) {
	t.Helper()
	cmd, out := popCommand(t.Context(), c.command(t, s, dir, user, keep), dir)
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	c.awaitSome(t, dir, out)
	err = cmd.Process.Kill()
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	_ = os.Remove(filepath.Join(dir, "pid"))
	s.awaitFree(user)
}

// awaitSome waits until a client has some messages.
func (c popClient) awaitSome(t testing.TB, dir string, out *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !testnet.Await(ctx, func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "new", "*"))
		return len(files) > 20
	}) {
		t.Fatalf("%s fetches nothing: %s", c.name, out)
	}
}

// awaitFree waits until the server has seen that a client is gone.
func (s *site) awaitFree(user string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if !testnet.Await(ctx, func() bool {
		cmd, _ := popCommand(ctx, slices.Concat([]string{"curl"}, s.popArgs(user), []string{"--list-only", s.popURL() + "/"}), s.dir)
		return cmd.Run() == nil
	}) {
		s.t.Fatalf("the mailbox of %s stays locked", user)
	}
}

// popURL is what curl calls the site.
func (s *site) popURL() string {
	return "pop3s://" + s.hostname() + ":" + portOf(s.t, s.address("pop3s"))
}

// popArgs are the arguments of curl for a user of the site.
func (s *site) popArgs(user string) []string {
	return []string{"--silent", "--show-error", "--ipv4", "--cacert", s.tlsCert(), "--user", user + ":" + password,
		"--resolve", s.hostname() + ":" + portOf(s.t, s.address("pop3s")) + ":127.0.0.1"}
}

// TestInteropEP18_ServerKilled kills the server while clients fetch and remove: they
// come again, and every message is with them in the end. A client that remembers what
// it has gets none twice.
func TestInteropEP18_ServerKilled(t *testing.T) {
	t.Parallel()
	for _, c := range popClients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			testnet.Require(t, c.program)
			mail := c.mailFor(300)
			messages := len(mail)
			s := newPopSite(t, mtUser)
			s.fill(mtUser, mail)
			dir := folder(t)
			cmd, out := popCommand(t.Context(), c.command(t, s, dir, mtUser, false), dir)
			err := cmd.Start()
			if err != nil {
				t.Fatal(err)
			}
			c.awaitSome(t, dir, out)
			s.kill()
			_ = cmd.Wait() // a failure, as it should be
			_ = os.Remove(filepath.Join(dir, "pid"))
			begun := len(fetched(t, dir))
			s.checkStore()
			s.serve()
			if n := s.held(mtUser); n != messages && n != 0 {
				t.Errorf("%d messages are on the server: some went without a QUIT", n)
			}
			c.fetch(t, s, dir, mtUser, false)
			c.checkAll(t, mail, fetched(t, dir), begun)
			if n := s.held(mtUser); n != 0 && !(c.leaves && n <= begun) {
				t.Errorf("%d messages are left on the server", n)
			}
			s.alive()
		})
	}
}

// TestInteropEP18_EP19_CurlAndOpenSSL lists, fetches, looks at the top and removes with curl, and
// talks through openssl s_client.
func TestInteropEP18_EP19_CurlAndOpenSSL(t *testing.T) {
	t.Parallel()
	testnet.Require(t, "curl")
	testnet.Require(t, "openssl")
	s := newPopSite(t, mtUser)
	mail := map[string]string{}
	for name, body := range attachments() {
		mail[name] = "From: <bob@b.example>\r\nSubject: " + name + "\r\nMIME-Version: 1.0\r\n" + body
	}
	names := slices.Sorted(maps.Keys(mail))
	for _, name := range names {
		s.fill(mtUser, []string{mail[name]})
	}
	curl := func(args ...string) string { return peer(t, "", "curl", append(s.popArgs(mtUser), args...)...) }
	if got := strings.Count(curl(s.popURL()+"/"), "\r\n"); got != len(names) {
		t.Errorf("curl lists %d messages", got)
	}
	for i, name := range names {
		t.Run("POP 32: "+name, func(t *testing.T) {
			if got := curl(fmt.Sprintf("%s/%d", s.popURL(), i+1)); got != mail[name] {
				t.Errorf("curl got %d octets of %d: %.300q", len(got), len(mail[name]), got)
			}
		})
	}
	curl("--head", "--request", "DELE", s.popURL()+"/1")
	if n := s.held(mtUser); n != len(names)-1 {
		t.Errorf("%d messages are left", n)
	}
	trail := s.must("", "audit", "show")
	for _, want := range []string{"over POP3 from 127.0.0.1, UID 5", "1 messages, over POP3 from 127.0.0.1, UID 1"} {
		if !strings.Contains(trail, want) {
			t.Errorf("the audit trail has no %q:\n%s", want, trail)
		}
	}
	for listener, starttls := range map[string][]string{"pop3s": nil, "pop3": {"-starttls", "pop3"}} {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			script := "CAPA\nUSER " + mtUser + "\nPASS " + password + "\nSTAT\nQUIT\n"
			got := peer(t, script, "openssl", append([]string{"s_client", "-quiet", "-crlf", "-ign_eof", version, "-CAfile", s.tlsCert(), "-verify_return_error",
				"-verify_hostname", s.hostname(), "-connect", s.address(listener)}, starttls...)...)
			if !strings.Contains(got, fmt.Sprintf("+OK %d ", len(names)-1)) || !strings.Contains(got, "+OK 0 messages removed") {
				t.Errorf("openssl over %s with %s: %s", listener, version, got)
			}
		}
		old := exec.CommandContext(t.Context(), "openssl", append([]string{"s_client", "-quiet", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-connect", s.address(listener)}, starttls...)...)
		if old.Run() == nil {
			t.Errorf("%s takes TLS 1.1", listener)
		}
	}
	s.alive()
}

// attachments are bodies as EHRs send them, in their forms on the wire.
func attachments() map[string]string {
	part := func(kind, encoding, name, text string) string {
		return "--b\r\nContent-Type: " + kind + "; name=\"" + name + "\"\r\nContent-Transfer-Encoding: " + encoding +
			"\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\n\r\n" + text + "\r\n"
	}
	mixed := func(parts ...string) string {
		return "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Join(parts, "") + "--b--\r\n"
	}
	ccda := part("text/xml", "8bit", "ccda.xml", "<?xml version=\"1.0\"?>\r\n<ClinicalDocument>\r\n.\r\n</ClinicalDocument>")
	xdm := part("application/zip", "base64", "xdm.zip", "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==")
	pdf := part("application/pdf", "base64", "a.pdf", "JVBERi0xLjcKJcKlwrHDqwo=")
	text := "--b\r\nContent-Type: text/plain\r\n\r\n..\r\n.text\r\n\r\n"
	return map[string]string{
		"text and C-CDA": mixed(text, ccda), "C-CDA and text": mixed(ccda, text), "XDM alone": mixed(xdm),
		"all of them": mixed(text, ccda, xdm, pdf), "PDF, C-CDA": mixed(pdf, ccda, text),
	}
}

// TestInteropEP18_Mechanisms has mpop log in by each mechanism that it shares with us,
// and by an app password, which is good for what it was made for.
func TestInteropEP18_Mechanisms(t *testing.T) {
	t.Parallel()
	testnet.Require(t, "mpop")
	s := newPopSite(t, mtUser)
	mail := popMail(3)
	s.fill(mtUser, mail)
	appPassword := func(service string) string {
		var made struct{ Secret string }
		printed := s.must("", "--json", "access", "add", mtUser, "--name", service, "--password", "--for", service)
		err := json.Unmarshal([]byte(printed), &made)
		if err != nil || made.Secret == "" {
			t.Fatalf("access add prints no secret: %v", err)
		}
		return made.Secret
	}
	forPOP3, forIMAP := appPassword("pop3"), appPassword("imap")
	for _, row := range []struct {
		name, mechanism, secret string
		in                      bool
	}{
		{"USER and PASS", "user", password, true},
		{"PLAIN", "plain", password, true},
		{"LOGIN", "login", password, true},
		{"SCRAM", "scram-sha-256", password, true},
		{"a wrong proof", "scram-sha-256", "wrong", false},
		{"an app password", "plain", forPOP3, true},
		{"an app password by SCRAM", "scram-sha-256", forPOP3, true},
		{"one for IMAP", "plain", forIMAP, false},
		{"one for IMAP by SCRAM", "scram-sha-256", forIMAP, false},
	} {
		dir := folder(t)
		args := mpop(t, s, dir, mtUser, true)
		rc := filepath.Join(dir, "mpoprc")
		text, err := os.ReadFile(rc)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, rc, strings.NewReplacer("auth plain", "auth "+row.mechanism, `"`+password+`"`, `"`+row.secret+`"`).Replace(string(text)))
		cmd, out := popCommand(t.Context(), args, dir)
		err = cmd.Run()
		if (err == nil) != row.in {
			t.Errorf("%s: %v\n%s", row.name, err, out)
		}
		if row.in && !slices.Equal(mail, fetched(t, dir)) {
			t.Errorf("%s: the mail did not come", row.name)
		}
	}
	s.alive()
}
