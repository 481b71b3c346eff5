package ldapd

import (
	"fmt"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// A kind is the choice of a filter (RFC 4511 §4.5.1.7).
type kind byte

const (
	kindAnd        kind = 0
	kindOr         kind = 1
	kindNot        kind = 2
	kindEqual      kind = 3
	kindSubstrings kind = 4
	kindGreater    kind = 5
	kindLess       kind = 6
	kindPresent    kind = 7
	kindApprox     kind = 8
	kindExtensible kind = 9
)

// A filter is one node of a search's condition. Its depth is bounded by that of
// the message.
type filter struct {
	kind      kind
	of        []*filter // of and, or, not
	attribute string    // "" if this directory does not know it
	value     string    // folded
	pieces    pieces    // of substrings
}

// pieces are what has to be in a value, in order; all folded.
type pieces struct {
	initial, final string
	any            []string
}

// Identifiers within filters.
const (
	contextPrimitive   = 0x80
	contextConstructed = 0xa0
)

// parseFilter reads a Filter.
func parseFilter(p *ber.Packet) (*filter, error) {
	if p.ClassType != ber.ClassContext {
		return nil, fmt.Errorf("%w: a filter of an unknown kind", errMalformed)
	}
	f := &filter{kind: kind(p.Tag)}
	identifier := contextConstructed | byte(f.kind)
	switch f.kind {
	case kindAnd, kindOr, kindNot:
		return f, f.parseList(fieldsOf(p, identifier))
	case kindEqual, kindGreater, kindLess, kindApprox:
		return f, f.parseAssertion(fieldsOf(p, identifier))
	case kindSubstrings:
		return f, f.parseSubstrings(fieldsOf(p, identifier))
	case kindPresent:
		all := &fields{rest: []*ber.Packet{p}}
		f.attribute, _ = attributeOf(all.octets(contextPrimitive | byte(kindPresent)))
		return f, all.err
	case kindExtensible:
		return f, nil
	}
	return nil, fmt.Errorf("%w: a filter of an unknown kind", errMalformed)
}

// parseList reads the filters of and, or and not. An empty and is true, an empty
// or is false (RFC 4526 §2).
func (f *filter) parseList(all *fields) error {
	for _, p := range all.rest {
		inner, err := parseFilter(p)
		if err != nil {
			return err
		}
		f.of = append(f.of, inner)
	}
	if all.err == nil && f.kind == kindNot && len(f.of) != 1 {
		return fmt.Errorf("%w: not of %d filters", errMalformed, len(f.of))
	}
	return all.err
}

func (f *filter) parseAssertion(all *fields) error {
	f.attribute, _ = attributeOf(all.octets(idOctetString))
	f.value = fold(all.octets(idOctetString))
	if f.kind == kindApprox {
		f.kind = kindEqual // RFC 4511 §4.5.1.7.6
	}
	return all.err
}

// parseSubstrings reads a SubstringFilter (RFC 4511 §4.5.1.7.2).
func (f *filter) parseSubstrings(all *fields) error {
	f.attribute, _ = attributeOf(all.octets(idOctetString))
	list := all.sequence(idSequence)
	if all.err == nil && len(list.rest) == 0 {
		return fmt.Errorf("%w: substrings without any", errMalformed)
	}
	for i := 0; all.err == nil && len(list.rest) > 0; i++ {
		last := len(list.rest) == 1
		switch {
		case i == 0 && list.has(contextPrimitive):
			f.pieces.initial = fold(list.octets(contextPrimitive))
		case list.has(contextPrimitive | 1):
			f.pieces.any = append(f.pieces.any, fold(list.octets(contextPrimitive|1)))
		case last && list.has(contextPrimitive|2):
			f.pieces.final = fold(list.octets(contextPrimitive | 2))
		default:
			return fmt.Errorf("%w: substrings out of order", errMalformed)
		}
	}
	return all.err
}

// mails returns the mail values one of which every entry has that the filter
// matches; false if there are others.
func (f *filter) mails() ([]string, bool) {
	switch f.kind {
	case kindEqual:
		return []string{f.value}, f.attribute == attrMail
	case kindAnd:
		return f.mailsOfAnd()
	case kindOr:
		var all []string
		for _, inner := range f.of {
			some, pinned := inner.mails()
			if !pinned {
				return nil, false
			}
			all = append(all, some...)
		}
		return all, true
	}
	return nil, false
}

// mailsOfAnd takes the shortest list, for each of them is enough.
func (f *filter) mailsOfAnd() ([]string, bool) {
	var least []string
	found := false
	for _, inner := range f.of {
		some, pinned := inner.mails()
		if pinned && (!found || len(some) < len(least)) {
			least, found = some, true
		}
	}
	return least, found
}

// within reports whether the pieces are in a value, in order and without
// overlap.
func (p *pieces) within(value string) bool {
	rest, ok := strings.CutPrefix(value, p.initial)
	if !ok {
		return false
	}
	rest, ok = strings.CutSuffix(rest, p.final)
	if !ok {
		return false
	}
	for _, piece := range p.any {
		_, rest, ok = strings.Cut(rest, piece)
		if !ok {
			return false
		}
	}
	return true
}
