package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"postern/internal/password"
	"postern/internal/testnet/spawn"
)

// A pickupDoor is where a user fetches mail, under TLS.
type pickupDoor struct {
	addr, user string
	tls        *tls.Config
}

// dial begins a session; its greeting is the first line that comes.
func (d pickupDoor) dial(ctx context.Context) (net.Conn, error) {
	return (&tls.Dialer{Config: d.tls}).DialContext(ctx, "tcp", d.addr)
}

// pickupHouse is a gateway that listens for pop3s or imaps too, with messages in the
// mailbox of its user.
func (b *bench) pickupHouse(ctx context.Context, name, listener string, messages, size int) (*house, pickupDoor, error) {
	h, err := b.newHouse(ctx, plan{name: name, domain: farDomain, user: recipientAddress(0), key: b.rig.to[0], dns: "127.0.0.1:9"})
	if err != nil {
		return nil, pickupDoor{}, err
	}
	imap, err := h.listen("imaps")
	if err != nil {
		return h, pickupDoor{}, err
	}
	at := imap
	if listener != "imaps" {
		at, err = h.listen(listener)
		if err != nil {
			return h, pickupDoor{}, err
		}
	}
	d, err := h.servePickup(ctx, at)
	if err == nil {
		err = fillIMAP(ctx, pickupDoor{addr: imap, user: d.user, tls: d.tls}, messages, size)
	}
	return h, d, err
}

// servePickup starts a house with a listener more, where its user fetches.
func (h *house) servePickup(ctx context.Context, addr string) (pickupDoor, error) {
	config, err := spawn.ClientTLS(h.dir, h.hostname())
	if err == nil {
		_, err = h.serve(ctx)
	}
	if err == nil {
		err = awaitListeners(ctx, addr)
	}
	return pickupDoor{addr: addr, user: recipientAddress(0), tls: config}, err
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

// fillIMAP puts messages into a mailbox.
func fillIMAP(ctx context.Context, d pickupDoor, messages, size int) error {
	c, err := d.enterIMAP(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	text := numbered(size, "pickup")
	for i := 0; i < messages && err == nil; i++ {
		err = c.do(fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(text(i)), text(i)))
	}
	if err != nil {
		return fmt.Errorf("filling a mailbox: %w", err)
	}
	return nil
}

// pickupDovecot is a Dovecot with the same messages in a maildir, the certificate of a
// house, and the password hashed as there.
func (b *bench) pickupDovecot(ctx context.Context, h *house, protocol string, messages, size int) (*dovecot, pickupDoor, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("dovecot-%s-%d-%d", protocol, messages, size))
	addr, err := freeAddress()
	if err == nil {
		err = fillMaildir(filepath.Join(dir, "mail", recipientAddress(0)), messages, size)
	}
	if err != nil {
		return nil, pickupDoor{}, err
	}
	secret, err := dovecotPassword()
	if err != nil {
		return nil, pickupDoor{}, err
	}
	d, err := b.runDovecot(ctx, dir, dovecotConfig(dir, protocol, secret, tlsService(protocol, addr, h)), addr)
	if err != nil {
		return nil, pickupDoor{}, err
	}
	trust, err := spawn.ClientTLS(h.dir, h.hostname())
	return d, pickupDoor{addr: addr, user: recipientAddress(0), tls: trust}, err
}

// dovecotPassword is everybody's password, as Dovecot keeps it: with the hash that a
// house makes, so that a login costs the same work at both.
func dovecotPassword() (string, error) {
	hash, err := password.Hash([]byte(housePassword), rand.Reader)
	return "password={ARGON2ID}" + hash, err
}

// fillMaildir makes a maildir that anybody may change.
func fillMaildir(dir string, messages, size int) error {
	for _, sub := range []string{"new", "cur", "tmp"} {
		err := os.MkdirAll(filepath.Join(dir, sub), 0o755)
		if err == nil {
			err = os.Chmod(filepath.Join(dir, sub), 0o777)
		}
		if err != nil {
			return err
		}
	}
	text := numbered(size, "pickup")
	for i := range messages {
		path := filepath.Join(dir, "new", fmt.Sprintf("1780000000.M%06d.bench", i))
		err := os.WriteFile(path, text(i), 0o644)
		if err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o777)
}
