package httpedge

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"postern/trust/reason"
)

// A memory is what requests may hold in memory, in octets: all together, and those of
// one account, so that none keeps out the others. Who wants more waits for its turn.
type memory struct {
	all   *semaphore.Weighted
	share int64 // of one account

	mu     sync.Mutex
	shares map[string]*share // by Address.Key
}

// A share is what one account holds.
type share struct {
	*semaphore.Weighted
	users int // requests that hold some of it, or wait
}

// newMemory has room for most octets, a quarter of that for one account. A largest
// request fits in any case.
func newMemory(most, largest int64) *memory {
	return &memory{
		all: semaphore.NewWeighted(most), share: max(most/4, min(most, largest)), shares: make(map[string]*share),
	}
}

// take waits for room, first of the account and then of all.
func (m *memory) take(ctx context.Context, account string, size int64) (release func(), err error) {
	size = min(size, m.share)
	own, done := m.of(account)
	err = own.Acquire(ctx, size)
	if err != nil {
		done()
		return nil, err
	}
	err = m.all.Acquire(ctx, size)
	if err != nil {
		own.Release(size)
		done()
		return nil, err
	}
	return func() {
		m.all.Release(size)
		own.Release(size)
		done()
	}, nil
}

// of returns the share of an account, which is forgotten when nobody uses it.
func (m *memory) of(account string) (s *share, done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s = m.shares[account]
	if s == nil {
		s = &share{Weighted: semaphore.NewWeighted(m.share)}
		m.shares[account] = s
	}
	s.users++
	return s, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		s.users--
		if s.users == 0 {
			delete(m.shares, account)
		}
	}
}

// smallRoom is what a request may hold without a turn.
const smallRoom = 1 << 20

// room waits for its turn where a request takes much memory.
func (s *Server) room(r *request, size int64) (release func(), err error) {
	if size <= smallRoom {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.options.Silence/2)
	defer cancel()
	release, err = s.memory.take(ctx, r.login.Account.Key(), size)
	if err != nil {
		return nil, reason.New(reason.Busy, "waiting for memory: %w", err)
	}
	return release, nil
}
