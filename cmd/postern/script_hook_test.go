package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// receiver DIR takes the events of web hooks over HTTPS on loopback. Its URL is then
// $HOOK. Those that it takes are in DIR/1.id, 1.timestamp, 1.signature and 1.json, then 2
// and so on; it answers the status in DIR/status, or 204 if that is not there. The
// authority of its certificate is in DIR.ca.pem.
func scriptReceiver(ts *testscript.TestScript, neg bool, args []string) {
	t, ok := ts.Value(testKey{}).(testing.TB)
	if !ok || neg || len(args) != 1 {
		ts.Fatalf("usage: receiver dir")
	}
	ts.Check(os.Mkdir(ts.MkAbs(args[0]), 0o700))
	s := secureServer(ts, t, args[0], &eventFiles{dir: ts.MkAbs(args[0])})
	ts.Setenv("HOOK", s.URL+"/in?token=hunter2")
}

// eventFiles write events to files.
type eventFiles struct {
	dir string
	mu  sync.Mutex
	n   int
}

func (e *eventFiles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text, err := os.ReadFile(filepath.Join(e.dir, "status"))
	status, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil && bad == nil {
		w.WriteHeader(status)
		return
	}
	body, err := io.ReadAll(r.Body)
	e.n++
	put := func(name, text string) {
		err = errors.Join(err, os.WriteFile(filepath.Join(e.dir, fmt.Sprintf("%d.%s", e.n, name)), []byte(text), 0o600))
	}
	put("id", r.Header.Get("webhook-id"))
	put("timestamp", r.Header.Get("webhook-timestamp"))
	put("signature", r.Header.Get("webhook-signature"))
	put("json", string(body))
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
