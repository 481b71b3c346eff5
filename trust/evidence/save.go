package evidence

import (
	"context"
	"time"
)

// proved has issuers saved that have served somebody: what strangers make us
// fetch and is good for nothing does not fill the store.
func (k *Keeper) proved(e *entry) {
	if e.unproven == nil || k.closed {
		return
	}
	e.unsaved, e.unproven = e.unproven, nil
	if !e.saving {
		e.saving = true
		k.flights.Go(func() { k.save(e) })
	}
}

// save puts the document of an entry into the cache, and after it those that
// come meanwhile, so that none is saved over a newer one.
func (k *Keeper) save(e *entry) {
	for g := k.nextToSave(e); g != nil; g = k.nextToSave(e) {
		k.store(e, g)
	}
}

func (k *Keeper) nextToSave(e *entry) *cargo {
	k.mu.Lock()
	defer k.mu.Unlock()
	g := e.unsaved
	e.unsaved, e.saving = nil, g != nil
	return g
}

// saveTime bounds a write to the cache, which Close waits for.
const saveTime = 30 * time.Second

func (k *Keeper) store(e *entry, g *cargo) {
	s := Stored{Key: e.key.String(), Body: g.who.pack(g.body), Fetched: g.doc.fetched, Expires: g.doc.due, Used: day(k.now())}
	size := int64(len(s.Body))
	k.pruning.RLock()
	defer k.pruning.RUnlock()
	was, ok := k.reserve(e, size)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), saveTime)
	defer cancel()
	err := k.Cache.Save(ctx, s)
	if err != nil {
		k.log().Warn("storing a document of revocation or issuers", "url", e.key.url, "err", err)
		k.reserve(e, was)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e.stored, e.storedFetched, e.storedDue, e.saved = true, s.Fetched, s.Expires, s.Used
	k.written += size
}

// reserve takes so many octets of the share of issuers, in place of those that
// an entry had, which it returns. It reports whether there is room: when there is
// none, what is there stays.
func (k *Keeper) reserve(e *entry, size int64) (was int64, ok bool) {
	if e.key.kind != issuers {
		return 0, true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	was = e.storedSize
	if size > was && k.share+size-was > cacheIssuers {
		return was, false
	}
	k.share += size - was
	e.storedSize = size
	return was, true
}
