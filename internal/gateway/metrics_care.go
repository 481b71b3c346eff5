package gateway

import (
	"context"

	"postern/internal/gateway/care"
	"postern/internal/metrics"
)

// addCare tells of the space on the disk, of what stays behind and what went for its
// age, and of the copies of the store where some are made.
func (g *Gateway) addCare(r *metrics.Registry) error {
	type stats = care.Stats
	gauge := func(name, help string, value func(stats) float64) metrics.Series[stats] {
		return metrics.Series[stats]{Name: name, Help: help, Samples: func(s stats) []metrics.Sample {
			return []metrics.Sample{{Value: value(s)}}
		}}
	}
	all := []metrics.Series[stats]{
		gauge("disk_free_bytes", "Bytes that the store can still write: those that are free on its disk and, if these are less than the reserve, within its file.", func(s stats) float64 { return float64(s.Free) }),
		gauge("disk_short", "1 while no new mail is taken because the store's disk is short of space or read-only.", func(s stats) float64 { return oneIf(s.Short) }),
		gauge("store_checked_ratio", "Share of the store's pages that was checked since it was opened.", func(s stats) float64 { return s.Checked }),
		gauge("store_damaged", "1 when pages of the store are damaged and nothing is written to it any more.", func(s stats) float64 { return oneIf(s.Damaged) }),
		gauge("tracks", "Messages whose life is kept.", func(s stats) float64 { return float64(s.Tracks) }),
		metrics.Counts("tracks_pruned_total", "Messages whose life was forgotten for its age.", func(s stats) uint64 { return s.Pruned }),
		metrics.Counts("mail_expired_total", "Messages that left mailboxes for their age.", func(s stats) uint64 { return s.Expired }),
		gauge("mail_unread_old", "Messages that nobody has read for longer than their domain keeps what was read; counted once a day.", func(s stats) float64 { return float64(s.Unread) }),
	}
	if g.Care.Backups.Dir != "" {
		all = append(all,
			gauge("backup_last_timestamp_seconds", "When the newest copy of the store was begun, in Unix time; 0 if there is none.", func(s stats) float64 {
				if s.LastBackup.IsZero() {
					return 0
				}
				return float64(s.LastBackup.Unix())
			}),
			gauge("backup_bytes", "Size of the copy that this process made last.", func(s stats) float64 { return float64(s.BackupBytes) }),
			gauge("backup_seconds", "How long making and verifying it took.", func(s stats) float64 { return s.BackupTook.Seconds() }),
			metrics.Counts("backups_total", "Copies that were made and verified.", func(s stats) uint64 { return s.BackupsMade }),
			metrics.Counts("backup_failures_total", "Copies that could not be made.", func(s stats) uint64 { return s.BackupsFailed }),
		)
	}
	return metrics.Add(r, func() stats { return g.Care.Stats(context.Background()) }, all...)
}
