package pickup

import (
	"bufio"
	"io"
	"net"
	"sync"
	"time"
)

// wireSize is how much of what is written to a client is sent at once.
const wireSize = 32 << 10

// wireBuffers hold what is on its way to clients; a session that is silent has none.
var wireBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(io.Discard, wireSize) }}

// A wire holds back what is written until the server waits for the client, or much has
// come together: the library writes each response by itself, and some in pieces, each of
// which would be a record of TLS, a packet, and something that wakes the client up.
//
// Reads come from one goroutine. While one waits, writes of others go out at once.
type wire struct {
	conn net.Conn

	mu      sync.Mutex
	held    *bufio.Writer // nil: nothing is
	waiting bool
	written int64  // octets, of which the last are held
	marks   []mark // in their order
	err     error  // of the first write that failed
}

// A mark is to be told when what was written before it has gone out.
type mark struct {
	at   int64
	tell func()
}

// Write implements io.Writer. The deadlines of writing are the caller's.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if w.held == nil {
		w.held = wireBuffers.Get().(*bufio.Writer)
		w.held.Reset(w.conn)
	}
	n, err := w.held.Write(p)
	w.written += int64(n)
	if err == nil && w.waiting {
		err = w.empty()
	}
	w.err = err
	return n, err
}

// Read sends what is held, and waits for the client.
func (w *wire) Read(p []byte) (int, error) {
	err := w.send(true)
	if err != nil {
		return 0, err
	}
	n, err := w.conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	return n, err
}

// then has fn called by a later Read or flush, when all that was written so far has gone
// out. It never is if the connection breaks before.
func (w *wire) then(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.marks = append(w.marks, mark{w.written, fn})
	}
}

// flush sends what is held, in bounded time.
func (w *wire) flush() error { return w.send(false) }

// send is flush. waits says that the server waits for the client from now on.
func (w *wire) send(waits bool) error {
	done, err := w.sendHeld(waits)
	for _, m := range done {
		m.tell()
	}
	return err
}

// sendHeld is send but for what is to be told then.
func (w *wire) sendHeld(waits bool) (done []mark, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && w.held != nil {
		w.err = w.inTime(w.empty)
	}
	w.waiting = w.waiting || waits
	return w.gone(), w.err
}

// gone takes the marks of what has gone out, also when the rest never will. mu is held.
func (w *wire) gone() []mark {
	out := w.written
	if w.held != nil {
		out -= int64(w.held.Buffered())
	}
	n := 0
	for n < len(w.marks) && w.marks[n].at <= out {
		n++
	}
	done := w.marks[:n]
	w.marks = w.marks[n:]
	return done
}

// inTime writes between two responses, where the library has set no deadline.
func (w *wire) inTime(write func() error) error {
	err := w.conn.SetWriteDeadline(time.Now().Add(sayTime))
	if err == nil {
		err = write()
	}
	if err == nil {
		err = w.conn.SetWriteDeadline(time.Time{})
	}
	return err
}

// empty writes what is held.
func (w *wire) empty() error {
	err := w.held.Flush()
	if err == nil {
		w.held.Reset(io.Discard)
		wireBuffers.Put(w.held)
		w.held = nil
	}
	return err
}
