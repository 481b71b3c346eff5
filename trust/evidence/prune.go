package evidence

import (
	"context"
	"slices"
	"time"
)

// Bounds on the cache. Issuers, whose URLs strangers name, have a share of their
// own.
const (
	maxUnused    = 30 * 24 * time.Hour
	cacheBytes   = 256 << 20
	cacheIssuers = 16 << 20
	pruneBytes   = 32 << 20 // saved, after which the cache is pruned early
)

func (k *Keeper) writtenMuch() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.written >= pruneBytes
}

// prune removes from the cache what was not used for long, and what was used
// last until the rest is within the bounds.
func (k *Keeper) prune(ctx context.Context) {
	if k.Cache == nil {
		return
	}
	k.mu.Lock()
	k.written = 0
	k.mu.Unlock()
	all, err := k.listed()
	if err == nil {
		err = k.removeAll(ctx, all)
	}
	if err != nil && ctx.Err() == nil {
		k.log().Warn("removing what is no longer used from the cache of revocation", "err", err)
	}
}

func (k *Keeper) removeAll(ctx context.Context, all []Stored) error {
	slices.SortStableFunc(all, func(a, b Stored) int { return b.Used.Compare(a.Used) })
	now, left := k.now(), map[bool]int64{true: cacheIssuers, false: cacheBytes - cacheIssuers}
	for _, s := range all {
		id, ok := parseKey(s.Key)
		share := id.kind == issuers
		if ok && now.Sub(s.Used) <= maxUnused && left[share] > 0 {
			left[share] -= s.Size
			if left[share] >= 0 {
				continue
			}
		}
		err := k.Cache.Remove(ctx, s.Key)
		if err != nil {
			return err
		}
	}
	return nil
}
