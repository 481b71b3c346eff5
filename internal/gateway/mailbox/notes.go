package mailbox

import (
	"slices"
	"sync"

	"postern/store"
)

// maxRanges bounds what is remembered of one mailbox in a session. Beyond it the
// session begins anew, and what it reads again is noted again.
const maxRanges = 4096

// sessionNotes are what was noted of a session, so that it is noted once.
type sessionNotes struct {
	via      string // the protocol, as people write it
	noted    *notes // what is read, in the audit trail
	taken    *notes // what was sent whole, in the messages
	searched *notes // which mailboxes were searched, in the audit trail
}

// notes remember messages of a session.
type notes struct {
	mu    sync.Mutex
	boxes map[store.MailboxID]uidRanges
}

func (n *notes) has(box store.MailboxID, uid uint32) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.boxes[box].has(uid)
}

// unknown returns those of the UIDs that were not noted.
func (n *notes) unknown(box store.MailboxID, uids []uint32) []uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []uint32
	for _, uid := range uids {
		if !n.boxes[box].has(uid) {
			out = append(out, uid)
		}
	}
	return out
}

func (n *notes) add(box store.MailboxID, read []store.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.boxes == nil || len(n.boxes) >= maxRanges {
		n.boxes = make(map[store.MailboxID]uidRanges)
	}
	ranges := n.boxes[box]
	for _, m := range read {
		ranges = ranges.add(m.UID)
	}
	if len(ranges) > maxRanges {
		ranges = nil
	}
	n.boxes[box] = ranges
}

// uidRanges is a set of UIDs: ranges in order, with both ends, none next to another.
type uidRanges [][2]uint32

// find returns the first range that does not end before uid.
func (r uidRanges) find(uid uint32) int {
	i, _ := slices.BinarySearchFunc(r, uid, func(e [2]uint32, uid uint32) int {
		if e[1] < uid {
			return -1
		}
		return 1
	})
	return i
}

func (r uidRanges) has(uid uint32) bool {
	i := r.find(uid)
	return i < len(r) && r[i][0] <= uid
}

func (r uidRanges) add(uid uint32) uidRanges {
	if r.has(uid) {
		return r
	}
	i := r.find(uid)
	after := i > 0 && r[i-1][1]+1 == uid
	before := i < len(r) && r[i][0]-1 == uid
	switch {
	case after && before:
		r[i-1][1] = r[i][1]
		return slices.Delete(r, i, i+1)
	case after:
		r[i-1][1] = uid
	case before:
		r[i][0] = uid
	default:
		return slices.Insert(r, i, [2]uint32{uid, uid})
	}
	return r
}
