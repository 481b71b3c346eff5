package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/gateway"
	"postern/store"
)

// serveWait is how long serve waits for a command that holds the store.
const serveWait = 5 * time.Second

func runServe(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("serve"), args, 0, 0)
	if err != nil {
		return err
	}
	cfg, err := inv.loadConfig()
	if err != nil {
		return err
	}
	err = gateway.CheckFiles(cfg)
	if err != nil {
		return err
	}
	log, err := newLog(inv.stderr, cfg.Log)
	if err != nil {
		return err
	}
	defer passOverHangups(log)()
	db, err := openStore(ctx, cfg, serveWait, log)
	if errors.Is(err, context.Canceled) {
		return nil // it was stopped while it read the store
	}
	if err != nil {
		return err
	}
	if why := db.Unwritable(); why != nil {
		return errors.Join(why, db.Close())
	}
	defer collectLess(inv.getenv)()
	return errors.Join(serve(ctx, cfg, db, log), db.Close())
}

// passOverHangups has SIGHUP end nothing, until stop is called: the end of a terminal sends
// it, and operators who would have a server read its files again.
func passOverHangups(log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			log.Info("SIGHUP is passed over: certificates are read when they change, the configuration at a start")
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
	}
}

func serve(ctx context.Context, cfg *config.Config, db *store.DB, log *slog.Logger) error {
	core, err := gateway.NewCore(cfg, db, log)
	if err != nil {
		return err
	}
	defer core.Close()
	core.Care.Version = version
	g, err := gateway.Listen(cfg, core)
	if err != nil {
		return err
	}
	socket, err := control.Listen(cfg.Dir)
	if err != nil {
		g.Close()
		return err
	}
	var all *errgroup.Group
	all, ctx = errgroup.WithContext(ctx)
	all.Go(func() error { return g.Run(ctx) })
	all.Go(func() error { return (&control.Service{Core: core}).Serve(ctx, socket) })
	return all.Wait()
}

func newLog(w io.Writer, c config.Log) (*slog.Logger, error) {
	var level slog.Level
	err := level.UnmarshalText([]byte(c.Level))
	if err != nil {
		return nil, err
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}
