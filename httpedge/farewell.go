package httpedge

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"postern/internal/admit"
)

// farewell is how long a connection may do nothing but wait for its client while the
// server ends.
const farewell = time.Second

// Connections are those that are open. They end together.
type connections struct {
	mu     sync.Mutex
	ending bool
	of     map[net.Conn]*connection
}

func (s *connections) add(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[net.Conn]*connection)
	}
	s.of[c.conn] = c
	if s.ending {
		c.leave.hurry()
	}
}

func (s *connections) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, c)
}

func (s *connections) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.of)
}

// end has every connection closed that waits for its client for farewell: before its first
// request or within a header, for octets of a body, or for an answer to be read.
// [http.Server.Shutdown] waits for all of these as long as for work of ours.
func (s *connections) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	for _, c := range s.of {
		c.leave.hurry()
	}
}

// A leave is how a connection ends with the server. It waits for its client as long as
// nobody works for it.
type leave struct {
	close func() // at once, for good

	mu      sync.Mutex
	hurried bool
	working int // requests of it for which we do something
	since   time.Time
	timer   *time.Timer
}

// hurry is called once.
func (l *leave) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hurried = true
	l.await()
}

// work says that we do something for the client, until rest.
func (l *leave) work() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working++
}

// rest says that a request waits for the client, or has ended.
func (l *leave) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working--
	l.await()
}

// await begins to wait for the client. mu is held.
func (l *leave) await() {
	if !l.hurried || l.working > 0 {
		return
	}
	l.since = time.Now()
	if l.timer == nil {
		l.timer = time.AfterFunc(farewell, l.late)
		return
	}
	l.timer.Reset(farewell)
}

// late closes a connection whose time is over, unless something moved since.
func (l *leave) late() {
	l.mu.Lock()
	over := l.working == 0 && time.Since(l.since) >= farewell
	l.mu.Unlock()
	if over {
		l.close()
	}
}

// below closes what is below TLS, which breaks off any read or write.
func below(c net.Conn) func() {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn()
	}
	return func() { _ = c.Close() }
}

// A heard body says when its request waits for the client.
type heard struct {
	io.ReadCloser
	leave *leave
}

// Read implements io.Reader.
func (h *heard) Read(p []byte) (int, error) {
	h.leave.rest()
	defer h.leave.work()
	return h.ReadCloser.Read(p)
}

// A said answer says the same.
type said struct {
	http.ResponseWriter
	leave *leave
}

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.leave.rest()
	defer s.leave.work()
	return s.ResponseWriter.Write(p)
}

// Unwrap is for an [http.ResponseController].
func (s *said) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// severance is how long the backend may go on with requests whose connections were cut.
const severance = 5 * time.Second

// A tally counts requests that are under way. The zero value is ready for use.
type tally struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // closed when there is none left; nil: nobody waits
}

func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
}

func (t *tally) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n--
	if t.n == 0 && t.none != nil {
		close(t.none)
		t.none = nil
	}
}

// wait waits until there is none, or for so long.
func (t *tally) wait(most time.Duration) {
	t.mu.Lock()
	if t.n > 0 && t.none == nil {
		t.none = make(chan struct{})
	}
	none, any := t.none, t.n > 0
	t.mu.Unlock()
	if any {
		admit.Linger(most, none, nil)
	}
}
