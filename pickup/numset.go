package pickup

import (
	"sort"

	"github.com/emersion/go-imap/v2"
)

// resolve returns the positions of the messages a set names, in order and each
// once. Numbers that name no message are passed over, as RFC 9051 §6.4.9 says
// of UIDs; "*" is the last message.
func (v *view) resolve(set imap.NumSet) []int {
	if imap.IsSearchRes(set) {
		return v.positions(v.saved)
	}
	return flatten(v.spans(set))
}

// spans is resolve as ranges.
func (v *view) spans(set imap.NumSet) []span {
	var spans []span
	switch set := set.(type) {
	case imap.SeqSet:
		for _, r := range set {
			first, last := order(r.Start, r.Stop, uint32(len(v.entries)))
			spans = append(spans, v.clampSeq(first, last))
		}
	case imap.UIDSet:
		var max uint32
		if n := len(v.entries); n > 0 {
			max = v.entries[n-1].UID
		}
		for _, r := range set {
			first, last := order(uint32(r.Start), uint32(r.Stop), max)
			spans = append(spans, v.clampUID(first, last))
		}
	}
	return spans
}

// A span is a range of positions, the end excluded.
type span struct{ from, to int }

// order gives "*", which is zero, its value and puts the smaller number first.
func order(a, b, star uint32) (uint32, uint32) {
	if a == 0 {
		a = star
	}
	if b == 0 {
		b = star
	}
	return min(a, b), max(a, b)
}

func (v *view) clampSeq(first, last uint32) span {
	n := uint32(len(v.entries))
	if first == 0 || first > n {
		return span{}
	}
	return span{int(first - 1), int(min(last, n))}
}

func (v *view) clampUID(first, last uint32) span {
	from, _ := v.find(first)
	to, ok := v.find(last)
	if ok {
		to++
	}
	return span{from, to}
}

// flatten lists the positions of spans; overlapping ones count once, so the
// list is never longer than the mailbox.
func flatten(spans []span) []int {
	sort.Slice(spans, func(i, j int) bool { return spans[i].from < spans[j].from })
	var out []int
	next := 0
	for _, s := range spans {
		for i := max(s.from, next); i < s.to; i++ {
			out = append(out, i)
		}
		next = max(next, s.to)
	}
	return out
}

func (v *view) positions(uids []uint32) []int {
	var out []int
	for _, uid := range uids {
		if i, ok := v.find(uid); ok {
			out = append(out, i)
		}
	}
	return out
}

func (v *view) uids(positions []int) []uint32 {
	out := make([]uint32, 0, len(positions))
	for _, i := range positions {
		if !v.entries[i].gone {
			out = append(out, v.entries[i].UID)
		}
	}
	return out
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set
}
