package discovery

import (
	"container/list"
	"time"

	"github.com/miekg/dns"
)

// Bounds on what is kept.
const (
	maxEntries = 20_000
	maxOctets  = 32 << 20
	perEntry   = 512 // octets of an entry beside its names and records
	perRecord  = 192 // octets of a record beside its name and data
)

// A cacheKey is a question.
type cacheKey struct {
	name  string // its lower-case wire form
	qtype uint16
}

// An entry is an answer that is kept. It does not change.
type entry struct {
	cacheKey
	finding
	asked   time.Time
	expires time.Time
	size    int // octets that it takes, about
}

// newEntry returns f as it may be kept. Its time runs from when it was asked.
func newEntry(key cacheKey, f finding, asked time.Time) *entry {
	e := &entry{cacheKey: key, finding: f, asked: asked, expires: asked.Add(lifeOf(&f, asked))}
	e.size = perEntry + len(e.name) + len(e.zone)
	for _, rr := range e.records {
		e.size += perRecord + len(rr.Header().Name) + dns.Len(rr)*4/3 // the library holds base64
	}
	return e
}

// A cache keeps answers within bounds; those that were of use the longest ago
// make room. A flood of names, even under one domain, so pushes out only what
// nobody asks for, and what it pushes out costs one question each: it is a
// saving, and nothing is refused for what is not in it. The zero cache is empty.
type cache struct {
	entries map[cacheKey]*list.Element
	used    list.List // of *entry, the latest first
	octets  int
}

// get returns what is kept of a question, or nil. What is said to have been
// asked in the future does not count: the clock was set back, and nobody knows
// how old it is.
func (c *cache) get(key cacheKey, now time.Time) *entry {
	at, ok := c.entries[key]
	if !ok {
		return nil
	}
	e := at.Value.(*entry)
	if !e.goodAt(now) {
		c.remove(at)
		return nil
	}
	c.used.MoveToFront(at)
	return e
}

func (e *entry) goodAt(now time.Time) bool {
	return !e.asked.After(now) && now.Before(e.expires)
}

// put keeps e in the place of what there was, if e has any time to live. A
// failure does not take the place of an answer that is still good, nor an older
// one that of a newer.
func (c *cache) put(e *entry, now time.Time) {
	old := c.get(e.cacheKey, now)
	if old != nil {
		if old.asked.After(e.asked) || old.final() && !e.final() {
			return
		}
		c.remove(c.entries[e.cacheKey])
	}
	if !e.goodAt(now) || e.size > maxOctets {
		return
	}
	if c.entries == nil {
		c.entries = make(map[cacheKey]*list.Element)
	}
	c.entries[e.cacheKey] = c.used.PushFront(e)
	c.octets += e.size
	for c.octets > maxOctets || len(c.entries) > maxEntries {
		c.remove(c.used.Back())
	}
}

func (c *cache) remove(at *list.Element) {
	e := c.used.Remove(at).(*entry)
	delete(c.entries, e.cacheKey)
	c.octets -= e.size
}

// all returns the entries that are good now, the latest used first.
func (c *cache) all(now time.Time) []*entry {
	var found []*entry
	for at := c.used.Front(); at != nil; at = at.Next() {
		e := at.Value.(*entry)
		if e.goodAt(now) {
			found = append(found, e)
		}
	}
	return found
}
