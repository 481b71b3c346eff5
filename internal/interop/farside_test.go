package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
)

// farTime bounds a session with the far side, and a run of OpenSSL for it.
const farTime = 30 * time.Second

// A farSide is a remote gateway that shares no code with ours: a few lines of
// SMTP, OpenSSL for what is sealed, and notifications written by hand. What it
// does with a message is told by the script of the recipient's local part.
type farSide struct {
	t        *testing.T
	addr     string
	own      party            // for its domain
	signers  map[string]party // others that it signs as
	root     string           // that it trusts
	peerPEM  string           // whom it encrypts to
	openssl  string
	backbone string // where its answers go

	running sync.WaitGroup
	taking  sync.WaitGroup // messages that were answered 250 and are not yet answered

	mu      sync.Mutex
	conns   map[net.Conn]bool
	scripts map[string]script
	got     []arrival
	kept    map[string][]letter // answers that wait to be let go, by the Message-ID they are about
	errs    []error
}

// A script is what the far side does for a recipient.
type script struct {
	refuse  string // the reply to RCPT, if it is not 250
	answers func(arrival) []letter
}

// An arrival is a message that came to the far side.
type arrival struct {
	from, to string // of the envelope
	outer    string
	inner    string // decrypted, verified and unwrapped
	id       string // the inner Message-ID
	at       time.Time
}

// A letter is a notification that goes out sealed, or as it is.
type letter struct {
	from     string // of the envelope; "" is the null reverse-path
	to       string
	id       string // of the outer header and, unless the text has its own, of the text
	text     string // the message inside
	late     bool   // kept until it is let go
	unsealed bool
	signer   string // among those of the far side; "" is itself
}

// newFarSide starts a far side for the domain of an identity. Its backbone and
// whom it encrypts to are set before the first message.
func newFarSide(t *testing.T, own, root, peer *testnet.Identity, scripts map[string]script) *farSide {
	t.Helper()
	dir := t.TempDir()
	f := &farSide{
		t: t, own: newParty(t, own), openssl: testnet.Require(t, "openssl"), scripts: scripts,
		root:    writeFile(t, filepath.Join(dir, "root.pem"), string(testnet.PEM(root.Cert))),
		peerPEM: writeFile(t, filepath.Join(dir, "peer.pem"), string(testnet.PEM(peer.Cert))),
		conns:   make(map[net.Conn]bool), kept: make(map[string][]letter),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	f.running.Go(func() { f.serve(l) })
	t.Cleanup(func() {
		_ = l.Close()
		f.mu.Lock()
		for c := range f.conns {
			_ = c.Close()
		}
		f.mu.Unlock()
		f.running.Wait()
		f.taking.Wait()
		for _, err := range f.errs {
			t.Errorf("the far side: %v", err)
		}
	})
	return f
}

func (f *farSide) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *farSide) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns[conn] = true
		f.mu.Unlock()
		f.running.Go(func() {
			_ = conn.SetDeadline(time.Now().Add(farTime))
			f.talk(conn)
			_ = conn.Close()
			f.mu.Lock()
			delete(f.conns, conn)
			f.mu.Unlock()
		})
	}
}

// talk is the server's side of a session.
func (f *farSide) talk(conn net.Conn) {
	c := textproto.NewConn(conn)
	reply := func(text string) bool { return c.PrintfLine("%s", text) == nil }
	reply("220 far.example ESMTP")
	from, to := "", []string(nil)
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, ":")
		switch verb = strings.ToUpper(verb); {
		case verb == "MAIL FROM":
			from, to = bracketed(rest), nil
			reply("250 2.1.0 ok")
		case verb == "RCPT TO":
			refusal := f.script(bracketed(rest)).refuse
			if refusal == "" {
				to, refusal = append(to, bracketed(rest)), "250 2.1.5 ok"
			}
			reply(refusal)
		case verb == "DATA" && len(to) > 0:
			reply("354 go on")
			text, err := c.ReadDotBytes()
			if err != nil {
				return
			}
			if !reply("250 2.0.0 taken") {
				return
			}
			for _, r := range to {
				a := arrival{from: from, to: r, outer: crlf(string(text)), at: time.Now()} // before the next message of the session
				f.taking.Go(func() { f.take(a) })
			}
		case strings.HasPrefix(verb, "EHLO"), strings.HasPrefix(verb, "HELO"), verb == "RSET", verb == "NOOP":
			from, to = "", nil
			reply("250 far.example")
		case verb == "QUIT":
			reply("221 2.0.0 bye")
			return
		default:
			reply("503 5.5.1 what?")
		}
	}
}

