package discovery

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Bounds on what is kept of directories and of documents.
const (
	shelfEntries = 5000
	shelfOctets  = 16 << 20
)

// A learnt is what came of asking: directories for a name, or a server for a
// document. It is shared and must not be changed.
type learnt struct {
	steps     []Step // without Source, and the last without Then
	haul      haul
	temporary error // why a later try may find more
	asked     time.Time
	expires   time.Time // until when it may be used without asking; zero is not at all
}

// size is about what it takes in memory. A parsed certificate has the octets of
// its DER once more, and names, keys and extensions beside.
func (l *learnt) size() int {
	n := 512
	for _, s := range l.steps {
		n += 1024 + len(s.Query) + len(s.Server) + len(s.Outcome) // an error has much of them once more
	}
	for _, c := range l.haul.certs {
		n += 4096 + 2*len(c.Raw)
	}
	return n
}

// A shelf keeps what was learnt and joins equal questions into one flight. When
// it is full, what was used longest ago gives way.
type shelf struct {
	now    func() time.Time
	alarm  func(message string, args ...any) // for a panic in a flight
	ctx    context.Context                   // of flights
	cancel context.CancelFunc
	flying sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	known   map[string]*list.Element
	used    list.List // of *shelved, the last used first
	octets  int
	flights map[string]*flight
}

type shelved struct {
	key string
	learnt
}

func newShelf(now func() time.Time, alarm func(string, ...any)) *shelf {
	s := &shelf{now: now, alarm: alarm, known: map[string]*list.Element{}, flights: map[string]*flight{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// A flight asks for everybody who waits for it, and ends when nobody does.
type flight struct {
	fresh   bool
	waiters int
	stale   bool // a fresher one began after it
	cancel  context.CancelFunc
	done    chan struct{} // closed when learnt is set
	learnt  learnt
}

// A learner asks somebody. It returns soon after its context ends.
type learner func(context.Context) learnt

// how tells how get came to what it returns.
type how struct{ cached, joined bool }

var errClosed = errors.New("look-ups have ended")

// get returns what is kept under key, or has it learnt within limit. A fresh
// question takes nothing that was asked for before it. The error is that of ctx,
// or errClosed.
func (s *shelf) get(ctx context.Context, key string, fresh bool, limit time.Duration, learn learner) (learnt, how, error) {
	s.mu.Lock()
	if l, ok := s.look(key); ok && !fresh {
		s.mu.Unlock()
		return l, how{cached: true}, nil
	}
	if s.closed || ctx.Err() != nil {
		s.mu.Unlock()
		return learnt{}, how{}, cmp.Or(ctx.Err(), errClosed)
	}
	f := s.flights[key]
	joined := f != nil && (f.fresh || !fresh)
	if !joined {
		f = s.launch(key, fresh, limit, learn)
	}
	f.waiters++
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.learnt, how{joined: joined}, nil
	case <-ctx.Done():
		s.leave(key, f)
		return learnt{}, how{joined: joined}, ctx.Err()
	}
}

// look returns what is kept under key and may still be used. What was asked in
// the future, by a clock that was set back since, may not.
func (s *shelf) look(key string) (learnt, bool) {
	e, ok := s.known[key]
	if !ok {
		return learnt{}, false
	}
	at := e.Value.(*shelved)
	now := s.now()
	if now.Before(at.asked) || !now.Before(at.expires) {
		s.drop(e)
		return learnt{}, false
	}
	s.used.MoveToFront(e)
	return at.learnt, true
}

func (s *shelf) launch(key string, fresh bool, limit time.Duration, learn learner) *flight {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	f := &flight{fresh: fresh, cancel: cancel, done: make(chan struct{})}
	if old := s.flights[key]; old != nil {
		old.stale = true
	}
	s.flights[key] = f
	s.flying.Go(func() {
		defer cancel()
		l := s.safely(ctx, learn)
		s.land(key, f, l)
	})
	return f
}

// safely is the last net below the libraries: what a stranger sends must not take
// the server down (CD-31).
func (s *shelf) safely(ctx context.Context, learn learner) (l learnt) {
	defer func() {
		if r := recover(); r != nil {
			s.alarm("a look-up failed", "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			l = learnt{temporary: errors.New("what was sent could not be read")}
		}
	}()
	return learn(ctx)
}

func (s *shelf) land(key string, f *flight, l learnt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.learnt = l
	close(f.done)
	if s.flights[key] == f {
		delete(s.flights, key)
	}
	if f.waiters > 0 && !f.stale && !s.closed { // otherwise it may have been cut short
		s.put(key, l)
	}
}

// leave ends a flight that nobody waits for.
func (s *shelf) leave(key string, f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.waiters--
	if f.waiters > 0 {
		return
	}
	f.cancel()
	if s.flights[key] == f {
		delete(s.flights, key)
	}
}

// put keeps l until it expires. A failure does not replace what is still good.
func (s *shelf) put(key string, l learnt) {
	old, ok := s.look(key)
	if ok && len(old.haul.certs) > 0 && !l.haul.any() && l.failed() {
		return
	}
	if ok {
		s.drop(s.known[key])
	}
	if !l.expires.After(s.now()) {
		return
	}
	at := &shelved{key: key, learnt: l.forgetful()}
	s.known[key] = s.used.PushFront(at)
	s.octets += len(key) + l.size()
	for s.used.Len() > shelfEntries || s.octets > shelfOctets {
		s.drop(s.used.Back())
	}
}

func (s *shelf) drop(e *list.Element) {
	at := s.used.Remove(e).(*shelved)
	delete(s.known, at.key)
	s.octets -= len(at.key) + at.size()
}

// forgetful returns l as it is kept: the questions are of those who waited.
func (l learnt) forgetful() learnt {
	l.steps = slices.Clone(l.steps)
	for i := range l.steps {
		l.steps[i].Questions = nil
	}
	return l
}

// failed reports whether somebody who might have had something did not say.
func (l *learnt) failed() bool {
	if l.temporary != nil {
		return true
	}
	for _, step := range l.steps {
		if step.Err != nil {
			return true
		}
	}
	return false
}

// close ends all flights and returns when nothing is left of them.
func (s *shelf) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.flying.Wait()
}
