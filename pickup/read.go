package pickup

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"postern/pickup/door"
)

// marksSeen reports whether an item sets \Seen (RFC 9051 §6.4.5).
func marksSeen(o *imap.FetchOptions) bool {
	for _, b := range o.BodySection {
		// RFC822.HEADER peeks, as the library knows.
		if !b.Peek {
			return true
		}
	}
	for _, b := range o.BinarySection {
		if !b.Peek {
			return true
		}
	}
	return false
}

// readsBody reports whether an item gives away what is in the body. The header of
// the message and the structure of its parts, by which clients make their lists,
// do not: nobody has read a message because its line was shown.
func readsBody(o *imap.FetchOptions) bool {
	for _, b := range o.BodySection {
		switch {
		case b.Specifier == imap.PartSpecifierMIME:
		case b.Specifier == imap.PartSpecifierHeader && len(b.Part) == 0:
		default:
			return true
		}
	}
	return len(o.BinarySection) > 0
}

// Bounds of what is noted at once, so that a FETCH that breaks off leaves few
// messages marked that were not sent.
const (
	blockMessages = 64
	blockBytes    = 1 << 20
)

// block is how many of the messages are noted and sent together: one at least.
func (v *view) block(positions []int, o *imap.FetchOptions) int {
	if !readsBody(o) && !marksSeen(o) {
		return len(positions)
	}
	bytes := int64(0)
	for n, i := range positions {
		bytes += v.entries[i].Size
		if n > 0 && (n == blockMessages || bytes > blockBytes) {
			return n
		}
	}
	return len(positions)
}

// took has a message noted as read when what was written of it has gone out: what was
// not sent was not read. mu is held.
func (s *session) took(uid uint32) {
	sent := s.sent
	s.front.wire.then(func() { sent.Add(uid) })
}

// sentOf remembers what was sent of a mailbox. That it was about to be read is noted
// already, so that this fails no command.
func (s *session) sentOf(box Mailbox) *door.Sent {
	return &door.Sent{Note: func(ctx context.Context, uids []uint32) {
		err := box.Took(ctx, uids)
		if err != nil && !errors.Is(err, ErrNoMailbox) {
			s.log.Error("imap reading could not be marked", "err", err)
		}
	}}
}

// settle notes what was sent, before anything else is done with it.
func (s *session) settle() {
	s.mu.Lock()
	sent := s.sent
	s.mu.Unlock()
	if sent != nil {
		sent.Flush()
	}
}

// mark has the backend note what is read, and sets \Seen. It returns the UIDs
// whose flags it changed.
func (s *session) mark(v *view, positions []int, o *imap.FetchOptions) (map[uint32]bool, error) {
	marks, reads := marksSeen(o) && !v.readOnly, readsBody(o)
	if !marks && !reads {
		return nil, nil
	}
	var all, unseen []uint32
	for _, i := range positions {
		e := &v.entries[i]
		if e.gone {
			continue
		}
		all = append(all, e.UID)
		if !hasFlag(e.Flags, string(imap.FlagSeen)) {
			unseen = append(unseen, e.UID)
		}
	}
	add := []string{string(imap.FlagSeen)}
	var after []Message
	var err error
	switch {
	case reads && marks && len(unseen) > 0:
		after, err = v.box.Read(s.ctx, all, add)
	case reads:
		err = s.note(v, positions)
	case len(unseen) > 0:
		after, err = v.box.SetFlags(s.ctx, unseen, FlagChange{Op: AddFlags, Flags: add})
	}
	if err != nil {
		return nil, err
	}
	changed := make(map[uint32]bool, len(after))
	for _, m := range after {
		i, ok := v.find(m.UID)
		if ok {
			v.entries[i].Message = m
			v.learn(m.Flags)
		}
		changed[m.UID] = true
	}
	return changed, nil
}
