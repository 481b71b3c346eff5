package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/gateway"
	"postern/internal/gateway/care"
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
		return nil, usagef("mend the file; postern config describe explains every key", "%s", err)
	}
	return cfg, nil
}

// openStore opens the store of a configuration.
func openStore(ctx context.Context, cfg *config.Config, wait time.Duration, log *slog.Logger) (*store.DB, error) {
	db, err := care.Open(ctx, cfg.Dir, wait, log)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing(cfg.Dir)
	}
	return db, err
}

// missing says which of the files of a site is not there.
func missing(dir string) error {
	here := func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case here(care.StoreFile):
		return usagef("bring it back from where it is kept apart: without it nobody can read the store",
			"the master key %s is missing", filepath.Join(dir, care.MasterFile))
	case here(care.MasterFile):
		return usagef("restore the latest backup with postern store restore; docs/operations.md says how",
			"the store %s is missing", filepath.Join(dir, care.StoreFile))
	}
	return usagef("postern init makes one, together with its configuration", "there is no store in %s", dir)
}

// How long a command waits for a store that another command just uses, or for a
// server that is just starting or stopping.
const (
	busyTries = 20
	busyWait  = 250 * time.Millisecond
)

// withClient calls do with a client of the running server, or, when none runs,
// with one of a service in this process. do asks for one thing: what did not
// reach a server that was just stopping is asked again.
func (inv *invocation) withClient(ctx context.Context, do func(*control.Client) error) error {
	cfg, err := inv.loadConfig()
	if err != nil {
		return err
	}
	slow := slog.New(slog.NewTextHandler(inv.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for try := 1; ; try++ {
		err = viaServer(ctx, cfg, do)
		if !errors.Is(err, control.ErrNotServing) {
			return err
		}
		db, err := openStore(ctx, cfg, busyWait, slow)
		if errors.Is(err, store.ErrLocked) && try < busyTries && ctx.Err() == nil {
			continue // whoever holds it will serve the socket in a moment, or be gone
		}
		if err != nil {
			return err
		}
		return errors.Join(inv.viaStore(ctx, cfg, db, do), db.Close())
	}
}

func viaServer(ctx context.Context, cfg *config.Config, do func(*control.Client) error) error {
	client, err := control.Dial(ctx, cfg.Dir)
	if err != nil {
		return err
	}
	defer client.Close()
	return do(client)
}

func (inv *invocation) viaStore(ctx context.Context, cfg *config.Config, db *store.DB, do func(*control.Client) error) error {
	// A server that does not answer is the command's to tell: its verdict is one
	// line on standard error.
	log := slog.New(slog.NewTextHandler(inv.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	core, err := gateway.NewCore(cfg, db, log)
	if err != nil {
		return err
	}
	defer core.Close()
	client, stop := (&control.Service{Core: core}).Local(ctx)
	defer stop()
	return do(client)
}
