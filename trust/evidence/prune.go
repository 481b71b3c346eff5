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
	// roomForIssuers is what is made free of their share, as nothing is saved that
	// would go beyond it.
	roomForIssuers = 4 << 20
	pruneBytes     = 32 << 20 // saved, after which the cache is pruned early
)

func (k *Keeper) writtenMuch() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.written >= pruneBytes
}

// prune removes from the cache what was not used for long, and what was used
// last until the rest is within the bounds. Nothing is saved meanwhile, so that
// what it leaves is the whole of the share.
func (k *Keeper) prune(ctx context.Context) {
	if k.Cache == nil {
		return
	}
	k.pruning.Lock()
	defer k.pruning.Unlock()
	k.mu.Lock()
	k.written = 0
	k.mu.Unlock()
	all, err := k.listed()
	if err == nil {
		var left int64
		left, err = k.removeAll(ctx, all)
		k.mu.Lock()
		k.share = left
		k.mu.Unlock()
	}
	if err != nil && ctx.Err() == nil {
		k.log().Warn("removing what is no longer used from the cache of revocation", "err", err)
	}
}

// removeAll also returns how many octets of issuers are left.
func (k *Keeper) removeAll(ctx context.Context, all []Stored) (int64, error) {
	slices.SortStableFunc(all, func(a, b Stored) int { return b.Used.Compare(a.Used) })
	now, left := k.now(), map[bool]int64{true: cacheIssuers - roomForIssuers, false: cacheBytes - cacheIssuers}
	var sum int64
	for i, s := range all {
		id, ok := parseKey(s.Key)
		share := id.kind == issuers
		if ok && now.Sub(s.Used) <= maxUnused && left[share] > 0 {
			left[share] -= s.Size
			if left[share] >= 0 {
				if share {
					sum += s.Size
				}
				continue
			}
		}
		err := k.Cache.Remove(ctx, s.Key)
		if err != nil {
			return sum + issuersOf(all[i:]), err
		}
		k.removed(id)
	}
	return sum, nil
}

// issuersOf returns the octets of those of issuers.
func issuersOf(all []Stored) (sum int64) {
	for _, s := range all {
		id, _ := parseKey(s.Key)
		if id.kind == issuers {
			sum += s.Size
		}
	}
	return sum
}

func (k *Keeper) removed(id key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.side(id.kind).byKey[id]; e != nil {
		e.stored, e.storedSize = false, 0
	}
}
