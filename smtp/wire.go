package smtp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	// commandOctets bounds what is read for one command line or one TLS handshake,
	// with what a client that pipelines has sent behind it.
	commandOctets = 64 << 10
	// aheadOctets is read at once during a transfer; a session asks for 4 KiB.
	aheadOctets = 32 << 10
)

var errEndless = errors.New("a command line without end")

// A wire is the server's end of a connection, below TLS. It keeps the time and
// bounds the octets of a command and of a message.
type wire struct {
	net.Conn
	ctx    context.Context // of all backend calls of this connection
	cancel context.CancelFunc
	remote netip.AddrPort
	opts   *ServerOptions
	closed func() // called once, by Close
	stats  *stats
	once   sync.Once

	mu        sync.Mutex
	idle      time.Time // until when the command line must be there
	command   int       // octets read since
	transfer  *transfer // nil outside a transfer
	draining  bool      // no further command is read
	departing bool      // nothing more is said; what still comes is passed over
	probing   bool      // nothing is read from the socket
	failed    error     // what every Read returns from now on
	unsent    error     // the same for Write
	errors    int       // what the client did wrong
	junk      int       // commands that did nothing for a message
	owed      time.Duration
	drained   chan struct{} // closed when draining begins

	ahead  *[aheadOctets]byte // read ahead during a transfer; touched by Read alone
	unread []byte             // what of it the session has not asked for yet
}

// A transfer is the time and the octets of one message so far.
type transfer struct {
	start time.Time
	read  int64
	until time.Time // when the client has to say more; zero: as the options say
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

// hurry gives the client so long to say more of the message.
func (w *wire) hurry(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.transfer != nil {
		w.transfer.until = time.Now().Add(d)
	}
}

// Drain ends the connection unless a message is being transferred, and then
// after it. The client is told 421. From now on no read within a transfer and no
// write wait for it longer than haste: nobody else waits for a client on which
// nothing moves.
func (w *wire) Drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.draining {
		w.draining = true
		close(w.drained)
	}
	soon := time.Now().Add(haste)
	_ = w.Conn.SetWriteDeadline(soon)
	if w.transfer == nil && !w.departing {
		soon = time.Unix(1, 0) // wake a waiting Read
	}
	_ = w.Conn.SetReadDeadline(soon)
}

// depart bounds how long a client may still send when nothing more is said to it: to close
// before would take back what it was told last.
func (w *wire) depart() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.departing = true
	wait := departure
	if w.draining {
		wait = haste
	}
	return w.Conn.SetReadDeadline(time.Now().Add(wait))
}

func (w *wire) isDraining() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining
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
	case w.failed != nil:
		return false, w.failed
	case w.probing:
		return false, os.ErrDeadlineExceeded
	case w.transfer != nil:
		return true, w.Conn.SetReadDeadline(w.hastened(w.transfer.deadline(time.Now(), w.opts)))
	case w.draining:
		return false, os.ErrDeadlineExceeded
	case w.command > commandOctets:
		w.failed = errEndless
		return false, w.failed
	}
	return false, w.Conn.SetReadDeadline(w.idle)
}

// holdsMore reports whether there is something that was not read yet, here or in the
// socket.
func (w *wire) holdsMore() bool { return len(w.unread) > 0 || waits(w.Conn) }

// probe has reads find nothing but what is above the wire, and end without harm.
func (w *wire) probe(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probing = on
}

// account notes what was read. The first failure is the last thing on the
// connection: half a line is no command, and the rest of a message that came too
// late would read as commands.
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
	if n > 0 {
		w.transfer.until = time.Time{}
	}
	return err
}

// deadline is the earliest of: the wall clock for the message, the time by which
// the least rate would have brought it this far, the wait for an octet, and what
// hurry said.
func (t *transfer) deadline(now time.Time, o *ServerOptions) time.Time {
	rate := time.Duration(float64(t.read) / float64(o.MinRate) * float64(time.Second))
	d := min(o.DataTime, o.CommandIdle+rate, now.Sub(t.start)+o.CommandIdle)
	end := t.start.Add(d)
	if !t.until.IsZero() && t.until.Before(end) {
		return t.until
	}
	return end
}

// hastened is a deadline, or that of a server which ends if it is sooner. mu is held.
func (w *wire) hastened(t time.Time) time.Time {
	soon := time.Now().Add(haste)
	if w.draining && soon.Before(t) {
		return soon
	}
	return t
}

// Write sends replies within the time of a command. The first failure ends the
// connection: a client that pipelines and does not read gets no second wait.
func (w *wire) Write(p []byte) (int, error) {
	err := w.sending()
	if err != nil {
		return 0, err
	}
	n, err := w.Conn.Write(p)
	if err != nil {
		w.mu.Lock()
		w.unsent = err
		w.mu.Unlock()
	}
	return n, err
}

// sending sets the deadline of the next write, unless one has failed.
func (w *wire) sending() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unsent != nil {
		return w.unsent
	}
	return w.Conn.SetWriteDeadline(w.hastened(time.Now().Add(w.opts.CommandIdle)))
}

// deaf reports whether the client can be told nothing more.
func (w *wire) deaf() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unsent != nil
}

// expect says that a command line, or a TLS handshake, is read next. A client that
// has made errors waits here, and who has made too many is told so by an error: what it
// sent before is not carried out either. Nor is it while the server ends, unless a message
// is being transferred.
func (w *wire) expect() error {
	late := w.nextCommand()
	w.linger(late)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle, w.command = time.Now().Add(w.opts.CommandIdle), 0
	switch {
	case errors.Is(w.failed, errTiresome):
		return w.failed
	case w.draining && w.transfer == nil:
		return os.ErrDeadlineExceeded
	}
	return nil
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
