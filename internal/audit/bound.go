package audit

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a record. Others choose some of its texts, and none of them may make
// the trail grow without end: what is longer is cut, and the record says so.
const (
	MaxText   = 512  // octets of actor, object, track, reason, and of each key and part
	MaxDetail = 1024 // octets of the detail
	MaxKeys   = 64   // keys in a record
	MaxParts  = 1000 // recipients in a record
	MaxRows   = 1000 // rows in a record, which the store does not exceed: nothing of them is cut
)

// Bound returns a record that fits the bounds, with what was left out in Cut.
func (r Record) Bound() Record {
	var cut []string
	shorten := func(s *string, name string, limit int) {
		short := shortened(*s, limit)
		if short != *s {
			cut = append(cut, name)
			*s = short
		}
	}
	shorten(&r.Actor, "actor", MaxText)
	shorten((*string)(&r.Action), "action", MaxText)
	shorten(&r.Object, "object", MaxText)
	shorten(&r.Track, "track", MaxText)
	shorten(&r.Reason, "reason", MaxText)
	shorten(&r.Detail, "detail", MaxDetail)
	keys, parts := len(r.Keys), len(r.Parts)
	r.Keys = append([]string(nil), r.Keys[:min(keys, MaxKeys)]...)
	for i := range r.Keys {
		shorten(&r.Keys[i], "key", MaxText)
	}
	r.Parts = append([]Part(nil), r.Parts[:min(parts, MaxParts)]...)
	for i := range r.Parts {
		p := &r.Parts[i]
		shorten(&p.Recipient, "recipient", MaxText)
		shorten(&p.State, "state", MaxText)
		shorten(&p.Reason, "reason of a part", MaxText)
	}
	if keys > MaxKeys {
		cut = append(cut, fmt.Sprintf("%d keys", keys-MaxKeys))
	}
	if parts > MaxParts {
		cut = append(cut, fmt.Sprintf("%d parts", parts-MaxParts))
	}
	if len(cut) > 0 {
		r.Cut = shortened(strings.Join(cut, ", "), MaxText)
	}
	return r
}

// shortened cuts at the end of a character, and makes of what is no UTF-8 what
// JSON would make of it.
func shortened(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
