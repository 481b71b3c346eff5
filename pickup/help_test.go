package pickup_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"go.uber.org/goleak"

	"postern/internal/gateway/mailbox"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/mime"
	"postern/pickup"
	"postern/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testUser     = "alice@a.example"
	testPassword = "correct horse"
)

// A house is a store with one account, and a server over it.
type house struct {
	t       testing.TB
	store   store.Store
	account mime.Address
	server  *pickup.Server
	addr    string
	clear   bool // TLS begins with STARTTLS
	log     *testnet.Log
}

var auth = testnet.Auth(func(a login.Attempt) (login.Grant, error) {
	if !strings.EqualFold(a.User, testUser) || a.Secret != testPassword {
		return login.Grant{}, pickup.ErrAuthFailed
	}
	account, err := mime.ParseAddress(testUser)
	return login.Grant{Account: account, Proof: proof.OfPassword(store.Account{})}, err
})

func openStore(t testing.TB) (store.Store, mime.Address) {
	t.Helper()
	dir := t.TempDir()
	key := store.NewMasterKey()
	db, err := store.Create(filepath.Join(dir, "postern.db"), store.Options{MasterKey: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	account, err := mime.ParseAddress(testUser)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutAccount(store.Account{Address: account})
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, account
}

func startHouse(t testing.TB, o pickup.Options) *house {
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
	h.server = pickup.NewIMAP(mailbox.New(h.store, auth, mailbox.Options{}), o)
	h.addr = h.serve(h.server)
	return h
}

func (h *house) serve(s *pickup.Server) string {
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

func implicit(t testing.TB) *house { return startHouse(t, pickup.Options{Implicit: true}) }

// deliver puts a message into INBOX as the pipeline does.
func (h *house) deliver(raw []byte, flags ...string) {
	h.t.Helper()
	w, err := h.store.NewBody(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	defer w.Discard()
	_, err = w.Write(raw)
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.store.Update(context.Background(), func(tx store.Tx) error {
		id, err := tx.PutBody(w)
		if err != nil {
			return err
		}
		box, err := tx.MailboxByName(h.account, store.Inbox)
		if err != nil {
			return err
		}
		_, err = tx.Append(box.ID, store.Message{Body: id, Flags: flags})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// client logs in with the library's client.
func (h *house) client(o *imapclient.Options) *imapclient.Client {
	h.t.Helper()
	if o == nil {
		o = &imapclient.Options{}
	}
	o.TLSConfig = testnet.ClientTLS()
	c, err := imapclient.DialTLS(h.addr, o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	err = c.Login(testUser, testPassword).Wait()
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// A talk is a connection on which a test writes lines itself.
type talk struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	n    int
}

func (h *house) dial(secure bool) *talk {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	if secure {
		conn = tls.Client(conn, testnet.ClientTLS())
	}
	h.t.Cleanup(func() { conn.Close() })
	err = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if err != nil {
		h.t.Fatal(err)
	}
	return &talk{t: h.t, conn: conn, r: bufio.NewReader(conn)}
}

// talk logs in on a new TLS connection and selects INBOX.
func (h *house) talk() *talk {
	h.t.Helper()
	k := h.dial(!h.clear)
	k.line()
	if h.clear {
		k.startTLS()
	}
	k.ok("LOGIN %s %q", testUser, testPassword)
	k.ok("SELECT INBOX")
	return k
}

func (k *talk) startTLS() {
	k.t.Helper()
	k.ok("STARTTLS")
	k.conn = tls.Client(k.conn, testnet.ClientTLS())
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

// do sends a command and returns all lines of the answer, the tag cut off the
// last. Literals are joined to their line.
func (k *talk) do(format string, args ...any) []string {
	k.t.Helper()
	k.n++
	tag := fmt.Sprintf("t%d", k.n)
	k.write(tag + " " + fmt.Sprintf(format, args...) + "\r\n")
	return k.until(tag)
}

func (k *talk) until(tag string) []string {
	k.t.Helper()
	var lines []string
	for {
		l := k.line()
		for strings.HasSuffix(l, "}") {
			var n int
			_, err := fmt.Sscanf(l[strings.LastIndexByte(l, '{'):], "{%d}", &n)
			if err != nil {
				break
			}
			lit := make([]byte, n)
			_, err = io.ReadFull(k.r, lit)
			if err != nil {
				k.t.Fatalf("reading a literal: %v", err)
			}
			l += "\n" + string(lit) + k.line()
		}
		if rest, ok := strings.CutPrefix(l, tag+" "); ok {
			return append(lines, rest)
		}
		lines = append(lines, l)
	}
}

func (k *talk) ok(format string, args ...any) []string {
	k.t.Helper()
	lines := k.do(format, args...)
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK") {
		k.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), last)
	}
	return lines[:len(lines)-1]
}

// expect sends a command that must be answered so.
func (k *talk) expect(want, format string, args ...any) {
	k.t.Helper()
	lines := k.do(format, args...)
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
		k.t.Errorf("%s: %q, want %q", fmt.Sprintf(format, args...), last, want)
	}
}
