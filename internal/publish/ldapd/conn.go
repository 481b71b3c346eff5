package ldapd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"postern/internal/admit"
)

// A conn is one connection: it keeps the time and carries frames between the
// socket and a session.
type conn struct {
	session session
	opts    *Options
	ctx     context.Context
	cancel  context.CancelFunc

	raw    net.Conn // the socket
	stream net.Conn // the same, or TLS over it
	reader *bufio.Reader

	mu       sync.Mutex
	draining bool
}

func newConn(ctx context.Context, s *Server, socket net.Conn) *conn {
	client := admit.Client(admit.AddrPort(socket.RemoteAddr()).Addr())
	c := &conn{
		session: session{server: s, client: client}, opts: &s.opts,
		raw: socket, stream: socket, reader: bufio.NewReader(socket),
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// errDraining says that the server stops.
var errDraining = errors.New("the server stops")

// serve answers requests until the connection ends.
func (c *conn) serve() {
	defer c.session.server.group.Remove(c)
	defer c.cancel()
	defer func() { c.stream.Close() }()
	defer c.recover()
	for {
		frame, err := c.read()
		if err != nil {
			c.farewell(err)
			return
		}
		reply := c.session.answer(c.ctx, frame)
		if !c.write(reply.octets) || reply.then == hangUp {
			return
		}
		if reply.then == startTLS && !c.secure() {
			return
		}
	}
}

// recover is the last net: one connection must not take the server down. The
// value of a panic may hold what was sent, and is left out.
func (c *conn) recover() {
	if v := recover(); v != nil {
		c.opts.Log.Error("panic in a directory connection", "stack", string(debug.Stack()))
	}
}

// read waits for a request, and then takes it within the time for a message.
func (c *conn) read() ([]byte, error) {
	err := c.await(c.opts.Idle)
	if err != nil {
		return nil, err
	}
	_, err = c.reader.Peek(1)
	if err != nil {
		return nil, c.orDraining(err)
	}
	err = c.await(c.opts.MessageTime)
	if err != nil {
		return nil, err
	}
	frame, err := readFrame(c.reader)
	return frame, c.orDraining(err)
}

// await sets the time for what is read next.
func (c *conn) await(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return errDraining
	}
	return c.raw.SetReadDeadline(time.Now().Add(d))
}

// orDraining returns the cause of an error of reading.
func (c *conn) orDraining(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining && errors.Is(err, os.ErrDeadlineExceeded) {
		return errDraining
	}
	return err
}

// departure is how long a client may read nothing while the server stops.
const departure = time.Second

// Drain ends the connection after the request under way.
func (c *conn) Drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	c.raw.SetReadDeadline(time.Unix(1, 0)) // wake a waiting read
	c.raw.SetWriteDeadline(time.Now().Add(departure))
}

// sends sets the time for what is written next.
func (c *conn) sends() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.opts.MessageTime
	if c.draining {
		d = min(d, departure)
	}
	return c.raw.SetWriteDeadline(time.Now().Add(d))
}

// Cut ends the connection now.
func (c *conn) Cut() {
	c.cancel()
	c.raw.Close()
}

// farewell tells the client why the connection ends, if it is not the client who
// ended it.
func (c *conn) farewell(err error) {
	switch {
	case errors.Is(err, errMalformed):
		c.write(c.session.server.malformed(err).octets)
	case errors.Is(err, errDraining):
		c.write(notice(result{unavailable, "the server stops"}))
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.opts.Log.Debug("directory connection timed out", "remote", c.raw.RemoteAddr().String())
	case !errors.Is(err, io.EOF):
		c.opts.Log.Debug("directory connection broken", "remote", c.raw.RemoteAddr().String(), "err", err)
	}
}

// malformed counts a message that cannot be read, and ends its connection (RFC
// 4511 §4.1.1).
func (s *Server) malformed(err error) reply {
	s.stats.malformed.Add(1)
	s.opts.Log.Debug("directory request refused", "err", err)
	return reply{notice(result{protocolError, "that is no LDAP message that is taken here"}), hangUp}
}

// write sends an answer, and reports whether it went. If not, nothing more is to be said.
func (c *conn) write(octets []byte) bool {
	if len(octets) == 0 {
		return true
	}
	err := c.sends()
	if err == nil {
		_, err = c.stream.Write(octets)
	}
	if err != nil {
		c.raw.Close()
	}
	return err == nil
}

// secure changes to TLS. What was sent ahead in clear is not read as if it had
// come under TLS: it ends the connection.
func (c *conn) secure() bool {
	if c.reader.Buffered() > 0 || c.await(c.opts.MessageTime) != nil {
		return false
	}
	stream := tls.Server(c.raw, c.opts.TLS)
	err := c.sends()
	if err == nil {
		err = stream.HandshakeContext(c.ctx)
	}
	if err != nil {
		c.opts.Log.Debug("TLS failed in the directory", "remote", c.raw.RemoteAddr().String(), "err", err)
		return false
	}
	c.stream, c.reader, c.session.secure = stream, bufio.NewReader(stream), true
	return true
}
