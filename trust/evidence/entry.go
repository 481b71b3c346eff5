package evidence

import (
	"container/list"
	"net"
	"strings"
	"time"

	"postern/internal/fetch"
)

// An entry is all that is known of one document.
type entry struct {
	key  key
	host string  // its origin
	who  parties // nil certificates while they are only in the cache

	doc    *document // the last good one; nil if it is not in memory
	stored bool      // the cache has one, or may have
	// The dates of a document that is only in the cache.
	storedFetched, storedDue time.Time
	storedSize               int64     // octets that count for the share of issuers
	made                     time.Time // of the newest document that was here

	flight   *flight // under way, or nil
	trouble  trouble
	used     time.Time
	arrived  time.Time // when a document came last
	unproven *cargo    // issuers that came last and have served nobody yet
	unsaved  *cargo    // the last that came, which is to be saved
	saving   bool      // one that came is being saved
	saved    time.Time // Used in the cache
	alarmed  bool      // the end of the document was warned of

	place *list.Element
}

// asleep reports whether the document is only in the cache.
func (e *entry) asleep() bool { return e.doc == nil && e.stored }

// untried reports whether a document of revocation was never asked for. It is then
// fetched whatever is known of its host: no answer is no reason to believe.
func (e *entry) untried() bool {
	return e.key.kind != issuers && e.doc == nil && !e.stored && e.arrived.IsZero() && e.trouble.tries == 0
}

// fresh reports whether nothing need be fetched.
func (e *entry) fresh(now time.Time) bool { return e.doc != nil && now.Before(e.doc.due) }

// wantsRefresh reports whether a document that is in use should be fetched anew.
func (e *entry) wantsRefresh(now time.Time) bool {
	if e.key.kind == issuers || now.Sub(e.used) > refreshUsed {
		return false // issuers serve while they are fetched again
	}
	switch {
	case e.doc != nil:
		return !now.Before(e.doc.refresh)
	case e.stored:
		return !now.Before(refreshAt(e.storedFetched, e.storedDue))
	}
	// What was asked for in vain is tried again before it is asked for again.
	return e.trouble.tries > 0 && now.Sub(e.used) < longPause
}

// A table holds entries within bounds; the one not asked for for longest goes
// first. Entries of fetches and writes under way stay.
type table struct {
	entries    int   // at most
	bytes      int64 // of documents, at most, but for those in use and one alone
	byKey      map[key]*entry
	order      list.List // *entry, the one used last in front
	documented int64     // octets of documents
	lost       bool      // entries of what the cache has were forgotten
}

// get returns the entry of a key, and makes it if need be. If it may have been
// forgotten, the cache is asked before the network.
func (t *table) get(k key, who parties, now time.Time) *entry {
	e := t.byKey[k]
	if e == nil {
		e = &entry{key: k, host: originOf(k.url), stored: t.lost}
		if t.byKey == nil {
			t.byKey = make(map[key]*entry)
		}
		t.byKey[k], e.place = e, t.order.PushFront(e)
		t.forget(e)
	}
	t.order.MoveToFront(e.place)
	e.used = now
	if e.who.issuer == nil {
		e.who = who
	}
	return e
}

// originOf returns the scheme, host and port of a URL. The same port may be silent
// to one scheme and answer to the other.
func originOf(raw string) string {
	u, err := fetch.Parse(raw)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.TrimSuffix(u.Hostname(), "."), port)
}

// What was asked for within inUse stays, so that the documents of one judgement
// do not drive each other out, until there are stretch times as many octets as
// there should be.
const (
	inUse   = time.Minute
	stretch = 8
)

// put gives an entry its document and makes room for it.
func (t *table) put(e *entry, d *document, now time.Time) {
	t.drop(e)
	e.doc, e.made, e.arrived = d, d.made, now
	t.documented += d.size
	for place := t.order.Back(); place != nil && t.documented > t.bytes; place = place.Prev() {
		old := place.Value.(*entry)
		if old != e && (now.Sub(old.used) >= inUse || t.documented > stretch*t.bytes) {
			t.drop(old)
		}
	}
}

// crowded reports whether a document came a moment ago and had to go again.
// Nobody waits for it to come once more: that could go on for ever.
func (e *entry) crowded(now time.Time) bool {
	return e.doc == nil && !e.arrived.IsZero() && now.Sub(e.arrived) < inUse
}

func (t *table) drop(e *entry) {
	if e.doc != nil {
		t.documented -= e.doc.size
		e.storedFetched, e.storedDue = e.doc.fetched, e.doc.due
		e.doc, e.unproven = nil, nil
	}
}

// forget keeps the number of entries within its bound, and the newest in any
// case.
func (t *table) forget(newest *entry) {
	for place := t.order.Back(); place != nil && len(t.byKey) > t.entries; {
		e := place.Value.(*entry)
		place = place.Prev()
		if e != newest && e.flight == nil && !e.saving {
			t.drop(e)
			t.lost = t.lost || e.stored
			t.order.Remove(e.place)
			delete(t.byKey, e.key)
		}
	}
}
