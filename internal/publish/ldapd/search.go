package ldapd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// Bounds on one search.
const (
	maxMails   = 32              // addresses that it may name
	maxAnswer  = 1 << 20         // octets of the entries in all
	sourceTime = 5 * time.Second // in which we have to know what is published
)

// A scope says how far below its base a search looks (RFC 4511 §4.5.1.2).
type scope int32

const (
	scopeBase    scope = 0
	scopeOne     scope = 1
	scopeSubtree scope = 2
)

// A search is a SearchRequest (RFC 4511 §4.5.1). Aliases are not dereferenced,
// for there are none.
type search struct {
	base      string
	scope     scope
	sizeLimit int32 // 0 for none
	timeLimit int32 // seconds; 0 for none
	typesOnly bool
	filter    *filter
	selection *selection
}

// parseSearch reads a request that isRequest let through.
func parseSearch(p *ber.Packet) (*search, error) {
	f := fieldsOf(p, application(opSearch))
	q := &search{base: f.octets(idOctetString), scope: scope(f.integer(idEnumerated))}
	deref := f.integer(idEnumerated)
	q.sizeLimit, q.timeLimit = f.integer(idInteger), f.integer(idInteger)
	q.typesOnly = f.boolean()
	condition := f.next()
	list := f.sequence(idSequence)
	var attributes []string
	for f.err == nil && list.err == nil && len(list.rest) > 0 {
		attributes = append(attributes, list.octets(idOctetString))
	}
	err := errors.Join(f.err, list.err)
	if err != nil {
		return nil, err
	}
	if q.scope > scopeSubtree || deref > 3 {
		return nil, fmt.Errorf("%w: an unknown scope or way with aliases", errMalformed)
	}
	q.selection = newSelection(attributes)
	q.filter, err = parseFilter(condition)
	return q, err
}

// search answers a SearchRequest.
func (s *session) search(ctx context.Context, m *message) []byte {
	q, err := parseSearch(m.request)
	if err != nil {
		return encodeResult(m.id, tagSearchDone, result{protocolError, "the search makes no sense"})
	}
	found, r := s.find(ctx, q)
	return s.encodeFound(m.id, q, found, r)
}

// find returns the entries that a search has, and its result if they all may be
// sent.
func (s *session) find(ctx context.Context, q *search) ([]*node, result) {
	base, err := parseDN(q.base)
	if err != nil {
		return nil, result{invalidDNSyntax, "the base is not a distinguished name"}
	}
	t, r := s.tree(ctx, q.timeLimit)
	if r.code != success {
		return nil, r
	}
	candidates, r := s.candidates(t, q, base)
	return slices.DeleteFunc(candidates, func(n *node) bool {
		return q.filter.match(&n.Entry) != isTrue
	}), r
}

// tree returns the directory as it is now.
func (s *session) tree(ctx context.Context, timeLimit int32) (*tree, result) {
	wait := sourceTime
	if timeLimit > 0 {
		wait = min(wait, time.Duration(timeLimit)*time.Second)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	t, err := s.server.forest.now(ctx)
	switch {
	case err == nil:
		return t, result{}
	case timeLimit > 0 && errors.Is(err, context.DeadlineExceeded):
		return nil, result{timeLimitExceeded, ""}
	}
	s.server.opts.Log.Error("the directory cannot answer", "err", err)
	return nil, result{unavailable, "the directory cannot answer now, try again later"}
}

// candidates returns the entries that the base, the scope and the mail values of
// the filter leave. Without a mail there is only the entry that is the base.
func (s *session) candidates(t *tree, q *search, base dnKey) ([]*node, result) {
	at := t.byDN[base]
	switch {
	case base == "" && q.scope == scopeBase:
		return []*node{rootDSE(t, s.server.opts.TLS != nil)}, result{}
	case base != "" && at == nil:
		return nil, result{noSuchObject, ""}
	case q.scope == scopeBase:
		return []*node{at}, result{}
	case at != nil && len(valuesOf(&at.Entry, attrMail)) > 0: // a leaf
		if q.scope == scopeOne {
			return nil, result{}
		}
		return []*node{at}, result{}
	}
	mails, pinned := q.filter.mails()
	slices.Sort(mails)
	mails = slices.Compact(mails)
	switch {
	case !pinned:
		return nil, result{adminLimitExceeded, "this directory answers searches for exact mail values only, such as (mail=name@domain)"}
	case len(mails) > maxMails:
		return nil, result{adminLimitExceeded, "too many mail values in one search"}
	case !s.afford(len(mails) - 1):
		return nil, result{busy, "too many requests from your address, try again later"}
	}
	return t.withMail(mails, base, q.scope), result{}
}

// withMail returns the entries with one of the mail values, in a scope that is
// not the base.
func (t *tree) withMail(mails []string, base dnKey, within scope) []*node {
	var all []*node
	for _, m := range mails {
		for _, n := range t.byMail[m] {
			if n.key.under(base) && n.key != base && (within == scopeSubtree || n.key.depth() == base.depth()+1) {
				all = append(all, n)
			}
		}
	}
	return all
}

// encodeFound writes the entries up to the limits, and the result.
func (s *session) encodeFound(id int32, q *search, found []*node, r result) []byte {
	var out []byte
	for i, n := range found {
		if q.sizeLimit > 0 && i == int(q.sizeLimit) {
			r = result{sizeLimitExceeded, ""}
			break
		}
		entry := encodeEntry(id, &n.Entry, q.selection, q.typesOnly)
		if len(out)+len(entry) > maxAnswer {
			r = result{adminLimitExceeded, "the answer is too large"}
			break
		}
		out = append(out, entry...)
		s.server.stats.entries.Add(1)
	}
	return append(out, encodeResult(id, tagSearchDone, r)...)
}
