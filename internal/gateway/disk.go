package gateway

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

// roomOnDisk refuses new mail while the disk has less than its reserve. What was
// taken before goes on, and needs the reserve for it.
func (c *Core) roomOnDisk() error {
	if c.disk.short.Load() {
		return reason.New(reason.StorageFull, "the disk has %d bytes free, less than limits.disk_reserve or none that can be written", c.disk.free.Load())
	}
	return nil
}

// watchDisk looks at the disk now and again until ctx is done.
func (c *Core) watchDisk(ctx context.Context) {
	if c.DiskSpace == nil {
		return
	}
	ticker := time.NewTicker(diskEvery)
	defer ticker.Stop()
	for {
		c.lookAtDisk()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lookAtDisk logs once each way. A disk that cannot be looked at is as it was: the
// store itself still refuses what does not fit.
func (c *Core) lookAtDisk() {
	space, err := c.DiskSpace()
	if was := c.disk.blind.Swap(err != nil); err != nil {
		if !was {
			c.Log.Warn("the space of the store's disk is not known", "err", err)
		}
		return
	}
	c.disk.free.Store(space.Free)
	short := space.Free < c.DiskReserve || space.ReadOnly
	if c.disk.short.Swap(short) == short {
		return
	}
	if short {
		c.Log.Error("the disk of the store is short of space: no new mail is taken", "free", space.Free, "reserve", c.DiskReserve, "read_only", space.ReadOnly)
		return
	}
	c.Log.Info("the disk of the store has space again: new mail is taken", "free", space.Free)
}
