package care

import (
	"context"
	"sync/atomic"
	"time"

	"postern/trust/reason"
)

// diskEvery is how often the space of the store's disk is looked at while no mail
// comes.
const diskEvery = 2 * time.Second

// resumePart is what part of the reserve must be free beyond it before mail is taken
// again: what comes and goes at the edge is no news.
const resumePart = 8

// A disk watches the space that the store has left: that of its file system, and
// what is free within its file. The zero disk is never short of it.
type disk struct {
	short    atomic.Bool
	readOnly atomic.Bool  // and short for that
	free     atomic.Int64 // bytes, as last seen; 0 before
	blind    atomic.Bool  // the last look failed
}

// Room refuses new mail while the store has less space than its reserve. What was
// taken before goes on, and needs the reserve for it. It looks at the disk itself,
// which costs a microsecond: between two looks at intervals a fast network could
// fill any reserve.
func (k *Keeper) Room() error {
	k.Look()
	switch {
	case k.disk.readOnly.Load():
		return reason.New(reason.StorageFull, "the disk of the store can only be read")
	case k.disk.short.Load():
		return reason.New(reason.StorageFull, "the store has %d bytes free, less than limits.disk_reserve or none", k.disk.free.Load())
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
	need := max(k.DiskReserve, 1)
	if k.disk.short.Load() {
		need += need / resumePart
	}
	solid := space.Free
	if k.Store != nil && space.Free < need { // it takes a while to find out
		within := k.Store.Reusable()
		solid += within.Runs
		space.Free += within.All
	}
	k.disk.free.Store(space.Free)
	k.disk.readOnly.Store(space.ReadOnly)
	// Pages here and there are space for small mail, and not for all that is under way:
	// half of the reserve is in pieces that hold anything.
	short := space.Free < need || solid < k.DiskReserve/2 || space.ReadOnly
	if k.disk.short.Swap(short) == short {
		return
	}
	switch {
	case space.ReadOnly:
		k.Log.Error("the disk of the store can only be read: no new mail is taken, and nothing goes on")
	case short:
		k.Log.Error("the disk of the store is short of space: no new mail is taken", "free", space.Free, "reserve", k.DiskReserve)
	default:
		k.Log.Info("the disk of the store has space again: new mail is taken", "free", space.Free)
	}
}
