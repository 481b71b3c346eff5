package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/gateway/care"
	"postern/internal/testnet"
	"postern/internal/testnet/spawn"
)

// Names in the folder of a gateway.
const (
	configFile = "postern.toml"
	dataFolder = "data"
)

// password is that of every account.
const password = "correct horse battery staple"

const (
	startTime   = 30 * time.Second // for a start on a busy machine
	commandTime = 2 * time.Minute
)

// buildPostern makes the binary under test, whose wall clock a file may step.
func buildPostern(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "postern")
	err := spawn.Build(t.Context(), path, "testclock")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A house is one gateway: its files, and the process that serves it.
type house struct {
	t      testing.TB
	binary string
	dir    string
	domain string

	submission, backbone, imaps string // its addresses, the same at every start

	mu    sync.Mutex
	cmd   *exec.Cmd     // nil while it is down
	ended chan struct{} // closed when cmd is gone
	log   *os.File
	kills int
}

// A plan of a house is who lives in it and whom it believes.
type houseplan struct {
	dir     string
	domain  string
	more    []string // other domains
	users   []string
	keys    []*testnet.Identity
	anchors []*testnet.Identity
}

// newHouse makes a gateway; nothing runs yet.
func newHouse(t testing.TB, binary string, p houseplan) *house {
	t.Helper()
	h := &house{
		t: t, binary: binary, dir: p.dir, domain: p.domain,
		submission: testnet.DeadPort(t), backbone: testnet.DeadPort(t), imaps: testnet.DeadPort(t),
	}
	h.must("init", "--domain", p.domain, "--hostname", h.hostname(), "--dir", h.dir)
	for _, d := range p.more {
		h.must("domain", "add", d)
	}
	secret := h.write("password", password+"\n")
	for _, user := range p.users {
		h.must("account", "add", user, "--password-file", secret)
	}
	for i, key := range p.keys {
		h.must("cert", "import", h.write(fmt.Sprintf("key%d.p12", i), string(key.PKCS12(password))), "--password-file", secret)
	}
	for i, a := range p.anchors {
		h.must("anchor", "add", h.write(fmt.Sprintf("anchor%d.pem", i), string(testnet.PEM(a.Cert))))
	}
	var err error
	h.log, err = os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.kill()
		_ = h.log.Close()
	})
	return h
}

func (h *house) config() string { return filepath.Join(h.dir, configFile) }

func (h *house) data() string { return filepath.Join(h.dir, dataFolder) }

func (h *house) storeFile() string { return filepath.Join(h.data(), care.StoreFile) }

func (h *house) clockFile() string { return filepath.Join(h.dir, "clock") }

func (h *house) write(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	err := os.WriteFile(path, []byte(text), 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	return path
}

// configure says where others are.
func (h *house) configure(dns string, routes map[string]string) {
	h.t.Helper()
	h.write(configFile, spawn.Site{
		Hostname: h.hostname(), DNS: dns, Routes: routes, Log: `format = "json"`,
		Listen: map[string]string{"submission": h.submission, "backbone": h.backbone, "imaps": h.imaps},
	}.Config())
}

func (h *house) hostname() string { return "mail." + h.domain }

// serve starts the gateway and waits until it listens.
func (h *house) serve() {
	h.t.Helper()
	h.awaitListening(h.launch())
}

// launch starts the gateway and returns what is closed when it ends.
func (h *house) launch() <-chan struct{} {
	h.t.Helper()
	cmd := exec.Command(h.binary, "--config", h.config(), "serve")
	cmd.Env = append(os.Environ(), "POSTERN_TEST_CLOCK="+h.clockFile())
	cmd.Stderr = h.log
	err := cmd.Start()
	if err != nil {
		h.t.Fatalf("starting %s: %v", h.domain, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(ended)
	}()
	h.mu.Lock()
	h.cmd, h.ended = cmd, ended
	h.mu.Unlock()
	return ended
}

func (h *house) awaitListening(ended <-chan struct{}) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), startTime)
	defer cancel()
	gone := false
	if !testnet.Await(ctx, func() bool {
		gone = isClosed(ended)
		return gone || listens(h.submission) && listens(h.backbone) && listens(h.imaps)
	}) || gone {
		h.t.Fatalf("%s ended, or does not listen after %v:\n%s", h.domain, startTime, h.tail())
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// listens reports whether somebody answers at an address.
func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// kill ends the gateway as a power cut would, and waits until it is gone. It
// does nothing to one that is down.
func (h *house) kill() { h.end(syscall.SIGKILL) }

// stop ends it as an operator would.
func (h *house) stop() { h.end(syscall.SIGTERM) }

func (h *house) end(s syscall.Signal) {
	h.mu.Lock()
	cmd, ended := h.cmd, h.ended
	h.cmd = nil
	h.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(s) // fails if it has just ended
	<-ended
	h.mu.Lock()
	defer h.mu.Unlock()
	if s == syscall.SIGKILL {
		h.kills++
	}
}

// killed is how often the gateway was killed until now; what is under way while
// it dies still belongs to the life that ends.
func (h *house) killed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kills
}

func (h *house) pid() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cmd == nil {
		return 0
	}
	return h.cmd.Process.Pid
}

// tail is the end of the log.
func (h *house) tail() string { return spawn.Tail(h.log.Name()) }

// panics are the lines of the log that no gateway may write.
func (h *house) panics() int {
	text, err := os.ReadFile(h.log.Name())
	if err != nil {
		h.t.Fatal(err)
	}
	return bytes.Count(text, []byte("panic")) + bytes.Count(text, []byte("fatal error"))
}

// run runs a command and returns what it printed, on both streams, and its error.
func (h *house) run(config string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.binary, append([]string{"--config", config}, args...)...)
	cmd.Env = append(os.Environ(), "POSTERN_TEST_CLOCK="+h.clockFile())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("postern %s of %s: %w", strings.Join(args, " "), h.domain, err)
	}
	return string(out), nil
}

func (h *house) must(args ...string) {
	h.t.Helper()
	out, err := h.run(h.config(), args...)
	if err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
}

// admin speaks to the running gateway.
func (h *house) admin(ctx context.Context, do func(*control.Client) error) error {
	client, err := control.Dial(ctx, h.data())
	if err != nil {
		return err
	}
	defer client.Close()
	return do(client)
}

// tls is what a user of the gateway trusts.
func (h *house) tls() *tls.Config {
	h.t.Helper()
	config, err := spawn.ClientTLS(h.dir, h.hostname())
	if err != nil {
		h.t.Fatal(err)
	}
	return config
}
