package pickup

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A line is a connection that keeps what each write sends, and of which a test gives
// what is read.
type line struct {
	net.Conn
	writes  []string
	room    int // octets that it still takes; then it is broken
	answers chan string
	reading chan struct{}
}

func newLine() *line {
	return &line{room: 1 << 20, answers: make(chan string), reading: make(chan struct{})}
}

var errBrokenLine = errors.New("the line is broken")

func (l *line) Write(p []byte) (int, error) {
	n := min(len(p), l.room)
	l.room -= n
	l.writes = append(l.writes, string(p[:n]))
	if n < len(p) {
		return n, errBrokenLine
	}
	return n, nil
}

func (l *line) Read(p []byte) (int, error) {
	l.reading <- struct{}{}
	return copy(p, <-l.answers), nil
}

func (l *line) SetWriteDeadline(time.Time) error { return nil }

func say(t *testing.T, w *wire, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, err := io.WriteString(w, text)
		if err != nil {
			t.Fatalf("writing %.10q: %v", text, err)
		}
	}
}

// What belongs together goes out together, before the server waits for an answer to
// it; what is written while it waits, as IDLE does, goes out at once.
func TestAnswersGoOutTogether(t *testing.T) {
	l := newLine()
	w := &wire{conn: l}
	say(t, w, "* 1 FETCH (BODY[] {1}\r\n", "x", ")\r\n", "t1 OK\r\n")
	if len(l.writes) != 0 {
		t.Errorf("before the server waits: %q", l.writes)
	}
	read := make(chan string)
	go func() {
		b := make([]byte, 10)
		n, _ := w.Read(b)
		read <- string(b[:n])
	}()
	<-l.reading
	say(t, w, "* 2 EXISTS\r\n", "* 3 EXISTS\r\n")
	l.answers <- "DONE"
	if got := <-read; got != "DONE" {
		t.Errorf("read %q", got)
	}
	say(t, w, "t2 OK\r\n")
	want := []string{"* 1 FETCH (BODY[] {1}\r\nx)\r\nt1 OK\r\n", "* 2 EXISTS\r\n", "* 3 EXISTS\r\n"}
	if diff := cmp.Diff(want, l.writes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := w.flush(); err != nil || l.writes[len(l.writes)-1] != "t2 OK\r\n" {
		t.Errorf("at the end: %v, %q", err, l.writes)
	}
	if w.held != nil {
		t.Error("a silent session keeps its buffer")
	}
}

// A mark is told when all before it has gone out: not while it is held, and never if the
// line broke before; but what went out before it broke did go out.
func TestMarksAreOfWhatWentOut(t *testing.T) {
	l := newLine()
	l.room = 2 * wireSize
	w := &wire{conn: l}
	var told []string
	mark := func(name string) { w.then(func() { told = append(told, name) }) }
	say(t, w, strings.Repeat("a", 100))
	mark("a")
	if len(told) > 0 {
		t.Error("it is held still")
	}
	if err := w.flush(); err != nil || !cmp.Equal(told, []string{"a"}) {
		t.Errorf("flush: %v, told %q", err, told)
	}
	say(t, w, strings.Repeat("b", wireSize))
	mark("b")
	_, err := io.WriteString(w, strings.Repeat("c", 2*wireSize))
	if !errors.Is(err, errBrokenLine) {
		t.Errorf("writing to a broken line: %v", err)
	}
	mark("c")
	for range 2 {
		if err := w.flush(); !errors.Is(err, errBrokenLine) {
			t.Errorf("flushing a broken line: %v", err)
		}
	}
	if _, err := w.Read(nil); !errors.Is(err, errBrokenLine) {
		t.Errorf("reading from it: %v", err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, told); diff != "" {
		t.Errorf("told (-want +got)\n%s", diff)
	}
}
