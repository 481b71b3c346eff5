package mailbox

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Turns are those of searches that look into messages: one of an account at a time, so
// that its sessions wait for each other and not others for all of them, and of all accounts
// so many that a processor is left to everything else.
type turns struct {
	all *semaphore.Weighted
	mu  sync.Mutex
	of  map[string]*own // by Address.Key; those that somebody has or waits for
}

// Own are the turns of an account.
type own struct {
	*semaphore.Weighted
	users int
}

func newTurns() *turns {
	return &turns{
		all: semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)-1))),
		of:  make(map[string]*own),
	}
}

// take waits for the turn of an account among its own, and then among all.
func (t *turns) take(ctx context.Context, account string) (done func(), err error) {
	mine := t.join(account)
	err = mine.Acquire(ctx, 1)
	if err != nil {
		t.leave(account, mine)
		return nil, err
	}
	err = t.all.Acquire(ctx, 1)
	if err != nil {
		mine.Release(1)
		t.leave(account, mine)
		return nil, err
	}
	return func() {
		t.all.Release(1)
		mine.Release(1)
		t.leave(account, mine)
	}, nil
}

func (t *turns) join(account string) *own {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := t.of[account]
	if mine == nil {
		mine = &own{Weighted: semaphore.NewWeighted(1)}
		t.of[account] = mine
	}
	mine.users++
	return mine
}

func (t *turns) leave(account string, mine *own) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine.users--
	if mine.users == 0 {
		delete(t.of, account)
	}
}

// Turn implements pickup.Mailbox.
func (b *mailbox) Turn(ctx context.Context) (done func(), err error) {
	return b.turns.take(ctx, b.account.Key())
}
