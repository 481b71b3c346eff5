package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"postern/internal/testnet/spawn"
)

// startsWithin is how long a server may take to listen.
const startsWithin = time.Minute

// housePassword is that of the one account of a house.
const housePassword = "correct horse battery staple"

// A house is a real gateway: the folder of its site, and the process that serves
// it.
type house struct {
	binary, dir, domain        string
	submission, backbone, http string
	cmd                        *exec.Cmd
	log                        *os.File
}

// A plan says what a house is.
type plan struct {
	name, domain, user string
	key                identity          // of the domain, or of the user
	dns                string            // who is asked, as HOST:PORT
	routes             map[string]string // domain to HOST:PORT
}

// binary builds the program that is measured, once.
func (b *bench) binary(ctx context.Context) (string, error) {
	path := filepath.Join(b.dir, "postern")
	if !missing(path) {
		return path, nil
	}
	return path, spawn.Build(ctx, path)
}

// newHouse makes a gateway; nothing runs yet.
func (b *bench) newHouse(ctx context.Context, p plan) (*house, error) {
	binary, err := b.binary(ctx)
	if err != nil {
		return nil, err
	}
	h := &house{binary: binary, dir: filepath.Join(b.dir, p.name), domain: p.domain}
	for _, at := range []*string{&h.submission, &h.backbone, &h.http} {
		*at, err = freeAddress()
		if err != nil {
			return nil, err
		}
	}
	err = h.command(ctx, "init", "--domain", p.domain, "--hostname", h.hostname(), "--dir", h.dir)
	if err != nil {
		return nil, err
	}
	key, err := keyPEM(p.key, b.rig.issuer)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"password": []byte(housePassword + "\n"), "key.pem": key, "anchor.pem": certPEM(b.rig.issuer.cert),
		"postern.toml": []byte(h.config(p)),
	}
	for name, text := range files {
		err := os.WriteFile(filepath.Join(h.dir, name), text, 0o600)
		if err != nil {
			return nil, err
		}
	}
	return h, errors.Join(
		h.command(ctx, "account", "add", p.user, "--password-file", filepath.Join(h.dir, "password")),
		h.command(ctx, "cert", "import", filepath.Join(h.dir, "key.pem")),
		h.command(ctx, "anchor", "add", filepath.Join(h.dir, "anchor.pem")))
}

// freeAddress is one of loopback that nobody listens at.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// keyPEM is a key with its certificate and that of its issuer.
func keyPEM(id, issuer identity) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return bytes.Join([][]byte{key, certPEM(id.cert), certPEM(issuer.cert)}, nil), nil
}

// config is the configuration of a house.
func (h *house) config(p plan) string {
	return spawn.Site{
		Hostname: h.hostname(), DNS: p.dns, Routes: p.routes, Log: `level = "error"`,
		Listen: map[string]string{"submission": h.submission, "backbone": h.backbone, "http": h.http},
	}.Config()
}

func (h *house) hostname() string { return "mail." + h.domain }

// route adds a route to the configuration of a house that does not run yet.
func (h *house) route(domain, addr string) error {
	path := filepath.Join(h.dir, "postern.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes.Replace(text, []byte("routes = {"), fmt.Appendf(nil, "routes = { %q = %q", domain, addr), 1), 0o600)
}

func (h *house) command(ctx context.Context, args ...string) error {
	args = append([]string{"--config", filepath.Join(h.dir, "postern.toml")}, args...)
	out, err := exec.CommandContext(ctx, h.binary, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("postern %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// serve starts a house and returns how long it took until it listened.
func (h *house) serve(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	var err error
	h.log, err = os.Create(filepath.Join(h.dir, "log"))
	if err != nil {
		return 0, err
	}
	h.cmd = exec.CommandContext(ctx, h.binary, "--config", filepath.Join(h.dir, "postern.toml"), "serve")
	h.cmd.Stderr = h.log
	err = h.cmd.Start()
	if err != nil {
		return 0, fmt.Errorf("starting a gateway: %w", err)
	}
	err = awaitListeners(ctx, h.submission, h.backbone, h.http)
	if err != nil {
		return 0, errors.Join(err, h.stop(), fmt.Errorf("its log: %s", spawn.Tail(h.log.Name())))
	}
	return time.Since(began), nil
}

// awaitListeners waits until somebody answers at all addresses.
func awaitListeners(ctx context.Context, addrs ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	for _, addr := range addrs {
		for {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err == nil {
				_ = conn.Close()
				break
			}
			if !pause(ctx, 2*time.Millisecond) {
				return fmt.Errorf("nobody listens at %s: %w", addr, err)
			}
		}
	}
	return nil
}

// pause waits and reports whether ctx went on meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// stop ends a house that serves.
func (h *house) stop() error {
	if h.cmd == nil {
		return nil
	}
	cmd := h.cmd
	h.cmd = nil
	err := cmd.Process.Signal(syscall.SIGTERM)
	return errors.Join(err, cmd.Wait(), h.log.Close())
}

// stopHouses ends them all, side by side.
func stopHouses(err error, all ...*house) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, h := range all {
		if h == nil {
			continue
		}
		wg.Go(func() {
			e := h.stop()
			mu.Lock()
			defer mu.Unlock()
			err = errors.Join(err, e)
		})
	}
	wg.Wait()
	return err
}
