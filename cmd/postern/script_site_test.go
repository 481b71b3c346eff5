package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/mime"
)

// patience bounds every wait, on a machine that does much else.
const patience = 60 * time.Second

// site DIR DOMAIN makes a site whose listeners are on loopback ports. The
// backbone's address is then $DIR_backbone.
func scriptSite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: site dir domain")
	}
	dir, domain := args[0], args[1]
	ts.Check(ts.Exec("postern", "init", "--domain", domain, "--hostname", "mail."+domain, "--dir", dir))
	scriptLoopback(ts, false, []string{dir})
}

// loopback DIR moves the listeners of a site that init made to loopback ports.
func scriptLoopback(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: loopback dir")
	}
	dir := args[0]
	backbone := freePort(ts)
	ts.Setenv(dir+"_backbone", backbone)
	config := filepath.Join(dir, "postern.toml")
	for _, line := range []string{
		`submission = "127.0.0.1:0"`, `submissions = "127.0.0.1:0"`, `imaps = "127.0.0.1:0"`,
		`backbone = "` + backbone + `"`, `servers = ["` + or(ts.Getenv("DNS"), freePort(ts)) + `"]`, `allow_private = true`,
	} {
		setKey(ts, config, line)
	}
}

// freePort is a loopback address that nobody uses until the test does.
func freePort(ts *testscript.TestScript) string {
	return testnet.DeadPort(ts.Value(testKey{}).(testing.TB))
}

// configure FILE LINE… sets keys of a configuration that init wrote. A line may
// begin with the table of its key, where several tables have that key: dns.port = 53.
func scriptConfigure(ts *testscript.TestScript, neg bool, args []string) {
	for _, line := range args[1:] {
		setKey(ts, args[0], line)
	}
}

func setKey(ts *testscript.TestScript, file, line string) {
	key, _, _ := strings.Cut(line, " =")
	table, bare, ok := strings.Cut(key, ".")
	before, text := "", ts.ReadFile(file)
	if ok {
		head := "\n[" + table + "]\n"
		at := strings.Index(text, head)
		if at < 0 {
			ts.Fatalf("%s has no table %s", file, table)
		}
		before, text = text[:at+len(head)], text[at+len(head):]
		key, line = bare, strings.TrimPrefix(line, table+".")
	}
	old := regexp.MustCompile(`(?m)^#?` + regexp.QuoteMeta(key) + ` = .*$`)
	places := old.FindAllStringIndex(text, -1)
	if len(places) == 0 || len(places) > 1 && !ok {
		ts.Fatalf("%s has no one line for %s", file, key)
	}
	text = before + text[:places[0][0]] + line + text[places[0][1]:]
	ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
}

// A server is a postern serve that a script started.
type server struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// servers are the running servers of one script, by their folder.
type servers map[string]*server

type serversKey struct{}

// serve DIR starts the site's server, waits until it is ready and sets
// $DIR_submission and the like to its addresses.
func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve dir")
	}
	dir := args[0]
	s := &server{cmd: exec.Command("postern", "--config", filepath.Join(dir, "postern.toml"), "serve"), ended: make(chan struct{})}
	s.cmd.Dir = ts.Getenv("WORK")
	s.cmd.Env = append(os.Environ(), "GORACE="+raceOptions)
	stderr, err := s.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	ts.Defer(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
	})
	lines := make(chan string)
	go func() {
		defer close(s.ended)
		defer close(lines)
		for scan := bufio.NewScanner(stderr); scan.Scan(); {
			s.mu.Lock()
			s.log.WriteString(scan.Text() + "\n")
			s.mu.Unlock()
			if strings.Contains(scan.Text(), "msg=listening") || strings.Contains(scan.Text(), "msg=ready") {
				lines <- scan.Text()
			}
		}
		_ = s.cmd.Wait()
	}()
	awaitReady(ts, dir, s, lines)
	all, _ := ts.Value(serversKey{}).(servers)
	if all == nil {
		ts.Fatalf("the script has no servers")
	}
	all[dir] = s
}

var listening = regexp.MustCompile(`msg=listening what=(\w+) address=(\S+)`)

func awaitReady(ts *testscript.TestScript, dir string, s *server, lines <-chan string) {
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				ts.Fatalf("serve ended at once:\n%s", s.output())
			}
			if strings.Contains(line, "msg=ready") {
				return
			}
			m := listening.FindStringSubmatch(line)
			if m == nil {
				ts.Fatalf("an unexpected line: %s", line)
			}
			ts.Setenv(dir+"_"+m[1], m[2])
		case <-deadline:
			ts.Fatalf("serve is not ready:\n%s", s.output())
		}
	}
}

func (s *server) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// stopsWithin is how long a server that has nothing to do may take to end.
const stopsWithin = 10 * time.Second

