package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
	l, err := net.Listen("unix", path)
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
// have ended.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: headerTime}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		stopped <- server.Shutdown(context.WithoutCancel(ctx))
	})
	err := server.Serve(l)
	if !stop() {
		return <-stopped
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
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// notServing marks the errors of connecting that mean that nobody serves the
// socket: it is not there, or was left behind by a crash.
func notServing(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", ErrNotServing, err)
	}
	return err
}

// Close ends the client's idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
