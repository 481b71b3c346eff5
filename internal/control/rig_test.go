package control

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/internal/config"
	"postern/internal/gateway"
	"postern/internal/gateway/care"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when the tests are.
func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// A server is a service on a real socket.
type server struct {
	*Client
	core *gateway.Core
	dir  string
	log  bytes.Buffer
	stop func() error
}

// none is a network where nobody publishes anything.
type none struct{}

func (none) Find(_ context.Context, r discovery.Request) discovery.Result {
	return discovery.Result{Err: reason.New(reason.NoCertificate, "nothing for %s", r.Address)}
}

func serve(t *testing.T, change ...func(*config.Config)) *server {
	t.Helper()
	s := &server{dir: t.TempDir()}
	db, err := store.Create(filepath.Join(s.dir, care.StoreFile), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	cfg := config.Default()
	cfg.Hostname, cfg.DNS.Servers, cfg.Limits.MessageBytes = "mx.a.example", []string{"127.0.0.1:1"}, 1<<20
	for _, c := range change {
		c(cfg)
	}
	s.core, err = gateway.NewCore(cfg, db, slog.New(slog.NewTextHandler(&s.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.core.ScramIterations = 4096
	s.core.Now, s.core.Finder = noon, none{}
	socket, err := Listen(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- (&Service{Core: s.core}).Serve(ctx, socket) }()
	stopped := false
	s.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	s.Client, err = Dial(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Client.Close()
		err := s.stop()
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// ours is a server with domains.
func ours(t *testing.T, domains ...string) *server {
	t.Helper()
	s := serve(t)
	for _, d := range domains {
		must(t, s.AddDomain(t.Context(), d))
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// isRefused fails unless err is a refusal of that kind, with a message.
func isRefused(t testing.TB, what string, err error, kind Kind) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind || e.Message == "" {
		t.Errorf("%s: got %#v, want a refusal that is %s", what, err, kind)
	}
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
