package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"time"

	"postern/internal/testnet/spawn"
)

// popTarget is how much longer than with Dovecot a session may take.
const popTarget = 1.5

// popFigures are P1: sessions over POP3 under TLS that fetch all messages of a
// mailbox, one after the other and with all commands in one go, against Dovecot.
// Postern opens each, and has that it is read on the disk before it is sent.
func popFigures(ctx context.Context, b *bench) (all []figure, err error) {
	if !haveDovecotFor(dovecotPOP3) {
		return []figure{skipped("P1", "fetching by POP3 against Dovecot", "dovecot with POP3 is not installed, or this is not root")}, nil
	}
	for _, size := range b.upTo(100 << 10) {
		some, err := b.popSize(ctx, size)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// popSize are the figures of one size of messages.
func (b *bench) popSize(ctx context.Context, size int) (all []figure, err error) {
	messages := b.mails * 10 / 3
	h, ours, err := b.popHouse(ctx, messages, size)
	defer func() { err = stopHouses(err, h) }()
	if err != nil {
		return nil, err
	}
	server, theirs, err := b.popDovecot(ctx, h, messages, size)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	for _, way := range []struct {
		name  string
		fetch func(*textproto.Conn, int) error
	}{{"one by one", fetchSingly}, {"all commands in one go", fetchTogether}} {
		turns, err := interleave(b.rounds, b.turn, ours.side(ctx, messages, way.fetch), theirs.side(ctx, messages, way.fetch))
		if err != nil {
			return nil, err
		}
		f := figure{ID: "P1", What: fmt.Sprintf("POP3, RETR of %d of %s, %s, under TLS, against Dovecot", messages, sizeName(size), way.name), Unit: "ms"}
		all = append(all, compared(f, wallMillis, turns[0], turns[1]).atMost(popTarget))
	}
	return all, nil
}

// wallMillis is how long a turn took in milliseconds.
func wallMillis(t turn) float64 { return float64(t.Wall) / 1e6 }

// A popDoor is where a user fetches mail over POP3.
type popDoor struct {
	addr, user, password string
	tls                  *tls.Config
}

// side is a side of which a turn is one session.
func (d popDoor) side(ctx context.Context, messages int, fetch func(*textproto.Conn, int) error) side {
	return func(time.Duration) (turn, error) {
		began := time.Now()
		err := d.session(ctx, messages, fetch)
		return turn{N: messages, Wall: int64(time.Since(began))}, err
	}
}

// session logs in, looks what there is as clients do, fetches and leaves.
func (d popDoor) session(ctx context.Context, messages int, fetch func(*textproto.Conn, int) error) error {
	conn, err := (&tls.Dialer{Config: d.tls}).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return err
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	err = errors.Join(popOK(c, ""), popOK(c, "USER "+d.user), popOK(c, "PASS "+d.password), popOK(c, "STAT"))
	for _, command := range []string{"UIDL", "LIST"} {
		if err == nil {
			err = popOK(c, command)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, c.DotReader())
		}
	}
	if err == nil {
		err = fetch(c, messages)
	}
	if err == nil {
		err = popOK(c, "QUIT")
	}
	return err
}

// popOK sends a command, unless it is "", and reads +OK.
func popOK(c *textproto.Conn, command string) error {
	if command != "" {
		err := c.PrintfLine("%s", command)
		if err != nil {
			return err
		}
	}
	line, err := c.ReadLine()
	if err == nil && !strings.HasPrefix(line, "+OK") {
		err = fmt.Errorf("%.4s: %s", command, line)
	}
	return err
}

// fetchSingly asks for a message when it has the one before.
func fetchSingly(c *textproto.Conn, messages int) error {
	for n := 1; n <= messages; n++ {
		err := popOK(c, fmt.Sprintf("RETR %d", n))
		if err == nil {
			_, err = io.Copy(io.Discard, c.DotReader())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fetchTogether asks for all and then reads (RFC 2449 §6.6).
func fetchTogether(c *textproto.Conn, messages int) error {
	sent := make(chan error, 1)
	go func() {
		for n := 1; n <= messages; n++ {
			fmt.Fprintf(c.W, "RETR %d\r\n", n) // errors stay with the writer
		}
		sent <- c.W.Flush()
	}()
	for range messages {
		err := popOK(c, "")
		if err == nil {
			_, err = io.Copy(io.Discard, c.DotReader())
		}
		if err != nil {
			return err
		}
	}
	return <-sent
}

// popHouse is a gateway with messages in the mailbox of its user.
func (b *bench) popHouse(ctx context.Context, messages, size int) (*house, popDoor, error) {
	h, err := b.newHouse(ctx, plan{name: fmt.Sprintf("pop3-%d", size), domain: farDomain, user: recipientAddress(0), key: b.rig.to[0], dns: "127.0.0.1:9"})
	if err != nil {
		return nil, popDoor{}, err
	}
	pop, err := h.listen("pop3s")
	if err != nil {
		return h, popDoor{}, err
	}
	imap, err := h.listen("imaps")
	if err != nil {
		return h, popDoor{}, err
	}
	config, err := spawn.ClientTLS(h.dir, h.hostname())
	if err == nil {
		_, err = h.serve(ctx)
	}
	if err == nil {
		err = awaitListeners(ctx, pop, imap)
	}
	d := popDoor{addr: pop, user: recipientAddress(0), password: housePassword, tls: config}
	if err != nil {
		return h, d, err
	}
	return h, d, popFill(ctx, popDoor{addr: imap, user: d.user, password: d.password, tls: config}, messages, size)
}

// listen adds a listener to a house that does not run yet.
func (h *house) listen(name string) (string, error) {
	addr, err := freeAddress()
	if err != nil {
		return "", err
	}
	path := filepath.Join(h.dir, "postern.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return addr, os.WriteFile(path, bytes.Replace(text, []byte("[listen]\n"), fmt.Appendf(nil, "[listen]\n%s = %q\n", name, addr), 1), 0o600)
}

// popFill puts messages into a mailbox, over IMAP.
func popFill(ctx context.Context, d popDoor, messages, size int) error {
	conn, err := (&tls.Dialer{Config: d.tls}).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return err
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	_, err = c.ReadLine() // the greeting
	text := numbered(size, "pop3")
	for i := -1; i < messages && err == nil; i++ {
		command := fmt.Sprintf("LOGIN %s %q", d.user, d.password)
		if i >= 0 {
			command = fmt.Sprintf("APPEND INBOX {%d}", len(text(i)))
		}
		err = c.PrintfLine("t%d %s", i, command)
		for line := ""; err == nil && !strings.HasPrefix(line, fmt.Sprintf("t%d ", i)); {
			line, err = c.ReadLine()
			switch {
			case err != nil:
			case strings.HasPrefix(line, "+"):
				_, err = c.W.Write(text(i))
				err = errors.Join(err, c.PrintfLine(""))
			case strings.HasPrefix(line, fmt.Sprintf("t%d ", i)) && !strings.HasPrefix(line, fmt.Sprintf("t%d OK", i)):
				err = errors.New(line)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("filling a mailbox: %w", err)
	}
	return nil
}

// dovecotPOP3 is the program of the package dovecot-pop3d, in Debian's place.
const dovecotPOP3 = "/usr/lib/dovecot/pop3"

// popDovecot is a Dovecot with the same messages in a maildir, and the certificate of
// a house.
func (b *bench) popDovecot(ctx context.Context, h *house, messages, size int) (*dovecot, popDoor, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, popDoor{}, err
	}
	dir := filepath.Join(b.dir, fmt.Sprintf("dovecot-pop3-%d", size))
	_, port, _ := net.SplitHostPort(addr)
	user := recipientAddress(0)
	err = errors.Join(os.Mkdir(dir, 0o755), os.Chmod(b.dir, 0o755), popMaildir(filepath.Join(dir, "mail", user), messages, size))
	if err != nil {
		return nil, popDoor{}, err
	}
	config := fmt.Sprintf(`protocols = pop3
listen = 127.0.0.1
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
ssl = required
ssl_cert = <%[3]s/tls/cert.pem
ssl_key = <%[3]s/tls/key.pem
mail_location = maildir:%[1]s/mail/%%u
first_valid_uid = 1
passdb {
  driver = static
  args = password=%[4]s
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%[1]s/mail/%%u allow_all_users=yes
}
service pop3-login {
  inet_listener pop3 {
    port = 0
  }
  inet_listener pop3s {
    address = 127.0.0.1
    port = %[2]s
    ssl = yes
  }
}
`, dir, port, h.dir, "secret")
	d, err := b.runDovecot(ctx, filepath.Join(dir, "dovecot.conf"), config, addr)
	if err != nil {
		return nil, popDoor{}, err
	}
	trust, err := spawn.ClientTLS(h.dir, h.hostname())
	return d, popDoor{addr: addr, user: user, password: "secret", tls: trust}, err
}

// popMaildir is a maildir that anybody may change.
func popMaildir(dir string, messages, size int) error {
	for _, sub := range []string{"new", "cur", "tmp"} {
		err := os.MkdirAll(filepath.Join(dir, sub), 0o755)
		if err == nil {
			err = os.Chmod(filepath.Join(dir, sub), 0o777)
		}
		if err != nil {
			return err
		}
	}
	text := numbered(size, "pop3")
	for i := range messages {
		path := filepath.Join(dir, "new", fmt.Sprintf("1780000000.M%06d.bench", i))
		err := os.WriteFile(path, text(i), 0o644)
		if err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o777)
}
