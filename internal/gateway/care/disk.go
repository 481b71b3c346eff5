package care

import (
	"context"
	"sync/atomic"
	"time"

	"postern/trust/reason"
)

// diskEvery is how often the space of the store's disk is looked at: at the rate
// of a fast network the default reserve lasts longer.
const diskEvery = 2 * time.Second

// A disk watches the space of the store's file system. The zero disk is never
// short of it.
type disk struct {
	short atomic.Bool
	free  atomic.Int64 // bytes, as last seen; 0 before
	blind atomic.Bool  // the last look failed
}

// Room refuses new mail while the disk has less than its reserve. What was
// taken before goes on, and needs the reserve for it. Nothing is refused for an
// earlier look: there may be space by now.
func (k *Keeper) Room() error {
	if k.disk.short.Load() {
		k.Look()
	}
	if k.disk.short.Load() {
		return reason.New(reason.StorageFull, "the disk has %d bytes free, less than limits.disk_reserve or none that can be written", k.disk.free.Load())
	}
	return nil
}

// watchDisk looks at the disk now and again until ctx is done.
func (k *Keeper) watchDisk(ctx context.Context) {
	if k.DiskSpace == nil {
		return
	}
	ticker := time.NewTicker(diskEvery)
	defer ticker.Stop()
	for {
		k.Look()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Look asks for the space of the disk now. It logs once each way. A disk that
// cannot be looked at is as it was: the store itself still refuses what does not fit.
func (k *Keeper) Look() {
	if k.DiskSpace == nil {
		return
	}
	space, err := k.DiskSpace()
	if was := k.disk.blind.Swap(err != nil); err != nil {
		if !was {
			k.Log.Warn("the space of the store's disk is not known", "err", err)
		}
		return
	}
	k.disk.free.Store(space.Free)
	short := space.Free < k.DiskReserve || space.Free == 0 || space.ReadOnly
	if k.disk.short.Swap(short) == short {
		return
	}
	if short {
		k.Log.Error("the disk of the store is short of space: no new mail is taken", "free", space.Free, "reserve", k.DiskReserve, "read_only", space.ReadOnly)
		return
	}
	k.Log.Info("the disk of the store has space again: new mail is taken", "free", space.Free)
}
