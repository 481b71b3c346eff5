package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/gateway"
	"postern/store"
)

// loadConfig reads the configuration; whatever is wrong with it is the user's
// to mend.
func (inv *invocation) loadConfig() (*config.Config, error) {
	cfg, err := config.Load(inv.config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("postern init makes one; --config names one elsewhere", "there is no configuration %s", inv.config)
	}
	if err != nil {
		return nil, usagef("postern config describe prints every key", "%s", err)
	}
	return cfg, nil
}

// openStore opens the store of a configuration.
func openStore(cfg *config.Config, wait time.Duration) (*store.DB, error) {
	db, err := gateway.OpenStore(cfg, wait)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("postern init makes it", "there is no store with its master key in %s", cfg.Dir)
	}
	return db, err
}

// How long a command waits for a store that another command just uses.
const (
	busyTries = 20
	busyWait  = 250 * time.Millisecond
)

// withClient calls do with a client of the running server, or, when none runs,
// of a server that lives as long as the command.
func (inv *invocation) withClient(ctx context.Context, do func(*control.Client) error) error {
	cfg, err := inv.loadConfig()
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		client, err := control.Dial(ctx, cfg.Dir)
		if err == nil {
			defer client.Close()
			return do(client)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		db, err := openStore(cfg, busyWait)
		if errors.Is(err, store.ErrLocked) && try < busyTries && ctx.Err() == nil {
			continue // whoever holds it will serve the socket in a moment, or be gone
		}
		if err != nil {
			return err
		}
		return errors.Join(inv.serveOnce(ctx, cfg, db, do), db.Close())
	}
}

// serveOnce serves the control socket over an open store while do runs.
func (inv *invocation) serveOnce(ctx context.Context, cfg *config.Config, db *store.DB, do func(*control.Client) error) error {
	log := slog.New(slog.NewTextHandler(inv.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	core, err := gateway.NewCore(cfg, db, log)
	if err != nil {
		return err
	}
	socket, err := control.Listen(cfg.Dir)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- (&control.Service{Core: core}).Serve(serving, socket) }()
	defer func() {
		stop()
		<-done
	}()
	client, err := control.Dial(ctx, cfg.Dir)
	if err != nil {
		return err
	}
	defer client.Close()
	return do(client)
}

// readInput reads a file that the user named; "-" is standard input.
func (inv *invocation) readInput(path string, limit int64) ([]byte, error) {
	if path == "-" {
		return readAll(inv.stdin, limit)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usagef("check the path and who may read it", "%s", err)
	}
	defer f.Close()
	return readAll(f, limit)
}
