package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/gateway"
	"postern/store"
)

func TestSocketIsForItsOwnerOnly(t *testing.T) {
	s := serve(t)
	info, err := os.Lstat(filepath.Join(s.dir, SocketName))
	must(t, err)
	if info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket has mode %s", info.Mode())
	}
	must(t, s.stop())
	_, err = os.Lstat(filepath.Join(s.dir, SocketName))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket after the end: %v", err)
	}
}

// The mode is there before the name is, so that nobody slips in between.
func TestSocketIsBornClosed(t *testing.T) {
	dir := t.TempDir()
	seen := make(chan os.FileMode, 1)
	done := make(chan struct{})
	go func() {
		defer close(seen)
		for {
			info, err := os.Lstat(filepath.Join(dir, SocketName))
			if err == nil {
				seen <- info.Mode().Perm()
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	l, err := Listen(dir)
	close(done)
	must(t, err)
	l.Close()
	mode, ok := <-seen
	if ok && mode != 0o600 {
		t.Errorf("the socket was first seen with mode %o", mode)
	}
}

func TestListenReplacesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, SocketName))
	must(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	_, err = Dial(t.Context(), dir)
	if err == nil {
		t.Error("a dead socket answers")
	}
	l, err = Listen(dir)
	must(t, err)
	must(t, l.Close())
	_, err = Listen(filepath.Join(dir, strings.Repeat("x", 200)))
	isRefused(t, "a long path", err, Invalid)
	_, err = Listen(filepath.Join(dir, "missing"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	_, err = Dial(t.Context(), filepath.Join(dir, "missing"))
	if err == nil {
		t.Error("a missing socket answers")
	}
}

// What is no command of ours is refused, and does no harm.
func TestRequestsThatAreNone(t *testing.T) {
	s := ours(t, "a.example")
	post := func(path, body string) (int, string) {
		t.Helper()
		r, err := s.http.Post("http://postern/"+path, "application/json", strings.NewReader(body))
		must(t, err)
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		must(t, err)
		return r.StatusCode, string(text)
	}
	for name, tt := range map[string]struct {
		path, body string
		status     int
	}{
		"no such command":       {"domain/explode", "{}", 404},
		"no JSON":               {"domain/add", "name", 422},
		"nothing":               {"domain/add", "", 422},
		"unknown field":         {"domain/add", `{"name":"b.example","force":true}`, 422},
		"wrong type":            {"domain/add", `{"name":7}`, 422},
		"deeply nested":         {"domain/add", strings.Repeat("[", 100_000), 422},
		"not base64":            {"account/add", `{"address":"x@a.example","password":"hunter2 is secret"}`, 422},
		"larger than a command": {"domain/add", `{"name":"` + strings.Repeat("x", commandBytes) + `"}`, 422},
	} {
		status, text := post(tt.path, tt.body)
		equal(t, name, status, tt.status)
		if strings.Contains(text, "hunter2") || len(text) > 1000 {
			t.Errorf("%s: answered %.200q", name, text)
		}
	}
	r, err := s.http.Get("http://postern/domain/list")
	must(t, err)
	r.Body.Close()
	equal(t, "GET", r.StatusCode, http.StatusMethodNotAllowed)
	all, err := s.Domains(t.Context())
	must(t, err)
	equal(t, "domains", len(all), 1)
}

// Serve ends when it is told, though a client stands still in the middle of its
// request, and lets one that works come to its end.
func TestServeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- (&Service{Core: &gateway.Core{}}).Serve(ctx, pipes) }()
		conn, err := pipes.dial(t.Context(), "", "")
		must(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /domain/add HTTP/1.1\r\nHost: postern\r\nContent-Length: 100\r\n\r\n{")
		must(t, err)
		synctest.Wait()
		began := time.Now()
		cancel()
		must(t, <-ended)
		if took := time.Since(began); took < drainTime || took > drainTime+time.Second {
			t.Errorf("it ended after %s", took)
		}
	})
}

func TestServeEndsWithItsListener(t *testing.T) {
	s := &Service{Core: &gateway.Core{}}
	l, err := Listen(t.TempDir())
	must(t, err)
	must(t, l.Close())
	err = s.Serve(t.Context(), l)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, err = Listen(t.TempDir())
	must(t, err)
	must(t, s.Serve(ctx, l))
}

// A client that leaves takes its command with it.
func TestClientThatLeaves(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.AddDomain(ctx, "a.example")
	if err == nil {
		t.Error("answered after the end")
	}
	must(t, s.AddDomain(t.Context(), "a.example")) // the first was not carried out
	must(t, s.stop())
	err = s.AddDomain(t.Context(), "b.example")
	if !errors.Is(err, ErrNotServing) {
		t.Errorf("after the end: %v", err)
	}
}

// A command never goes to a connection that its server may be closing: every one has its
// own.
func TestCommandsKeepNoConnection(t *testing.T) {
	dir := t.TempDir()
	l, err := Listen(dir)
	must(t, err)
	kept := make(chan bool, 1)
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept <- !r.Close
		_, _ = io.WriteString(w, "{}")
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	c, err := Dial(t.Context(), dir)
	must(t, err)
	defer c.Close()
	must(t, c.AddDomain(t.Context(), "a.example"))
	if <-kept {
		t.Error("the connection is kept for the next command")
	}
}

// Commands that come together are each whole.
func TestCommandsRace(t *testing.T) {
	s := ours(t, "a.example")
	const n = 8
	var all sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { errs[i] = s.AddDomain(t.Context(), "b.example") })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		isRefused(t, "the domain is there", err, Negative)
	}
	equal(t, "who added it", won, 1)
}

// A backup through the socket is a store that opens, and a broken one is known.
func TestBackup(t *testing.T) {
	s := ours(t, "a.example")
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	must(t, err)
	w := bufio.NewWriter(f)
	n, err := s.Backup(t.Context(), w)
	must(t, err)
	must(t, w.Flush())
	must(t, f.Close())
	info, err := os.Stat(path)
	must(t, err)
	equal(t, "size", info.Size(), n)

	must(t, s.core.Store.Close())
	_, err = s.Backup(t.Context(), io.Discard)
	if err == nil {
		t.Error("a backup of a closed store")
	}
	_, err = s.Check(t.Context())
	isRefused(t, "check of a closed store", err, Temporary)
	if !errors.Is(s.core.Store.Update(t.Context(), func(store.Tx) error { return nil }), store.ErrClosed) {
		t.Error("the store is open")
	}
}
