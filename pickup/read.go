package pickup

import (
	"context"
	"errors"
	"time"

	"github.com/emersion/go-imap/v2"
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
	// tookMessages is how many are marked as read at once, in one transaction.
	tookMessages = 500
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

// tookTime is how long noting what was sent may take when the session is over.
const tookTime = 10 * time.Second

// took has the backend note what was sent, also when the session broke off. That
// it was about to be read is noted already, so that it fails no command.
func (s *session) took(v *view, uids []uint32) {
	if len(uids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), tookTime)
	defer cancel()
	err := v.box.Took(ctx, uids)
	if err != nil && !errors.Is(err, ErrNoMailbox) {
		s.log.Error("imap reading could not be marked", "err", err)
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
		_, err = v.box.Read(s.ctx, all, nil)
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
