package httpedge

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"postern/trust/reason"
)

// A memory is what requests may hold in memory, in octets: all together, and those of
// one account, so that none keeps out the others. Who wants more waits for its turn.
//
// One part is for what requests say that they will hold, so that those that begin can
// end. Where it is taken the other part is for what has come of a request: what is
// announced and does not come keeps nobody out.
type memory struct {
	announced, come *semaphore.Weighted
	share           int64 // of one account

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
	m := &memory{share: max(most/4, min(most, largest)), shares: make(map[string]*share)}
	come := max(most/2, m.share)
	m.come, m.announced = semaphore.NewWeighted(come), semaphore.NewWeighted(most-come)
	return m
}

// A turn is what a request holds, or will. A request that needs none has the nil turn.
type turn struct {
	*memory
	own   *share
	done  func()
	size  int64 // of the share of its account
	whole bool  // it has room for all that it said
	held  int64 // of come, if not
}

// begin waits for room in the share of an account, for a request that will hold so much,
// and for what it holds at once.
func (m *memory) begin(ctx context.Context, account string, size, held int64) (*turn, error) {
	t := &turn{memory: m, size: min(size, m.share)}
	t.own, t.done = m.of(account)
	err := t.own.Acquire(ctx, t.size)
	if err != nil {
		t.done()
		return nil, err
	}
	t.whole = m.announced.TryAcquire(t.size)
	err = t.hold(ctx, held)
	if err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// holdStep is how much is taken at once of what is for what has come.
const holdStep = 1 << 20

// hold waits until the request may hold so much.
func (t *turn) hold(ctx context.Context, octets int64) error {
	octets = min(octets, t.size)
	if t.whole || octets <= t.held {
		return nil
	}
	more := min(max(octets, t.held+holdStep), t.size) - t.held
	err := t.come.Acquire(ctx, more)
	if err == nil {
		t.held += more
	}
	return err
}

// end gives all of it back.
func (t *turn) end() {
	if t == nil {
		return
	}
	if t.whole {
		t.announced.Release(t.size)
	}
	t.come.Release(t.held)
	t.own.Release(t.size)
	t.done()
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

// turn waits for that of a request, and for what it holds at once.
func (s *Server) turn(r *request, m *memory, size, held int64) (*turn, error) {
	if size <= smallRoom {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.options.Silence/2)
	defer cancel()
	t, err := m.begin(ctx, r.login.Account.Key(), size, held)
	return t, noTurn(err)
}

// reading waits for the turn of a request that shows a message of a size.
func (s *Server) reading(r *request, size int64) (end func(), err error) {
	size = readingOf(size)
	t, err := s.turn(r, s.shown, size, size)
	return t.end, err
}

// taking waits for the turn of a request whose content will be held in memory, and then
// for room for each piece of it that comes.
func (s *Server) taking(r *request, in *body, size int64) (end func(), err error) {
	t, err := s.turn(r, s.taken, size, 0)
	if t != nil {
		in.hurry(leastPace, func(octets int64) error {
			ctx, cancel := context.WithTimeout(r.Context(), s.options.Silence/2)
			defer cancel()
			return noTurn(t.hold(ctx, 2*octets))
		})
	}
	return t.end, err
}

func noTurn(err error) error {
	if err != nil {
		err = reason.New(reason.Busy, "waiting for memory: %w", err)
	}
	return err
}
