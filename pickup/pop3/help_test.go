package pop3_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postern/internal/gateway/mailbox"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/mime"
	"postern/pickup"
	"postern/pickup/pop3"
	"postern/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testUser     = "alice@a.example"
	testPassword = "correct horse"
)

// A house is a store with an account, and a server over it.
type house struct {
	t       testing.TB
	store   store.Store
	account mime.Address
	backend pop3.Backend
	server  *pop3.Server
	addr    string
	clear   bool // TLS begins with STLS
	log     *testnet.Log
}

// letIn knows one password.
func letIn(account mime.Address) mailbox.Auth {
	return testnet.Auth(func(a login.Attempt) (login.Grant, error) {
		if !strings.EqualFold(a.User, testUser) || a.Secret != testPassword {
			return login.Grant{}, pickup.ErrAuthFailed
		}
		return login.Grant{Account: account, Proof: proof.OfPassword(store.Account{})}, nil
	})
}

func openStore(t testing.TB) (store.Store, mime.Address) {
	t.Helper()
	db, err := store.Create(filepath.Join(t.TempDir(), "postern.db"), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	account := testnet.Address(t, testUser)
	err = db.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.PutDomain(store.Domain{Name: account.Domain()}), tx.PutAccount(store.Account{Address: account}))
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, account
}

func startHouse(t testing.TB, o pop3.Options) *house {
	t.Helper()
	h := &house{t: t, clear: !o.Implicit, log: &testnet.Log{}}
	h.store, h.account = openStore(t)
	if o.TLS == nil {
		o.TLS = testnet.ServerTLS()
	}
	if o.ErrorDelay == 0 {
		o.AuthDelay, o.ErrorDelay = time.Millisecond, 50*time.Microsecond
	}
	o.Log = slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.backend = mailbox.NewPOP3(h.store, letIn(h.account), mailbox.Options{})
	h.server = pop3.New(h.backend, o)
	h.addr = h.serve(h.server)
	return h
}

func implicit(t testing.TB) *house { return startHouse(t, pop3.Options{Implicit: true}) }

func (h *house) serve(s *pop3.Server) string {
	h.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), ln) }()
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := s.Shutdown(ctx)
		if err != nil {
			h.t.Errorf("Shutdown: %v", err)
		}
		err = <-done
		if err != nil {
			h.t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// deliver puts messages into INBOX as the pipeline does.
func (h *house) deliver(all ...string) {
	h.t.Helper()
	for _, raw := range all {
		err := deliver(h.store, h.account, raw)
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

func deliver(s store.Store, account mime.Address, raw string) error {
	w, err := s.NewBody(context.Background())
	if err != nil {
		return err
	}
	defer w.Discard()
	_, err = io.WriteString(w, raw)
	if err != nil {
		return err
	}
	return s.Update(context.Background(), func(tx store.Tx) error {
		id, err := tx.PutBody(w)
		if err != nil {
			return err
		}
		box, err := tx.MailboxByName(account, store.Inbox)
		if err != nil {
			return err
		}
		_, err = tx.Append(box.ID, store.Message{Body: id})
		return err
	})
}

// inbox returns what is in INBOX.
func (h *house) inbox() []store.Message {
	h.t.Helper()
	var all []store.Message
	err := h.store.View(h.t.Context(), func(tx store.Tx) error {
		box, err := tx.MailboxByName(h.account, store.Inbox)
		if err != nil {
			return err
		}
		return tx.EachMessage(box.ID, 1, func(m store.Message) bool {
			all = append(all, m)
			return true
		})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// uids are those of the messages in INBOX.
func (h *house) uids() []uint32 {
	h.t.Helper()
	uids := []uint32{}
	for _, m := range h.inbox() {
		uids = append(uids, m.UID)
	}
	return uids
}

// expunge removes a message as IMAP does.
func (h *house) expunge(uid uint32) {
	h.t.Helper()
	err := h.store.Update(h.t.Context(), func(tx store.Tx) error {
		box, err := tx.MailboxByName(h.account, store.Inbox)
		if err != nil {
			return err
		}
		return tx.Expunge(box.ID, uid)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// A talk is a connection on which a test writes lines itself.
type talk struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func newTalk(t testing.TB, conn net.Conn) *talk { return &talk{t, conn, bufio.NewReader(conn)} }

// dial connects and reads the greeting.
func (h *house) dial() *talk {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	err = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if err != nil {
		h.t.Fatal(err)
	}
	k := newTalk(h.t, conn)
	if !h.clear {
		k.startTLS()
	}
	if got := k.line(); !strings.HasPrefix(got, "+OK") {
		h.t.Fatalf("greeting: %q", got)
	}
	return k
}

// login connects and logs in.
func (h *house) login() *talk {
	h.t.Helper()
	k := h.dial()
	if h.clear {
		k.ok("STLS")
		k.startTLS()
	}
	k.ok("USER " + testUser)
	k.ok("PASS " + testPassword)
	return k
}

func (k *talk) startTLS() {
	// It is the server's certificate that is not looked at here: peers look at it.
	k.conn = tls.Client(k.conn, &tls.Config{InsecureSkipVerify: true})
	k.r.Reset(k.conn)
}

func (k *talk) line() string {
	k.t.Helper()
	s, err := k.r.ReadString('\n')
	if err != nil {
		k.t.Fatalf("reading a line: %v", err)
	}
	return strings.TrimRight(s, "\r\n")
}

func (k *talk) write(s string) {
	k.t.Helper()
	_, err := io.WriteString(k.conn, s)
	if err != nil {
		k.t.Fatalf("writing: %v", err)
	}
}

// do sends a command and returns the first line of the answer.
func (k *talk) do(command string) string {
	k.t.Helper()
	k.write(command + "\r\n")
	return k.line()
}

func (k *talk) ok(command string) string {
	k.t.Helper()
	got := k.do(command)
	rest, ok := strings.CutPrefix(got, "+OK")
	if !ok {
		k.t.Fatalf("%s: %q", command, got)
	}
	return strings.TrimPrefix(rest, " ")
}

// expect sends a command that must be answered so.
func (k *talk) expect(want, command string) {
	k.t.Helper()
	if got := k.do(command); !strings.HasPrefix(got, want) {
		k.t.Errorf("%.80q: %q, want %q", command, got, want)
	}
}

// lines returns the lines of a response of several, as they were sent.
func (k *talk) lines() []string {
	k.t.Helper()
	all := []string{}
	for {
		l := k.line()
		if l == "." {
			return all
		}
		all = append(all, l)
	}
}

// many sends a command with a response of several lines.
func (k *talk) many(command string) []string {
	k.t.Helper()
	k.ok(command)
	return k.lines()
}

// text sends a command and returns the message that it is answered with, and the
// octets that the answer says.
func (k *talk) text(command string) (string, int) {
	k.t.Helper()
	said := 0
	_, _ = fmt.Sscanf(k.ok(command), "%d octets", &said)
	var b strings.Builder
	for {
		l, err := k.r.ReadString('\n')
		if err != nil {
			k.t.Fatalf("reading a message: %v", err)
		}
		if l == ".\r\n" {
			return b.String(), said
		}
		b.WriteString(strings.TrimPrefix(l, "."))
	}
}

// ended reports what comes until the connection ends.
func (k *talk) ended() string {
	got, _ := io.ReadAll(k.r)
	return string(got)
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}
