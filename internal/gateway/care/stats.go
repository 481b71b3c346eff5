package care

import (
	"context"
	"math"
	"time"

	"postern/store"
)

// Stats are how a store is looked after, at one moment.
type Stats struct {
	Free  int64 // bytes of the store's disk, as last seen
	Short bool  // no new mail is taken for the want of them

	LastBackup                 time.Time // when the newest copy was begun; zero if there is none
	BackupBytes                int64     // of the copy that this process made last
	BackupTook                 time.Duration
	BackupsMade, BackupsFailed uint64

	Checked float64 // share of the store's pages that is known to be sound
	Damaged bool    // some are not, and nothing is written

	Tracks  int    // messages whose life is kept
	Pruned  uint64 // those whose life was forgotten for its age
	Expired uint64 // messages that left their mailboxes for their age
	Unread  int    // those that stay though they are old; counted once a day
}

// Stats returns what the keeper did and saw.
func (k *Keeper) Stats(ctx context.Context) Stats {
	s := Stats{
		Free: k.disk.free.Load(), Short: k.disk.short.Load(),
		Checked: math.Float64frombits(k.pages.share.Load()), Damaged: k.pages.damaged.Load(),
		Pruned: k.tidying.tracks.Load(), Expired: k.tidying.expired.Load(),
	}
	k.backups.mu.Lock()
	s.LastBackup, s.BackupBytes, s.BackupTook = k.backups.last, k.backups.bytes, k.backups.took
	s.BackupsMade, s.BackupsFailed = k.backups.made, k.backups.failed
	k.backups.mu.Unlock()
	unread := k.tidying.unread.Load()
	if unread != nil {
		for _, n := range *unread {
			s.Unread += n
		}
	}
	err := k.Store.View(ctx, func(tx store.Tx) (err error) {
		s.Tracks, err = tx.CountTracks()
		return err
	})
	if err != nil {
		k.Log.Warn("the tracks cannot be counted", "err", err)
	}
	return s
}
