package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// SocketName is the socket's file in the folder of the store.
const SocketName = "control.sock"

// maxPath is how long a Unix socket's path may be: sun_path less its final NUL.
const maxPath = 107

// Times of the socket. Answers have no limit: a backup may take long.
const (
	headerTime  = 10 * time.Second
	connectTime = 2 * time.Second
	drainTime   = 10 * time.Second
)

// ErrNotServing says that no server answers on the control socket.
var ErrNotServing = errors.New("no server answers on the control socket")

// Listen makes the socket in dir, for its owner only. A socket file that a
// crash left behind is replaced: whoever calls this holds the store.
func Listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	if len(path) > maxPath {
		return nil, invalid(fmt.Errorf("the path of the control socket is longer than %d bytes: %s", maxPath, path), "choose a shorter dir in the configuration")
	}
	err := os.Remove(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replacing the control socket: %w", err)
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(restrict) // so that there is no moment at which others may connect
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("making the control socket: %w", err)
	}
	err = os.Chmod(path, 0o600)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("closing the control socket to others: %w", err)
	}
	return l, nil
}

// Serve answers commands on l until ctx is done and the commands under way
// have ended. Those that take longer than a while are cut off then: a client that
// stands still must not keep the gateway from stopping.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	commands, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var underWay sync.RWMutex // held for reading by commands
	defer underWay.Lock()
	handler := s.Handler()
	server := &http.Server{
		ReadHeaderTimeout: headerTime,
		BaseContext:       func(net.Listener) context.Context { return commands },
		ConnContext:       withActor,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			underWay.RLock()
			defer underWay.RUnlock()
			handler.ServeHTTP(w, r)
		}),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { stopped <- drain(server, cut) })
	err := server.Serve(l)
	if !stop() {
		return <-stopped
	}
	cut()
	return errors.Join(err, server.Close())
}

// drain lets the commands under way end, and cuts off those that do not.
func drain(server *http.Server, cut context.CancelFunc) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		cut()
		return server.Close()
	}
	return err
}

// A Client sends commands over the socket.
type Client struct{ http *http.Client }

// Dial returns a client of the socket in dir, and ErrNotServing when nobody
// serves it.
func Dial(ctx context.Context, dir string) (*Client, error) {
	path := filepath.Join(dir, SocketName)
	if len(path) > maxPath {
		return nil, ErrNotServing // Listen could not make it
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: connectTime}).DialContext(ctx, "unix", path)
	}
	probe, err := dial(ctx, "", "")
	if err != nil {
		return nil, fmt.Errorf("connecting to the server: %w", notServing(err))
	}
	probe.Close()
	// A connection that was kept would tell too late that its server has ended: a
	// command that was written to it is neither done nor safe to send again.
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, ExpectContinueTimeout: expectTime}}}, nil
}

// notServing marks the errors of connecting that mean that nobody serves the
// socket: it is not there, or was left behind by a crash.
func notServing(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", ErrNotServing, err)
	}
	return err
}

// Close ends what the client holds open.
func (c *Client) Close() { c.http.CloseIdleConnections() }
