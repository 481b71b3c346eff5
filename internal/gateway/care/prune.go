package care

import (
	"context"
	"fmt"
	"time"

	"postern/store"
)

// Bounds of one transaction of pruning.
const (
	tracksAtOnce  = 100  // looked at
	partsAtOnce   = 2000 // recipients of those
	eventsAtOnce  = 2000 // removed, roughly
	entriesAtOnce = 500
)

// pruneTracks forgets the messages that ended longer than KeepTracks ago, the
// oldest first.
func (k *Keeper) pruneTracks(ctx context.Context) error {
	var after store.TrackID
	return atLeisure(ctx, func() (bool, error) {
		var s pruning
		err := k.Store.Update(ctx, func(tx store.Tx) error {
			s = pruning{Keeper: k, tx: tx, now: k.cautiousNow(), after: after}
			return s.run()
		})
		if err != nil {
			return false, fmt.Errorf("pruning tracks: %w", err)
		}
		after = s.after
		k.tidying.tracks.Add(uint64(s.removed))
		return s.more, nil
	})
}

// A pruning is one transaction of pruneTracks.
type pruning struct {
	*Keeper
	tx      store.Tx
	now     time.Time
	after   store.TrackID // the last that was looked at
	removed int
	more    bool
}

func (s *pruning) run() error {
	var old []store.Track
	parts := 0
	q := store.TrackQuery{Oldest: true, After: s.after, Until: s.now.Add(-s.KeepTracks)}
	err := s.tx.EachTrack(q, func(t store.Track) bool {
		old, parts = append(old, t), parts+len(t.Recipients)
		s.more = len(old) == tracksAtOnce || parts >= partsAtOnce
		return !s.more
	})
	if err != nil {
		return err
	}
	events := 0
	for _, t := range old {
		if events >= eventsAtOnce {
			s.more = true
			return nil
		}
		s.after = t.ID
		if !s.over(t) {
			continue
		}
		n, err := s.tx.RemoveTrack(t.ID)
		if err != nil {
			return err
		}
		events += n
		s.removed++
	}
	return nil
}

// over reports whether a message has ended so long ago that it is forgotten: no job
// serves it, nobody waits for an answer, and its original is not kept any more. By
// the states of its recipients that is known without looking for its jobs.
func (s *pruning) over(t store.Track) bool {
	if t.Watch != 0 {
		return false
	}
	keep, last := s.KeepTracks, t.Received
	for _, r := range t.Recipients {
		switch r.State {
		case store.TrackQueued, store.TrackSealed:
			return false
		case store.TrackRefused:
			keep = max(keep, s.KeepRefused)
		}
		if r.Updated.After(last) {
			last = r.Updated
		}
	}
	return !s.now.Before(last.Add(keep))
}

// pruneDelivered forgets deliveries that can no longer come again.
func (k *Keeper) pruneDelivered(ctx context.Context) error {
	return k.pruneEntries(ctx, "deliveries", func(tx store.Tx) (int, error) {
		return tx.ForgetDelivered(k.Steady().Add(-k.KeepDuplicates), entriesAtOnce)
	})
}

// RequestsFor is how long a request that was given a key is known when it comes again.
const RequestsFor = day

// pruneRequests forgets requests that are new ones when they come again.
func (k *Keeper) pruneRequests(ctx context.Context) error {
	return k.pruneEntries(ctx, "requests", func(tx store.Tx) (int, error) {
		return tx.ForgetRequests(k.Steady().Add(-RequestsFor), entriesAtOnce)
	})
}

// pruneSentAs forgets who sent as addresses without a mailbox, when nothing is told any
// more about what was sent.
func (k *Keeper) pruneSentAs(ctx context.Context) error {
	return k.pruneEntries(ctx, "senders", func(tx store.Tx) (int, error) {
		return tx.ForgetSentAs(k.cautiousNow().Add(-k.KeepTracks), entriesAtOnce)
	})
}

// pruneAudit removes the oldest records of the audit trail.
func (k *Keeper) pruneAudit(ctx context.Context) error {
	return k.pruneEntries(ctx, "audit records", func(tx store.Tx) (int, error) {
		return tx.PruneAudit(k.cautiousNow().Add(-k.KeepAudit), entriesAtOnce)
	})
}

// pruneEntries calls remove, once a transaction, until it finds less than
// entriesAtOnce.
func (k *Keeper) pruneEntries(ctx context.Context, what string, remove func(store.Tx) (int, error)) error {
	return atLeisure(ctx, func() (bool, error) {
		n := 0
		err := k.Store.Update(ctx, func(tx store.Tx) (err error) {
			n, err = remove(tx)
			return err
		})
		if err != nil {
			return false, fmt.Errorf("pruning %s: %w", what, err)
		}
		return n == entriesAtOnce, nil
	})
}
