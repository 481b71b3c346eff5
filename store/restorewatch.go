package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// unknownSince tells of a message that was waited for when the copy was made.
const unknownSince = "unknown since the restore: notifications may have come after the copy was made, and none is waited for"

// endWatches ends the waits for notifications. Those may have come since the copy was
// made, and their senders would be told that the messages failed. What comes from now
// on counts as ever.
func (db *DB) endWatches(ctx context.Context, at time.Time) (int, error) {
	var all []JobID
	err := db.view(func(t *tx) error {
		return t.EachJob(0, func(j Job) bool {
			if j.Kind == WatchJob {
				all = append(all, j.ID)
			}
			return true
		})
	})
	if err != nil {
		return 0, err
	}
	waited := make(map[TrackID]bool)
	err = inSteps(ctx, db, all, func(t *tx, id JobID) error {
		j, err := t.Job(id)
		if err == nil {
			err = t.Finish(id)
		}
		if err != nil {
			return err
		}
		ended, err := t.endWatch(j, at)
		if ended {
			waited[j.Track] = true
		}
		return err
	})
	return len(waited), err
}

// endWatch leaves nothing to wait for in a track, and reports whether there was
// something: the answer of a far side.
func (t *tx) endWatch(j Job, at time.Time) (ended bool, err error) {
	k, err := t.Track(j.Track)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	k.Watch = 0
	for i := range k.Recipients {
		r := &k.Recipients[i]
		waits := r.State == TrackRelayed || r.State == TrackProcessed && k.Timely
		if r.Told != "" || r.Relayed.IsZero() || !waits {
			continue
		}
		r.Relayed, r.Detail, ended = time.Time{}, unknownSince, true
		err := t.AddEvent(k.ID, Event{At: at, Stage: StageMonitor, Recipient: r.Address, Detail: unknownSince})
		if err != nil {
			return false, fmt.Errorf("ending the wait of track %s: %w", k.ID, err)
		}
	}
	return ended, t.PutTrack(k)
}
