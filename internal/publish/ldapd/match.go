package ldapd

import (
	"slices"

	"postern/internal/publish"
)

// A truth is the value of a filter for an entry (RFC 4511 §4.5.1.7).
type truth int8

// The order makes and the least, or the greatest, and not the opposite.
const (
	isFalse   truth = -1
	undefined truth = 0
	isTrue    truth = 1
)

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// match evaluates the filter for an entry.
func (f *filter) match(e *publish.Entry) truth {
	switch f.kind {
	case kindAnd:
		all := isTrue
		for _, inner := range f.of {
			all = min(all, inner.match(e))
		}
		return all
	case kindOr:
		some := isFalse
		for _, inner := range f.of {
			some = max(some, inner.match(e))
		}
		return some
	case kindNot:
		return -f.of[0].match(e)
	}
	return f.matchAttribute(e)
}

// matchAttribute is undefined for attributes that are not known, and for those
// that have no such matching rule.
func (f *filter) matchAttribute(e *publish.Entry) truth {
	if f.attribute == "" {
		return undefined
	}
	values := valuesOf(e, f.attribute)
	switch {
	case f.kind == kindPresent:
		return truthOf(len(values) > 0)
	case f.kind == kindEqual && text(f.attribute):
		return truthOf(slices.ContainsFunc(values, func(v []byte) bool { return fold(string(v)) == f.value }))
	case f.kind == kindSubstrings && substrings(f.attribute):
		return truthOf(slices.ContainsFunc(values, func(v []byte) bool { return f.pieces.within(fold(string(v))) }))
	}
	return undefined
}

// valuesOf returns the values of an attribute by its canonical name.
func valuesOf(e *publish.Entry, name string) [][]byte {
	for _, a := range e.Attributes {
		own, _ := attributeOf(a.Name)
		if own == name {
			return a.Values
		}
	}
	return nil
}
