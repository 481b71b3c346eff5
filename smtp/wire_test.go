package smtp

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A client that pipelines and never reads must not keep the server waiting once
// for each reply.
func TestFailedReplyEndsTheConnection(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	o := testOptions().withDefaults()
	o.CommandIdle = 10 * time.Millisecond
	w := &wire{Conn: near, opts: &o}
	_, err := w.Write([]byte("250 ok\r\n"))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Write: %v", err)
	}
	_, err = w.Write([]byte("250 ok\r\n"))
	if err == nil {
		t.Error("a second reply was tried")
	}
}

func TestTransferDeadline(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := &ServerOptions{DataTime: time.Hour, CommandIdle: time.Minute, MinRate: 1000}
	for name, row := range map[string]struct {
		at, want time.Duration
		read     int64
	}{
		"at once":        {0, time.Minute, 0},
		"stall":          {30 * time.Second, 90 * time.Second, 1_000_000},
		"slow":           {65 * time.Second, 70 * time.Second, 10_000},
		"the wall clock": {59*time.Minute + 30*time.Second, time.Hour, 1 << 40},
	} {
		tr := &transfer{start: begin, read: row.read}
		if got := tr.deadline(begin.Add(row.at), o).Sub(begin); got != row.want {
			t.Errorf("%s: after %v, want %v", name, got, row.want)
		}
	}
}

// The log gets the place of a panic, never its value, which may hold content.
func TestLogOfAPanicHasNoContent(t *testing.T) {
	if got := panicText("patient Smith"); got != "a string" {
		t.Errorf("panicText: %s", got)
	}
}
