package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/internal/testnet/spawn"
	"postern/mime"
	"postern/pickup"
	"postern/smtp"
	"postern/store"
)

// password is that of every account.
const password = "correct horse battery staple"

// A site is one gateway, made and run by its commands.
type site struct {
	t        testing.TB
	dir      string
	domain   string
	backbone string // its address, the same at every start
	setup
	*process // the latest one
}

// A setup says what a site is to have.
type setup struct {
	dir       string // a new one when empty
	dns       string // a port that refuses when empty
	relayPort string // of every MX; one that refuses when empty
	users     []string
	keys      []*testnet.Identity
	anchors   []*testnet.Identity
	guarded   bool              // without network.allow_private
	more      map[string]string // lines for tables of the configuration, by their names
	listeners int               // beside the three that every site has
}

// newSite makes a site for a domain; nothing runs yet.
func newSite(t testing.TB, domain string, o setup) *site {
	t.Helper()
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	if o.dns == "" {
		o.dns = testnet.DeadPort(t)
	}
	if o.relayPort == "" {
		o.relayPort = portOf(t, testnet.DeadPort(t))
	}
	s := &site{t: t, dir: o.dir, domain: domain, backbone: testnet.DeadPort(t), setup: o}
	s.must("", "init", "--domain", domain, "--hostname", s.hostname(), "--dir", s.dir)
	s.configure(o.dns, o.relayPort)
	secret := s.write("password", password+"\n")
	for _, user := range o.users {
		s.must("", "account", "add", user, "--password-file", secret)
	}
	for i, key := range o.keys {
		file := s.write(fmt.Sprintf("key%d.p12", i), string(key.PKCS12(password)))
		s.must("", "cert", "import", file, "--password-file", secret)
	}
	for i, a := range o.anchors {
		s.must("", "anchor", "add", s.write(fmt.Sprintf("anchor%d.pem", i), string(testnet.PEM(a.Cert))))
	}
	return s
}

func (s *site) hostname() string { return "mail." + s.domain }

func (s *site) config() string { return filepath.Join(s.dir, "postern.toml") }

func (s *site) data() string { return filepath.Join(s.dir, "data") }

// tlsCert is the file of the certificate that clients must trust.
func (s *site) tlsCert() string { return filepath.Join(s.dir, "tls", "cert.pem") }

// configure writes the configuration for loopback.
func (s *site) configure(dns, relayPort string) {
	s.t.Helper()
	tables := map[string]string{
		"listen":  fmt.Sprintf("submission = \"127.0.0.1:0\"\nbackbone = %q\nimaps = \"127.0.0.1:0\"\n", s.backbone),
		"tls":     "cert = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n",
		"dns":     fmt.Sprintf("servers = [%q]\n", dns),
		"relay":   "port = " + relayPort + "\n",
		"network": fmt.Sprintf("allow_private = %v\n", !s.guarded),
		"log":     "format = \"json\"\n",
	}
	for name, lines := range s.more {
		tables[name] += lines
	}
	text := fmt.Sprintf("hostname = %q\ndir = \"data\"\n", s.hostname())
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		text += "[" + name + "]\n" + tables[name]
	}
	s.write("postern.toml", text)
}

func (s *site) write(name, text string) string {
	s.t.Helper()
	return writeFile(s.t, filepath.Join(s.dir, name), text)
}

// serve starts the site.
func (s *site) serve() {
	s.t.Helper()
	s.process = start(s.t, s.config(), 3+s.listeners)
}

// An ending is how a command ended.
type ending struct {
	stdout, stderr string
	code           int
}

// run runs a command of the site.
func (s *site) run(stdin string, args ...string) ending {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), binary(s.t), append([]string{"--config", s.config()}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		s.t.Fatalf("postern %s: %v", strings.Join(args, " "), err)
	}
	return ending{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to work, and returns its standard output.
func (s *site) must(stdin string, args ...string) string {
	s.t.Helper()
	e := s.run(stdin, args...)
	if e.code != 0 {
		s.t.Fatalf("postern %s: exit code %d\n%s%s", strings.Join(args, " "), e.code, e.stdout, e.stderr)
	}
	return e.stdout
}

// clientTLS is what a user of the site trusts.
func (s *site) clientTLS() *tls.Config {
	s.t.Helper()
	config, err := spawn.ClientTLS(s.dir, s.hostname())
	if err != nil {
		s.t.Fatal(err)
	}
	return config
}

// submit hands a message in; nil means that it was answered 250.
func (s *site) submit(from, to, message string) error {
	s.t.Helper()
	return smtp.Submit(s.t.Context(), s.address("submission"), s.clientTLS(), from, password,
		address(s.t, from), []mime.Address{address(s.t, to)}, strings.NewReader(message))
}

// inbox waits until so many messages are there and returns all, as they were sent.
func (s *site) inbox(user string, least int) []string {
	s.t.Helper()
	all := s.rawInbox(user, least)
	for i, m := range all {
		all[i] = asSent(m)
	}
	return all
}

// rawInbox is inbox with what the gateway says of the messages in front.
func (s *site) rawInbox(user string, least int) []string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	found, err := pickup.FetchInbox(ctx, pickup.FetchOptions{
		Addr: s.address("imaps"), TLS: s.clientTLS(), User: user, Password: password, AtLeast: least, MaxBytes: 1 << 30,
	})
	if err != nil {
		s.t.Fatalf("%v\n%s", err, tail(s.text()))
	}
	all := make([]string, len(found))
	for i, m := range found {
		all[i] = string(m.Raw)
	}
	return all
}

// waitTrack waits until a message's only track is as wanted and returns it.
func (s *site) waitTrack(id string, within time.Duration, want func(control.Life) bool) control.Life {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	client, err := control.Dial(ctx, s.data())
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	return awaitTrack(ctx, s.t, client, id, want)
}

// awaitTrack is waitTrack until ctx is done.
func awaitTrack(ctx context.Context, t testing.TB, client *control.Client, id string, want func(control.Life) bool) control.Life {
	t.Helper()
	var found control.Lives
	var err error
	if !testnet.Await(ctx, func() bool {
		found, err = client.Track(t.Context(), id)
		return err == nil && len(found.Lives) == 1 && want(found.Lives[0])
	}) {
		t.Fatalf("the track of %s is %+v, %v", id, found, err)
	}
	return found.Lives[0]
}

// waitIdle waits until no job is under way but those that may stay.
func (s *site) waitIdle(mayStay func(store.Job) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	admin, err := control.Dial(ctx, s.data())
	if err != nil {
		s.t.Fatal(err)
	}
	defer admin.Close()
	var jobs []store.Job
	if !testnet.Await(ctx, func() bool {
		jobs, err = admin.Queue(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if mayStay != nil {
			jobs = slices.DeleteFunc(jobs, mayStay)
		}
		return len(jobs) == 0
	}) {
		s.t.Fatalf("%d jobs are left, such as %+v\n%s", len(jobs), jobs[0], tail(s.text()))
	}
}

// checkStore reads the whole store while nothing serves it.
func (s *site) checkStore() {
	s.t.Helper()
	e := s.run("", "store", "check")
	if e.code != 0 {
		s.t.Fatalf("store check: exit code %d\n%s%s", e.code, e.stdout, e.stderr)
	}
}

var address = testnet.Address

func portOf(t testing.TB, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func writeFile(t testing.TB, path, text string) string {
	t.Helper()
	err := os.WriteFile(path, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
