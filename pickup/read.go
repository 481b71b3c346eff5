package pickup

import (
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
