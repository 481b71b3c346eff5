package pickup

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2/imapserver"
)

// Poll tells the client what changed since the last time. The library calls it
// at the end of commands, and forbids EXPUNGE where sequence numbers must not
// shift (RFC 9051 §7.5.1).
func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil {
		return nil
	}
	err := s.check()
	if err != nil {
		return err
	}
	err = s.update(w, allowExpunge)
	if err != nil {
		s.bye("The selected mailbox cannot be read any more")
		return err
	}
	return nil
}

// update refreshes the view and tells the changes. mu is held.
func (s *session) update(w updateWriter, allowExpunge bool) error {
	if s.view == nil {
		return nil
	}
	s.view.modSeqs = nil
	if s.aware {
		s.view.modSeqs = s.tellModSeq
	}
	err := s.view.refresh(s.ctx)
	if err != nil {
		if !errors.Is(err, ErrNoMailbox) && s.ctx.Err() == nil {
			s.log.Error("imap poll failed", "err", err)
		}
		return err
	}
	return s.view.tell(w, allowExpunge)
}

// Idle tells changes as they are committed, until stop is closed (RFC 9051
// §6.3.13).
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	if !s.startIdle() {
		return nil
	}
	defer s.idling.Done()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.idling.Add(1)
	go func() {
		defer s.idling.Done()
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.idle(ctx, w)
	if err != nil && ctx.Err() == nil {
		s.bye("The selected mailbox cannot be read any more")
		return err
	}
	return nil
}

func (s *session) startIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.idling.Add(1)
	return true
}

func (s *session) idle(ctx context.Context, w updateWriter) error {
	for {
		box, since, err := s.tellIdle(w)
		if err != nil {
			return err
		}
		if box == nil {
			<-ctx.Done()
			return nil
		}
		err = s.wait(ctx, box, since)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// wait waits for a change, but not longer than until the login is to be looked
// at again: closing an account changes no mailbox.
func (s *session) wait(ctx context.Context, box Mailbox, since uint64) error {
	limited, cancel := context.WithTimeout(ctx, s.server.options.Recheck)
	defer cancel()
	err := box.Wait(limited, since)
	if limited.Err() != nil && errors.Is(err, limited.Err()) {
		return ctx.Err()
	}
	return err
}

// tellIdle tells what there is, and returns what to wait for.
func (s *session) tellIdle(w updateWriter) (Mailbox, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.view == nil {
		return nil, 0, nil
	}
	err := s.check()
	if err != nil {
		return nil, 0, err
	}
	err = s.update(w, true)
	if err != nil {
		return nil, 0, err
	}
	return s.view.box, s.view.modSeq, nil
}
