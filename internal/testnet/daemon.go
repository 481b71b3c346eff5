package testnet

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// readyWithin is how long a peer may take to start on a busy machine.
const readyWithin = 2 * time.Minute

// A daemon is a peer's process with what it has written to standard error.
type daemon struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	log bytes.Buffer
}

// startDaemon runs a program until the test ends. seen is called for each line
// it writes to standard error.
func startDaemon(t testing.TB, path string, args []string, seen func(line string)) *daemon {
	t.Helper()
	return launch(t, exec.Command(path, args...), seen)
}

func launch(t testing.TB, cmd *exec.Cmd, seen func(line string)) *daemon {
	t.Helper()
	d := &daemon{cmd: cmd, ended: make(chan struct{})}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("testnet: starting %s: %v", cmd.Path, err)
	}
	go func() {
		d.follow(stderr, seen)
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.ended
	})
	return d
}

func (d *daemon) follow(r io.Reader, seen func(string)) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		d.mu.Lock()
		d.log.WriteString(lines.Text() + "\n")
		d.mu.Unlock()
		seen(lines.Text())
	}
	_, _ = io.Copy(io.Discard, r)
}

func (d *daemon) output() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// await waits for ready to be closed.
func (d *daemon) await(t testing.TB, ready <-chan struct{}) {
	t.Helper()
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	select {
	case <-ready:
	case <-d.ended:
		t.Fatalf("testnet: %s ended at once:\n%s", d.cmd.Path, d.output())
	case <-deadline.C:
		t.Fatalf("testnet: %s is not ready after %v:\n%s", d.cmd.Path, readyWithin, d.output())
	}
}

// awaitPort polls until addr takes connections.
func (d *daemon) awaitPort(t testing.TB, addr string) {
	t.Helper()
	open := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go Await(ctx, func() bool {
		if !listens(addr) {
			return false
		}
		close(open)
		return true
	})
	d.await(t, open)
}

func listens(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	err := os.WriteFile(path, []byte(text), 0o600)
	if err != nil {
		t.Fatalf("testnet: writing %s: %v", name, err)
	}
	return path
}

func lines(ss ...string) string { return strings.Join(ss, "\n") + "\n" }
