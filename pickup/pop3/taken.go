package pop3

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"postern/pickup"
)

const (
	// takenMost is how many messages that were sent wait to be noted in one
	// transaction, and takenTime for how long. That they were about to be read is
	// noted before each.
	takenMost = 64
	takenTime = 2 * time.Second
	// noteTime is how long noting may take when the session is over.
	noteTime = 10 * time.Second
)

// taken remembers of which messages all was sent until that is noted.
type taken struct {
	note  func(context.Context, []uint32) error
	mu    sync.Mutex // also while noting, so that flush returns after it
	uids  []uint32
	timer *time.Timer
}

func (t *taken) add(uid uint32, log *slog.Logger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.uids = append(t.uids, uid)
	switch {
	case len(t.uids) >= takenMost:
		t.write(log)
	case len(t.uids) == 1:
		t.timer = time.AfterFunc(takenTime, func() { t.flush(log) })
	}
}

// flush notes what was sent, also when the session broke off.
func (t *taken) flush(log *slog.Logger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write(log)
}

// write is flush while mu is held.
func (t *taken) write(log *slog.Logger) {
	if len(t.uids) == 0 {
		return
	}
	t.timer.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), noteTime)
	defer cancel()
	err := t.note(ctx, t.uids)
	if err != nil && !errors.Is(err, pickup.ErrNoMailbox) {
		log.Error("pop3 reading could not be marked", "err", err)
	}
	t.uids = t.uids[:0]
}
