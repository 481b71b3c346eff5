package pickup

import (
	"fmt"
	"slices"
	"sort"
)

// A stretch is a range of octets of a message as it is stored. An empty one is a
// section that has nothing and was sent.
type stretch struct{ from, to int64 }

// stretches are in their order, and none touches another.
type stretches []stretch

func (s stretches) add(n stretch) stretches {
	i := sort.Search(len(s), func(i int) bool { return s[i].to >= n.from })
	j := i
	for ; j < len(s) && s[j].from <= n.to; j++ {
		n = stretch{min(n.from, s[j].from), max(n.to, s[j].to)}
	}
	return slices.Replace(s, i, j, n)
}

// cover reports whether every octet from one to before the other is among them.
func (s stretches) cover(from, to int64) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].to >= to })
	return i < len(s) && s[i].from <= from
}

// whole reports whether all of a part is among them, at once or part by part. What is
// between the parts of a multipart is nobody's text.
func (s stretches) whole(p *part) bool {
	switch {
	case s.cover(p.body, p.end):
		return true
	case p.message != nil:
		return s.cover(p.message.header, p.message.body) && !s.lacks(p.message)
	case len(p.children) == 0 || p.more:
		return false
	}
	for _, c := range p.children {
		if s.lacks(c) {
			return false
		}
	}
	return true
}

// lacks reports whether a part within another one is not whole. Nobody asks for one
// that has nothing.
func (s stretches) lacks(p *part) bool { return p.body < p.end && !s.whole(p) }

// taken remembers what of messages the client of a view was sent, until it is all of
// their text. The zero taken is ready for use.
type taken struct {
	begun []begun // the one that was sent of last at the end
	count int     // of their stretches
}

type begun struct {
	uid  uint32
	sent stretches
}

// maxStretches bounds what is remembered of a view, 64 KiB: all parts of one message,
// or the first of many. Beyond it what was begun the longest ago is as never sent.
const maxStretches = 1024

// took adds what was sent of a message, and reports whether that was the last of its
// text: it is read then.
func (t *taken) took(m *message, sent []literal) (bool, error) {
	b := t.take(m.uid)
	text := false
	for _, l := range sent {
		if l.of != nil {
			text = true
			b.sent = b.sent.add(*l.of)
		}
	}
	whole, err := false, error(nil)
	if text {
		whole, err = m.all(b.sent)
	}
	if !whole {
		t.put(b)
	}
	return whole, err
}

// take removes and returns what is remembered of a message.
func (t *taken) take(uid uint32) begun {
	i := slices.IndexFunc(t.begun, func(b begun) bool { return b.uid == uid })
	if i < 0 {
		return begun{uid: uid}
	}
	b := t.begun[i]
	t.begun = slices.Delete(t.begun, i, i+1)
	t.count -= len(b.sent)
	return b
}

func (t *taken) put(b begun) {
	if len(b.sent) == 0 {
		return
	}
	t.begun = append(t.begun, b)
	t.count += len(b.sent)
	n := 0
	for ; t.count > maxStretches; n++ {
		t.count -= len(t.begun[n].sent)
	}
	t.begun = slices.Delete(t.begun, 0, n)
}

// all reports whether what was sent is all of the message's text. The message is not
// scanned for that: who is sent parts of it has had it scanned.
func (m *message) all(sent stretches) (bool, error) {
	size := m.body.Size()
	if sent.cover(0, size) {
		return true, nil
	}
	if m.last.root != nil && m.last.uid == m.uid {
		return sent.whole(m.last.root), nil
	}
	if !sent.cover(size, size) {
		return false, nil
	}
	head, err := m.header()
	if err != nil {
		return false, fmt.Errorf("looking for the text of a message: %w", err)
	}
	return sent.cover(int64(len(head)), size), nil
}
