package gateway

import (
	"errors"
	"time"

	"postern/internal/metrics"
)

// A careReading is how the store is looked after, at one moment.
type careReading struct {
	free         int64
	short        bool
	last         time.Time
	bytes        int64
	took         time.Duration
	made, failed uint64
}

func (c *Core) readCare() careReading {
	r := careReading{free: c.disk.free.Load(), short: c.disk.short.Load()}
	c.backups.mu.Lock()
	defer c.backups.mu.Unlock()
	r.last, r.bytes, r.took = c.backups.last, c.backups.bytes, c.backups.took
	r.made, r.failed = c.backups.made, c.backups.failed
	return r
}

// addCare tells of the space on the disk, and of the copies of the store where
// some are made.
func (g *Gateway) addCare(r *metrics.Registry) error {
	gauge := func(name, help string, value func(careReading) float64) metrics.Series[careReading] {
		return metrics.Series[careReading]{Name: name, Help: help, Samples: func(r careReading) []metrics.Sample {
			return []metrics.Sample{{Value: value(r)}}
		}}
	}
	err := metrics.Add(r, g.readCare,
		gauge("disk_free_bytes", "Free bytes of the store's disk.", func(r careReading) float64 { return float64(r.free) }),
		gauge("disk_short", "1 while no new mail is taken because the store's disk is short of space or read-only.", func(r careReading) float64 { return oneIf(r.short) }),
	)
	if g.Backups.Dir == "" {
		return err
	}
	return errors.Join(err, metrics.Add(r, g.readCare,
		gauge("backup_last_timestamp_seconds", "When the newest copy of the store was begun, in Unix time; 0 if there is none.", func(r careReading) float64 {
			if r.last.IsZero() {
				return 0
			}
			return float64(r.last.Unix())
		}),
		gauge("backup_bytes", "Size of the copy that this process made last.", func(r careReading) float64 { return float64(r.bytes) }),
		gauge("backup_seconds", "How long making and verifying it took.", func(r careReading) float64 { return r.took.Seconds() }),
		metrics.Counts("backups_total", "Copies that were made and verified.", func(r careReading) uint64 { return r.made }),
		metrics.Counts("backup_failures_total", "Copies that could not be made.", func(r careReading) uint64 { return r.failed }),
	))
}
