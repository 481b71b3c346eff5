package gateway

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/config"
	"postern/internal/gateway/care"
	"postern/internal/testnet"
)

// A gateway that serves makes the copies that its configuration asks for.
func TestBackupsOfAGateway(t *testing.T) {
	w := newWorld(t)
	h := build(t, "a.example", "alice@a.example", testnet.DeadPort(t), w.root.Leaf("a.example"), w.root)
	h.cfg.Backup = config.Backup{Dir: t.TempDir(), Every: time.Hour, Keep: 3}
	h.core.setCare(h.cfg)
	h.run()
	testnet.Until(t, func() bool { return h.core.Care.Stats(t.Context()).BackupsMade == 1 })
}

// What a configuration says of the store reaches the core; 0 keeps no originals.
func TestCareOfTheConfiguration(t *testing.T) {
	cfg := config.Default()
	cfg.Dir, cfg.Limits.MailboxBytes, cfg.Limits.DiskReserve = t.TempDir(), 7, 8
	err := os.WriteFile(filepath.Join(cfg.Dir, care.StoreFile), nil, 0o600) // on whose disk there is to be space
	if err != nil {
		t.Fatal(err)
	}
	c := &Core{}
	c.setCare(cfg)
	k := &c.Care
	if k.Dir != cfg.Dir || c.MailboxBytes != 7 || k.DiskReserve != 8 || k.KeepRefused != 168*time.Hour || c.RefusedBytes != 1<<30 || k.Backups.Dir != "" {
		t.Errorf("%+v", k)
	}
	space, err := k.DiskSpace()
	if err != nil || space.Free == 0 {
		t.Errorf("%+v, %v", space, err)
	}
	for _, change := range []func(*config.Keep){func(k *config.Keep) { k.Refused = 0 }, func(k *config.Keep) { k.RefusedBytes = 0 }} {
		cfg := config.Default()
		change(&cfg.Keep)
		c := &Core{}
		c.setCare(cfg)
		if c.Care.KeepRefused >= 0 || c.RefusedBytes >= 0 {
			t.Errorf("originals are kept for %s, %d bytes", c.Care.KeepRefused, c.RefusedBytes)
		}
	}
}
