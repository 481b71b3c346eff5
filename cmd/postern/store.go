package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"postern/internal/control"
	"postern/internal/gateway/care"
	"postern/store"
)

// runStoreCheck checks the store, or a copy of it that nobody needs to restore for
// that. Where the master key is named as well, no site is needed.
func runStoreCheck(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("store check")
	key := fs.String("master-key", "", "")
	rest, err := parse(fs, args, 0, 1)
	if err != nil {
		return err
	}
	switch {
	case len(rest) == 1:
		return inv.checkCopy(ctx, rest[0], *key)
	case *key != "":
		return wrongUse(fs, "--master-key is for a copy")
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		r, err := c.Check(ctx)
		if err != nil {
			return err
		}
		return inv.printCheck(r)
	})
}

func (inv *invocation) checkCopy(ctx context.Context, path, key string) error {
	dir := ""
	if key == "" {
		cfg, err := inv.loadConfig()
		if err != nil {
			return err
		}
		dir = cfg.Dir
	}
	r, err := care.CheckCopy(ctx, dir, path, key)
	switch {
	case errors.Is(err, store.ErrSchema):
		return usagef("check it with the postern that wrote it; store restore carries an older one on", "%s", err)
	case errors.Is(err, store.ErrLocked):
		return &control.Error{Kind: control.Temporary, Message: err.Error(), Hint: "it is no copy, but a store in use: postern store check without a file reads that"}
	case err != nil:
		return copyError(err)
	}
	return inv.printCheck(r)
}

func (inv *invocation) printCheck(r store.CheckReport) error {
	if inv.json {
		r.Problems = listed(r.Problems)
		err := inv.printJSON(r)
		if err != nil {
			return err
		}
	} else {
		fmt.Fprintf(inv.stdout, "schema %d: %d domains, %d accounts, %d keys, %d anchors, %d bundles, %d messages, %d jobs, %d tracks, %d bodies of %d bytes\n",
			r.Schema, r.Domains, r.Accounts, r.Keys, r.Anchors, r.Bundles, r.Messages, r.Jobs, r.Tracks, r.Bodies, r.Bytes)
		for _, p := range r.Problems {
			fmt.Fprintln(inv.stdout, p)
		}
	}
	if len(r.Problems) > 0 {
		return errNegative
	}
	return nil
}

// runStoreBackup writes to a new file beside the one asked for, which takes its
// place only when it is whole and on the disk.
func runStoreBackup(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(inv.flags("store backup"), args, 1, 1)
	if err != nil {
		return err
	}
	path := rest[0]
	_, err = os.Lstat(path)
	if err == nil {
		return usagef("give the name of a new file", "%s is there already", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return usagef("name a file in a folder that is there", "%s", err)
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		n, err := writeBackup(ctx, c, path)
		if err != nil {
			return err
		}
		return inv.answer(map[string]any{"file": path, "bytes": n}, "%s: %d bytes; the master key is not in it: keep both, apart", path, n)
	})
}

func writeBackup(ctx context.Context, c *control.Client, path string) (n int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return 0, usagef("name a file in a folder that may be written to", "%s", err)
	}
	defer os.Remove(f.Name()) // gone when it was renamed
	n, err = c.Backup(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return n, err
	}
	return n, os.Rename(f.Name(), path)
}
