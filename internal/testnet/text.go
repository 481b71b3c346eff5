package testnet

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"postern/mime"
)

// A Log is read while it is written. The zero Log is ready.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Take returns what was written since it was taken last.
func (l *Log) Take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// Address reads an address.
func Address(t testing.TB, s string) mime.Address {
	t.Helper()
	a, err := mime.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Messages returns the messages (*.eml) of a folder by their names. There are least
// of them, or more.
func Messages(t testing.TB, dir string, least int) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil || len(files) < least {
		t.Fatalf("%s has %d messages, want %d, error %v", dir, len(files), least, err)
	}
	all := make(map[string]string)
	for i, text := range readAll(t, files) {
		all[strings.TrimSuffix(filepath.Base(files[i]), ".eml")] = text
	}
	return all
}

func readAll(t testing.TB, files []string) []string {
	t.Helper()
	all := make([]string, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("testnet: reading a message: %v", err)
		}
		all[i] = string(text)
	}
	return all
}
