package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"postern/internal/admit"
)

// Bounds on the HTTP listener.
const (
	httpConnections = 50
	httpEach        = 10               // of them from one client
	httpTimeout     = 10 * time.Second // of a request, and of an idle connection
	httpHeader      = 16 << 10
)

// An httpServer serves handlers on a listener of ours.
type httpServer struct{ http.Server }

// newHTTP returns a server of the metrics.
func newHTTP(metrics http.Handler, log *slog.Logger) *httpServer {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	return &httpServer{http.Server{
		Handler: mux, ReadTimeout: httpTimeout, WriteTimeout: httpTimeout, IdleTimeout: httpTimeout,
		MaxHeaderBytes: httpHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// Serve implements server.
func (s *httpServer) Serve(_ context.Context, l net.Listener) error {
	gate := admit.Gate{Total: httpConnections, Each: httpEach}
	err := s.Server.Serve(gate.Listen(l, nil))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
