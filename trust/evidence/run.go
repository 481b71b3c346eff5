package evidence

import (
	"context"
	"time"
)

const (
	// tick is how often the keeper looks after what it has.
	tick = time.Minute
	// refreshUsed is for how long after it was last asked for a document is
	// refreshed unasked.
	refreshUsed = 14 * 24 * time.Hour
	// maxTouches bounds how many documents are marked as used in one tick, each
	// of which is a write.
	maxTouches = 100
	pruneEvery = 24 * time.Hour
)

// Run refreshes documents before they end and keeps the cache within its bounds,
// until ctx is done. Without it a Keeper fetches only what it is asked for.
func (k *Keeper) Run(ctx context.Context) {
	k.begin()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var pruned time.Time
	for {
		k.refresh()
		k.touch(ctx)
		if now := k.now(); now.Sub(pruned) >= pruneEvery || k.writtenMuch() {
			k.prune(ctx)
			pruned = now
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// refresh has fetched what will end soon.
func (k *Keeper) refresh() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	for _, e := range k.known.byKey {
		k.alarm(e, now)
		if e.flight != nil || !e.wantsRefresh(now) {
			continue
		}
		if e.asleep() {
			k.load(e, now, 0, true)
		} else {
			k.fetch(e, now, 0)
		}
	}
}

// alarm warns once that a document which cannot be fetched anew comes to its
// end. What was already said more quietly is now urgent.
func (k *Keeper) alarm(e *entry, now time.Time) {
	if e.alarmed || e.doc == nil || e.trouble.tries == 0 || now.Sub(e.used) > refreshUsed {
		return
	}
	last := min(e.doc.ends.Sub(e.doc.made)/8, 24*time.Hour)
	if now.Before(e.doc.ends.Add(-last)) {
		return
	}
	e.alarmed = true
	k.log().Error("revocation will soon be unknown", "url", e.key.url, "good_until", e.doc.ends,
		"failed_since", e.trouble.since, "err", e.trouble.err)
}

// touch writes down, once a day, that a document was used.
func (k *Keeper) touch(ctx context.Context) {
	if k.Cache == nil {
		return
	}
	for id, used := range k.untouched() {
		err := k.Cache.Touch(ctx, id.String(), used)
		if err != nil {
			k.log().Warn("marking a stored document as used", "url", id.url, "err", err)
			return
		}
		k.touched(id, used)
	}
}

func (k *Keeper) untouched() map[key]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make(map[key]time.Time)
	for _, s := range []*side{&k.known, &k.strange} {
		for id, e := range s.byKey {
			if e.stored && e.flight == nil && day(e.used).After(e.saved) && len(all) < maxTouches {
				all[id] = day(e.used)
			}
		}
	}
	return all
}

func (k *Keeper) touched(id key, used time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.side(id.kind).byKey[id]; e != nil {
		e.saved = used
	}
}
