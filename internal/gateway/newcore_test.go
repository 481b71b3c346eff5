package gateway

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"postern/internal/config"
	"postern/internal/gateway/care"
	"postern/store"
)

// Every key of these tables reaches what it is about: each has a value of its own
// here, and a key that nothing asks for fails the test.
func TestEveryKeyReachesTheCore(t *testing.T) {
	cfg := config.Default()
	cfg.Hostname, cfg.Dir, cfg.DNS.Servers = "mx.a.example", t.TempDir(), []string{"127.0.0.1:53"}
	want := make(map[string]any)
	n := 0
	for table, v := range map[string]any{"keep": &cfg.Keep, "notify": &cfg.Notify, "limits": &cfg.Limits, "relay": &cfg.Relay, "backup": &cfg.Backup} {
		fields := reflect.ValueOf(v).Elem()
		for i := range fields.NumField() {
			n++
			f := fields.Field(i)
			switch {
			case f.Type() == reflect.TypeFor[time.Duration]():
				f.SetInt(int64(n) * int64(time.Hour))
			case f.CanInt():
				f.SetInt(int64(n) << 16)
			case f.Kind() == reflect.Bool:
				f.SetBool(!f.Bool())
			case f.Kind() == reflect.String:
				f.SetString(fmt.Sprint("folder ", n))
			}
			want[table+"."+fields.Type().Field(i).Tag.Get("toml")] = f.Interface()
		}
	}
	for _, key := range []string{ // what the listeners and the relay alone read
		"limits.recipients", "limits.connections", "limits.connections_per_ip", "limits.command_idle", "limits.data_time",
		"limits.peer_connections", "relay.routes", "relay.port",
	} {
		delete(want, key)
	}
	db, err := store.Create(filepath.Join(t.TempDir(), care.StoreFile), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := NewCore(cfg, db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	equal(t, "what the configuration says", map[string]any{
		"keep.tracks": c.Care.KeepTracks, "keep.audit": c.Care.KeepAudit, "keep.duplicates": c.Care.KeepDuplicates,
		"keep.refused": c.Care.KeepRefused, "keep.refused_bytes": c.RefusedBytes,
		"notify.processed_within": c.Notify.ProcessedWithin, "notify.dispatched_within": c.Notify.DispatchedWithin,
		"notify.delayed_after": c.Notify.DelayedAfter, "notify.hide_processed": c.Notify.HideProcessed,
		"limits.message_bytes": c.MessageBytes, "limits.crypto_memory": c.CryptoMemory, "limits.queue_bytes": c.QueueBytes,
		"limits.mailbox_bytes": c.MailboxBytes, "limits.disk_reserve": c.Care.DiskReserve,
		"limits.account_messages": c.Rates.AccountMessages, "limits.account_recipients": c.Rates.AccountRecipients,
		"limits.peer_messages": c.Rates.PeerMessages,
		"relay.retry_for":      c.RetryFor, "relay.per_destination": c.PerDestination,
		"backup.dir": c.Care.Backups.Dir, "backup.every": c.Care.Backups.Every, "backup.keep": c.Care.Backups.Keep,
	}, want)
}
