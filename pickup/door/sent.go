package door

import (
	"context"
	"sync"
	"time"
)

const (
	// sentMost is how many messages that were sent wait to be noted in one transaction,
	// and sentTime for how long.
	sentMost = 256
	sentTime = 2 * time.Second
	// noteTime is how long noting may take, also when the session is over.
	noteTime = 10 * time.Second
)

// Sent remembers of which messages a client has all until that is noted: each note is a
// transaction, and clients take message by message. That a message was about to be read
// is noted before it is sent, so that nothing hangs on this but from when on it counts as
// read by its owner.
type Sent struct {
	// Note notes messages, and tells of what fails itself.
	Note func(ctx context.Context, uids []uint32)

	mu    sync.Mutex // also while noting, so that Flush returns after it
	uids  []uint32
	timer *time.Timer
}

// Add has a message noted soon.
func (s *Sent) Add(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := len(s.uids) == 0
	s.uids = append(s.uids, uid)
	switch {
	case len(s.uids) >= sentMost:
		s.write()
	case first:
		s.timer = time.AfterFunc(sentTime, s.Flush)
	}
}

// Flush notes what was sent, also when the session broke off.
func (s *Sent) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write()
}

// write is Flush while mu is held.
func (s *Sent) write() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if len(s.uids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), noteTime)
	defer cancel()
	s.Note(ctx, s.uids)
	s.uids = nil
}
