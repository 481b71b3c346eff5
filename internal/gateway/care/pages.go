package care

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"postern/internal/gateway/task"
	"postern/store"
)

// pagesEvery is how often the log says how far a walk over the pages is.
const pagesEvery = 10 * time.Second

// A pages knows what is known of the pages of the store.
type pages struct {
	share   atomic.Uint64 // of them that is known to be sound, as the bits of a float64
	damaged atomic.Bool
}

// A pageLog tells the log how far a walk is: at its begin, and now and again.
type pageLog struct {
	log  *slog.Logger
	last time.Time // zero before the begin
}

func (l *pageLog) tell(p store.PageProgress) {
	switch now := time.Now(); {
	case l.last.IsZero():
		l.log.Info("checking the pages of the store", "pages", p.All)
		l.last = now
	case now.Sub(l.last) >= pagesEvery:
		l.log.Warn("still checking the pages of the store", "checked", p.Done, "pages", p.All)
		l.last = now
	}
}

// checkPages checks the pages that were left for later when the store was opened.
func (k *Keeper) checkPages(ctx context.Context) {
	told := pageLog{log: k.Log}
	err := task.Contained(func() error {
		return k.Store.CheckPages(ctx, func(p store.PageProgress) {
			k.pages.share.Store(math.Float64bits(float64(p.Done) / float64(max(p.All, 1))))
			told.tell(p)
		})
	})
	switch {
	case err == nil:
		k.pages.share.Store(math.Float64bits(1))
		if !told.last.IsZero() {
			k.Log.Info("all pages of the store are sound")
		}
	case errors.Is(err, store.ErrCorrupt):
		k.pages.damaged.Store(true)
		k.Log.Error("the store is damaged: nothing is written to it any more; stop the server and restore the last backup", "err", err)
	case ctx.Err() == nil:
		k.Log.Error("the pages of the store cannot be checked", "err", err)
	}
}
