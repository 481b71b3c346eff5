package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"postern/internal/admit"
	"postern/internal/tlscert"
)

// Bounds on the HTTP listener.
const (
	httpConnections = 50
	httpEach        = 10               // of them from one client
	httpTimeout     = 10 * time.Second // of a request, and of an idle connection
	httpHeader      = 16 << 10
	httpFarewell    = time.Second // for what is under way when the server ends: who asked asks again
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

// newChallenge returns the server of the listener where an authority looks whether our
// names are ours: by a request, or by a handshake, after which nothing is answered.
func (g *Gateway) newChallenge() *httpServer {
	s := newHTTP(http.NotFoundHandler(), g.Log)
	s.Handler = g.tls.Issued
	if g.tls.Issued.Challenge == tlscert.TLSALPN {
		s.TLSConfig = g.tls.Config()
	}
	return s
}

// Serve implements server.
func (s *httpServer) Serve(_ context.Context, l net.Listener) error {
	gate := admit.Gate{Total: httpConnections, Each: httpEach}
	l = gate.Listen(l, nil)
	if s.TLSConfig != nil {
		l = tls.NewListener(l, s.TLSConfig)
	}
	err := s.Server.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown implements server.
func (s *httpServer) Shutdown(ctx context.Context) error {
	soon, cancel := context.WithTimeout(ctx, httpFarewell)
	defer cancel()
	err := s.Server.Shutdown(soon)
	if err != nil {
		_ = s.Server.Close()
	}
	return ctx.Err()
}
