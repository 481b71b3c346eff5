package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"postern/internal/audit"
	"postern/internal/config"
	"postern/internal/gateway/care"
	"postern/mime"
	"postern/store"
)

// ConfigFile is the configuration of a site, in its folder.
const ConfigFile = "postern.toml"

// Create makes a new site: the commented configuration cfg at path, the folder
// of the store with a master key and an empty store that has the domain, and a
// TLS certificate to start with. It replaces no file: where one is in the way,
// the error wraps fs.ErrExist and nothing was made.
func Create(ctx context.Context, path string, cfg *config.Config, domain mime.Domain, addresses []net.IP, now time.Time) error {
	var text bytes.Buffer
	err := config.Sample(&text, cfg)
	if err != nil {
		return err
	}
	parsed, err := config.Parse(text.Bytes(), path) // as it will be read: with absolute paths
	if err != nil {
		return err
	}
	files := []string{path, filepath.Join(parsed.Dir, care.MasterFile), filepath.Join(parsed.Dir, care.StoreFile), filepath.Join(parsed.Dir, store.WitnessFile), parsed.TLS.Cert, parsed.TLS.Key}
	for _, f := range files {
		_, err := os.Lstat(f)
		if err == nil {
			return fmt.Errorf("%s: %w", f, fs.ErrExist)
		}
	}
	for _, folder := range []string{filepath.Dir(path), parsed.Dir, filepath.Dir(parsed.TLS.Cert), filepath.Dir(parsed.TLS.Key)} {
		err := os.MkdirAll(folder, 0o700)
		if err != nil {
			return err
		}
	}
	err = createFiles(ctx, parsed, domain, addresses, now)
	if err == nil {
		err = writeNew(path, text.Bytes(), 0o600)
	}
	if err != nil {
		for _, f := range files {
			undo := os.Remove(f)
			if !errors.Is(undo, fs.ErrNotExist) {
				err = errors.Join(err, undo)
			}
		}
	}
	return err
}

func createFiles(ctx context.Context, cfg *config.Config, domain mime.Domain, addresses []net.IP, now time.Time) error {
	cert, key, err := SelfSigned(string(cfg.Hostname), addresses, now)
	if err != nil {
		return err
	}
	err = errors.Join(writeNew(cfg.TLS.Cert, cert, 0o644), writeNew(cfg.TLS.Key, key, 0o600))
	if err != nil {
		return err
	}
	master := store.NewMasterKey()
	err = store.WriteMasterKey(filepath.Join(cfg.Dir, care.MasterFile), master)
	if err != nil {
		return err
	}
	db, err := store.Create(filepath.Join(cfg.Dir, care.StoreFile), store.Options{MasterKey: master})
	if err != nil {
		return err
	}
	err = db.Update(ctx, func(tx store.Tx) error {
		err := tx.Audit(audit.Record{
			At: now, Actor: audit.Operator(os.Getuid()), Action: audit.Changed, Object: "domain " + domain.String(), Detail: "added with the store",
		})
		if err != nil {
			return err
		}
		return tx.PutDomain(store.Domain{Name: domain, Created: now})
	})
	return errors.Join(err, db.Close())
}

func writeNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
