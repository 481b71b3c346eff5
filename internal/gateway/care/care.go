// Package care looks after the store of a gateway while it serves: copies of it,
// the space of its disk, what has become too old, the audit trail and the master
// key. While no gateway runs it opens, restores and compacts the store.
package care

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"postern/internal/audit"
	"postern/internal/steady"
	"postern/store"
)

// Files of a store, in its folder.
const (
	StoreFile  = "postern.db"
	MasterFile = "master.key"
)

// ErrMasterFile says that the file of the master key cannot be used, whatever
// the store is sealed for.
var ErrMasterFile = errors.New("the master key cannot be used")

// Open opens the store in a folder and waits for it at most so long. What it has to
// read first, where the store was not stopped cleanly, is told to the log and ends
// with ctx. A store that cannot be written is open for reading alone, as its
// Unwritable says. Errors are those of store.Open and ErrMasterFile; a missing file
// wraps fs.ErrNotExist.
func Open(ctx context.Context, dir string, wait time.Duration, log *slog.Logger) (*store.DB, error) {
	told := pageLog{log: log}
	return openWithMaster(dir, store.Options{
		Timeout: wait, Now: steady.Wall, Clock: steady.New(), ReadAnyway: true,
		Reading: func(p store.PageProgress) error {
			told.tell(p)
			return ctx.Err()
		},
	})
}

// A Keeper looks after a store.
type Keeper struct {
	Store store.Store
	Now   func() time.Time
	// Steady is the clock of the queue.
	Steady func() time.Time
	Log    *slog.Logger
	// Dir is the folder of the store and of its master key.
	Dir string
	// Version is that of the program, for the audit trail.
	Version string
	// Backups are the copies of the store that are made while it is in use.
	Backups Backups
	// DiskReserve is how many bytes the store must have free for new mail to be taken,
	// on its disk and within its file; DiskSpace asks for those of the disk, and nil
	// does not know.
	DiskReserve int64
	DiskSpace   func() (store.Space, error)
	// KeepTracks is how long the life of a message stays after it has ended; 0 is 90
	// days.
	KeepTracks time.Duration
	// KeepAudit is how long the audit trail stays; 0 is 6 years.
	KeepAudit time.Duration
	// KeepDuplicates is how long a delivered message is known when it comes again; 0
	// is 7 days.
	KeepDuplicates time.Duration
	// KeepRefused is how long the sealed original of a refused message stays; 0 is 7
	// days, less than 0 keeps none.
	KeepRefused time.Duration

	pages    pages
	disk     disk
	tidying  tidying
	backups  backups
	rotating sync.Mutex // held while the master key changes
}

const (
	day                = 24 * time.Hour
	defaultKeepTracks  = 90 * day
	defaultKeepAudit   = 6 * 365 * day // 45 CFR 164.316(b)(2)(i)
	defaultDuplicates  = 7 * day
	defaultKeepRefused = 7 * day
)

// SetDefaults fills in how long things are kept where that was left zero.
func (k *Keeper) SetDefaults() {
	k.KeepTracks = cmp.Or(k.KeepTracks, defaultKeepTracks)
	k.KeepAudit = cmp.Or(k.KeepAudit, defaultKeepAudit)
	k.KeepDuplicates = cmp.Or(k.KeepDuplicates, defaultDuplicates)
	k.KeepRefused = cmp.Or(k.KeepRefused, defaultKeepRefused)
}

// Start records the start in the audit trail and looks after the store from then
// on, until stop is called, which waits and records the end. It does not matter
// when ctx is done: what ends meanwhile needs the store.
func (k *Keeper) Start(ctx context.Context) (stop func()) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	end := k.keepAudit(ctx)
	working.Go(func() { k.watchDisk(work) })
	copying := make(chan struct{})
	go func() {
		defer close(copying)
		k.keepBackups(work)
	}()
	working.Go(func() { k.keepTidy(work) })
	working.Go(func() { k.checkPages(work) })
	return func() {
		cancel()
		working.Wait()
		select {
		case <-copying:
		case <-time.After(backupPatience):
			k.Log.Error("the backup target does not answer; the copy is abandoned", "dir", k.Backups.Dir)
		}
		end()
	}
}

// record writes a record into the audit trail.
func (k *Keeper) record(ctx context.Context, r audit.Record) error {
	return k.Store.Update(ctx, func(tx store.Tx) error { return tx.Audit(r) })
}