// bracketed is the address of a MAIL or RCPT command.
func bracketed(rest string) string {
	_, rest, _ = strings.Cut(rest, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

func (f *farSide) script(address string) script {
	f.mu.Lock()
	defer f.mu.Unlock()
	local, _, _ := strings.Cut(address, "@")
	return f.scripts[local]
}

// take opens what came and answers it.
func (f *farSide) take(a arrival) {
	err := f.open(&a)
	if err != nil {
		f.failed(fmt.Errorf("opening a message for %s: %w", a.to, err))
		return
	}
	f.mu.Lock()
	f.got = append(f.got, a)
	f.mu.Unlock()
	answers := f.script(a.to).answers
	if answers == nil {
		return
	}
	for _, l := range answers(a) {
		if l.late {
			f.mu.Lock()
			f.kept[a.id] = append(f.kept[a.id], l)
			f.mu.Unlock()
			continue
		}
		err := f.send(l)
		if err != nil {
			f.failed(fmt.Errorf("answering %s: %w", a.id, err))
		}
	}
}

// open has OpenSSL decrypt and verify.
func (f *farSide) open(a *arrival) error {
	entity, err := f.run(a.outer, "cms", "-decrypt", "-recip", f.own.cert, "-inkey", f.own.key)
	if err != nil {
		return err
	}
	content, err := f.run(entity, "cms", "-verify", "-CAfile", f.root)
	if err != nil {
		return err
	}
	inner, found := strings.CutPrefix(crlf(content), "Content-Type: message/rfc822\r\n\r\n")
	if !found {
		return errors.New("it is not wrapped")
	}
	a.inner, a.id = inner, messageID(inner)
	return nil
}

// send seals a letter and hands it to our backbone.
func (f *farSide) send(l letter) error {
	text, err := f.seal(l)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), farTime)
	defer cancel()
	c, err := dialBackbone(ctx, f.backbone)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.send(l.from, l.to, strings.NewReader(text))
}

// seal has OpenSSL sign and encrypt a wrapped letter.
func (f *farSide) seal(l letter) (string, error) {
	if l.unsealed {
		return l.text, nil
	}
	own := f.own
	if l.signer != "" {
		own = f.signers[l.signer]
	}
	signed, err := f.run(wrap(l.text), "cms", "-sign", "-md", "sha256", "-signer", own.cert, "-inkey", own.key)
	if err != nil {
		return "", err
	}
	sealed, err := f.run(signed, "cms", "-encrypt", "-aes256", "-recip", f.peerPEM)
	if err != nil {
		return "", err
	}
	head := "From: <" + fieldOf(l.text, "From") + ">\r\nTo: <" + l.to + ">\r\nMessage-ID: " + l.id + "\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\n"
	return head + crlf(sealed), nil
}

// run runs OpenSSL.
func (f *farSide) run(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), farTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, f.openssl, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		return "", fmt.Errorf("openssl %s %s: %w: %s", args[0], args[1], err, stderr.String())
	}
	return stdout.String(), nil
}

// letGo sends what was kept about a message, and returns it.
func (f *farSide) letGo(id string) []letter {
	f.t.Helper()
	f.mu.Lock()
	kept := f.kept[id]
	delete(f.kept, id)
	f.mu.Unlock()
	for _, l := range kept {
		err := f.send(l)
		if err != nil {
			f.t.Errorf("sending late: %v", err)
		}
	}
	return kept
}

// idle waits until everything that came is opened and answered.
func (f *farSide) idle() { f.taking.Wait() }

// arrivals are the messages that came for a recipient, oldest first.
func (f *farSide) arrivals(to string) []arrival {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []arrival
	for _, a := range f.got {
		if a.to == to {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b arrival) int { return a.at.Compare(b.at) })
	return all
}

// fieldOf is the content of a field of one line, in whatever case its name is.
func fieldOf(message, name string) string {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	found := regexp.MustCompile(`(?im)^` + name + `[ \t]*:[ \t]*<?(.*?)>?[ \t]*\r?$`).FindStringSubmatch(head)
	if found == nil {
		return ""
	}
	return found[1]
}