// signal DIR TERM|INT|KILL ends a server. After the first two it must end by
// itself within seconds and with 0; its log becomes DIR.log. HUP ends none, and is told
// in the log.
func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	all, _ := ts.Value(serversKey{}).(servers)
	s := all[args[0]]
	if neg || s == nil {
		ts.Fatalf("no server runs in %s", args[0])
	}
	if args[1] == "HUP" {
		ts.Check(s.cmd.Process.Signal(syscall.SIGHUP))
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if !testnet.Await(ctx, func() bool { return strings.Contains(s.output(), "SIGHUP is passed over") }) {
			ts.Fatalf("it says nothing of SIGHUP:\n%s", s.output())
		}
		return
	}
	delete(all, args[0])
	sig := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}[args[1]]
	ts.Check(s.cmd.Process.Signal(sig))
	select {
	case <-s.ended:
	case <-time.After(stopsWithin):
		ts.Fatalf("it does not stop:\n%s", s.output())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".log"), []byte(s.output()), 0o600))
	if code := s.cmd.ProcessState.ExitCode(); sig != syscall.SIGKILL && code != exitOK {
		ts.Fatalf("it ended with %d:\n%s", code, s.output())
	}
}

// dns DOMAIN=FILE… serves zones in which each domain has an MX, mail.DOMAIN at
// 127.0.0.1, and as CERT records the certificates of a PEM file, if one is
// named. Its address is then $DNS.
func scriptDNS(ts *testscript.TestScript, neg bool, args []string) {
	var records []named.Record
	for _, arg := range args {
		text, file, _ := strings.Cut(arg, "=")
		domain, err := mime.ParseDomain(text)
		ts.Check(err)
		host := "mail." + text
		records = append(records, named.Apex(text, host), named.MX(text, 10, host), named.A(host, netip.MustParseAddr("127.0.0.1")))
		if file == "" {
			continue
		}
		for _, c := range readCertificates(ts, file) {
			records = append(records, named.DomainCERT(domain, c))
		}
	}
	z, err := named.Records(records...)
	ts.Check(err)
	ts.Check(z.Start("127.0.0.1:0"))
	ts.Defer(func() { ts.Check(z.Close()) })
	ts.Setenv("DNS", z.Addr())
}

func readCertificates(ts *testscript.TestScript, file string) (all []*x509.Certificate) {
	for rest := []byte(ts.ReadFile(file)); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return all
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		ts.Check(err)
		all = append(all, c)
	}
}

// lock FILE holds the store's lock until the script ends, as a process would
// that does not answer.
func scriptLock(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	ts.Defer(func() { f.Close() })
}

// take NAME binds a loopback port, whose address is then $NAME.
func scriptTake(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// newer FILE changes the schema of a store to one from the future. The version
// is a number of four octets behind its key in a page (store.metaSchema).
func scriptNewer(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	old, future := []byte("schema\x00\x00\x00\x06"), []byte("schema\x00\x00\x03\xe7")
	if !bytes.Contains(data, old) {
		ts.Fatalf("%s has no schema 6", args[0])
	}
	ts.Check(os.WriteFile(path, bytes.ReplaceAll(data, old, future), 0o600))
}

// json FILE KEY… checks that a file, or stdout, or stderr, is one JSON value
// whose object, or whose first object of a list, has these keys.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	var value any
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(decoder.Decode(&value))
	if decoder.More() {
		ts.Fatalf("there is more than one value")
	}
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	for _, path := range args[1:] {
		_, ok := at(value, strings.Split(path, "."))
		if ok == neg {
			ts.Fatalf("key %s: there is %v", path, ok)
		}
	}
}

// value NAME FILE KEY sets $NAME to a text of a JSON value.
func scriptValue(ts *testscript.TestScript, neg bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &value))
	found, _ := at(value, strings.Split(args[2], "."))
	text, ok := found.(string)
	if neg || !ok {
		ts.Fatalf("key %s is %v", args[2], found)
	}
	ts.Setenv(args[0], text)
}

// at follows keys into objects and into the first element of lists.
func at(value any, keys []string) (any, bool) {
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	if len(keys) == 0 {
		return value, true
	}
	object, _ := value.(map[string]any)
	next, ok := object[keys[0]]
	if !ok {
		return nil, false
	}
	return at(next, keys[1:])
}

// race N ARGS… runs N posterns at once, each with %d in ARGS replaced by its
// number. All must succeed.
func scriptRace(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	failures := make([]string, number(ts, args, 2))
	var all sync.WaitGroup
	for i := range failures {
		words := slices.Clone(args[1:])
		for n := range words {
			words[n] = strings.ReplaceAll(words[n], "%d", fmt.Sprint(i))
		}
		all.Go(func() {
			cmd := exec.CommandContext(ctx, "postern", words...)
			cmd.Dir = ts.Getenv("WORK")
			cmd.Env = append(os.Environ(), "POSTERN_CONFIG="+ts.Getenv("POSTERN_CONFIG"), "GORACE="+raceOptions)
			out, err := cmd.CombinedOutput()
			if err != nil {
				failures[i] = fmt.Sprintf("%v: %v: %s", words, err, out)
			}
		})
	}
	all.Wait()
	for _, f := range failures {
		if f != "" {
			ts.Fatalf("%s", f)
		}
	}
}
