package smtp

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

const (
	// commandOctets bounds what is read for one command line. RFC 5321
	// §4.5.3.1.4 asks for 512; this leaves room for pipelining (read ahead by the
	// library), for a TLS handshake and for the first block of a BDAT chunk.
	commandOctets = 64 << 10
	// aheadOctets is read at once during a transfer; the library asks for 4 KiB.
	aheadOctets = 32 << 10
)

// A wire is the server's end of a connection, below TLS. It keeps the time and
// bounds the octets of a command, which the library does per line and with a
// pass over every octet.
//
// The library calls SetReadDeadline once before it reads a command line: that
// call opens the budget of the next command.
type wire struct {
	net.Conn
	ctx    context.Context // of all backend calls of this connection
	cancel context.CancelFunc
	remote netip.AddrPort
	opts   *ServerOptions
	closed func() // called once, by Close
	stats  *stats
	once   sync.Once

	mu       sync.Mutex
	idle     time.Time // until when the command line must be there
	command  int       // octets read since
	transfer *transfer // nil outside a transfer
	draining bool      // no further command is read
	probing  bool      // a Read is to find what has arrived already
	failed   error     // what every Read returns from now on
	unsent   error     // the same for Write
	errors   int       // what the client did wrong
	junk     int       // commands that did nothing for a message
	owed     time.Duration
	drained  chan struct{} // closed when draining begins

	ahead  *[aheadOctets]byte // read ahead during a transfer; touched by Read alone
	unread []byte             // what of it the library has not asked for yet
}

// A transfer is the time and the octets of one message so far.
type transfer struct {
	start time.Time
	read  int64
}

// begin starts the clock of a message.
func (w *wire) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.transfer = &transfer{start: time.Now()}
}

// end stops the clock of a message.
func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.transfer = nil
}

// hangUp makes the connection end: what has been answered is sent, nothing more
// is read.
func (w *wire) hangUp() { w.fail(io.EOF) }

func (w *wire) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = err
	}
}

// Drain ends the connection unless a message is being transferred, and then
// after it. The library answers the missed deadline with 421.
func (w *wire) Drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.draining {
		w.draining = true
		close(w.drained)
	}
	if w.transfer == nil {
		w.Conn.SetReadDeadline(time.Unix(1, 0)) // wake a waiting Read
	}
}

// Read reads within the time and the octets that are left.
func (w *wire) Read(p []byte) (int, error) {
	busy, err := w.prepare()
	if err != nil {
		return 0, err
	}
	if len(w.unread) > 0 {
		return w.take(p), nil
	}
	if !busy || len(p) >= aheadOctets {
		w.release()
		n, err := w.Conn.Read(p)
		return n, w.account(n, err)
	}
	if w.ahead == nil {
		w.ahead = aheadPool.Get().(*[aheadOctets]byte)
	}
	n, err := w.Conn.Read(w.ahead[:])
	w.unread = w.ahead[:n]
	return w.take(p), w.account(n, err)
}

func (w *wire) take(p []byte) int {
	n := copy(p, w.unread)
	w.unread = w.unread[n:]
	return n
}

func (w *wire) release() {
	if w.ahead != nil {
		aheadPool.Put(w.ahead)
		w.ahead, w.unread = nil, nil
	}
}

// prepare sets the deadline of the next read, and reports whether a message is
// being transferred.
func (w *wire) prepare() (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.probing:
		return false, os.ErrDeadlineExceeded
	case w.failed != nil && w.transfer != nil:
		return false, errCut
	case w.failed != nil:
		return false, w.failed
	case w.transfer != nil:
		return true, w.Conn.SetReadDeadline(w.transfer.deadline(time.Now(), w.opts))
	case w.draining:
		return false, os.ErrDeadlineExceeded
	case w.command > commandOctets:
		w.failed = gosmtp.ErrTooLongLine
		return false, w.failed
	}
	return false, w.Conn.SetReadDeadline(w.idle)
}

// account notes what was read. The first failure is the last thing on the
// connection: the library takes half a line for a command when a deadline passes
// in it, and the rest of a message that came too late would read as commands.
func (w *wire) account(n int, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.failed == nil {
		w.failed = err
	}
	if w.transfer == nil {
		w.command += n
		return err
	}
	w.transfer.read += int64(n)
	if err != nil {
		w.failed = io.EOF // the reply to the message will be the last
		return errCut     // not io.EOF: see chunks
	}
	return nil
}

// probe makes Read return os.ErrDeadlineExceeded at once, which TLS passes on
// without taking the connection for broken.
func (w *wire) probe(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probing = on
}

// deadline is the earliest of: the wall clock for the message, the time by which
// the least rate would have brought it this far, and the wait for an octet.
func (t *transfer) deadline(now time.Time, o *ServerOptions) time.Time {
	rate := time.Duration(float64(t.read) / float64(o.MinRate) * float64(time.Second))
	d := min(o.DataTime, o.CommandIdle+rate, now.Sub(t.start)+o.CommandIdle)
	return t.start.Add(d)
}

// Write sends a reply. The library ignores a failure and would wait out the
// deadline for each further reply to a client that pipelines and does not read;
// here the first failure ends the connection.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	err := w.unsent
	w.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(p)
	if err != nil {
		w.mu.Lock()
		w.unsent = err
		w.mu.Unlock()
		w.fail(err)
	}
	return n, err
}

// SetReadDeadline says that a command line is read next, until t. A client that
// has made errors waits here.
func (w *wire) SetReadDeadline(t time.Time) error {
	late := w.nextCommand()
	w.linger(late)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle, w.command = t.Add(late), 0
	return nil // set by Read
}

// SetDeadline sets both deadlines.
func (w *wire) SetDeadline(t time.Time) error {
	w.SetReadDeadline(t)
	return w.Conn.SetWriteDeadline(t)
}

// Close ends the connection and whatever a backend still does for it.
func (w *wire) Close() error {
	err := w.Conn.Close()
	w.once.Do(w.closed)
	return err
}

// Cut is Close for the group of a server.
func (w *wire) Cut() { w.Close() }

var aheadPool = sync.Pool{New: func() any { return new([aheadOctets]byte) }}
