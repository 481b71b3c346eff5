package discovery

import (
	"container/list"
	"time"
)

// A value is what an lru keeps. It does not change.
type value[K comparable] interface {
	key() K
	span() lifetime
	size() int      // octets that it takes, about
	answered() bool // somebody said something, be it that there is nothing
}

// An lru keeps values within bounds; those that were of use the longest ago make
// room. A flood of names, even under one domain, so pushes out only what nobody
// asks for, and what it pushes out costs one question each: it is a saving, and
// nothing is refused for what is not in it.
type lru[K comparable, V value[K]] struct {
	maxEntries, maxOctets int

	entries map[K]*list.Element
	used    list.List // of V, the latest first
	octets  int
}

// get returns what is kept under key and good now.
func (c *lru[K, V]) get(key K, now time.Time) (v V, ok bool) {
	at, ok := c.entries[key]
	if !ok {
		return v, false
	}
	kept := at.Value.(V)
	if !kept.span().goodAt(now) {
		c.remove(at)
		return v, false
	}
	c.used.MoveToFront(at)
	return kept, true
}

// put keeps v in the place of what there was, if it has any time to live. A
// failure does not take the place of an answer that is still good, nor an older
// one that of a newer.
func (c *lru[K, V]) put(v V, now time.Time) {
	old, ok := c.get(v.key(), now)
	if ok {
		if old.span().asked.After(v.span().asked) || old.answered() && !v.answered() {
			return
		}
		c.remove(c.entries[v.key()])
	}
	if !v.span().goodAt(now) || v.size() > c.maxOctets {
		return
	}
	if c.entries == nil {
		c.entries = make(map[K]*list.Element)
	}
	c.entries[v.key()] = c.used.PushFront(v)
	c.octets += v.size()
	for c.octets > c.maxOctets || len(c.entries) > c.maxEntries {
		c.remove(c.used.Back())
	}
}

func (c *lru[K, V]) remove(at *list.Element) {
	v := c.used.Remove(at).(V)
	delete(c.entries, v.key())
	c.octets -= v.size()
}

// all returns the values that are good now, the latest used first.
func (c *lru[K, V]) all(now time.Time) []V {
	var found []V
	for at := c.used.Front(); at != nil; at = at.Next() {
		v := at.Value.(V)
		if v.span().goodAt(now) {
			found = append(found, v)
		}
	}
	return found
}
