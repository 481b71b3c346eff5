package pickup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"postern/mime"
)

// Bounds on the criteria of one SEARCH.
const (
	maxCriteria      = 256
	maxCriteriaDepth = 32
)

// Search finds messages (RFC 9051 §6.4.4): what the front read of the command, and not
// what the library was told. What can be decided without the body is decided first.
func (s *session) Search(kind imapserver.NumKind, _ *imap.SearchCriteria, o *imap.SearchOptions) (*imap.SearchData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected()
	if err != nil {
		return nil, err
	}
	if s.asked.search == nil { // a command that was too long for the front
		return nil, no(imap.ResponseCodeLimit, "Too many search criteria")
	}
	found, err := s.search(v, s.asked.search)
	if err != nil {
		if o.ReturnSave {
			v.saved = nil // RFC 9051 §6.4.4.1
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, no(imap.ResponseCodeLimit, "The search takes too long")
		}
		return nil, s.reply("search", err)
	}
	if o.ReturnSave {
		v.saved = v.uids(toSave(found, o))
	}
	if s.asked.savedAlone { // RFC 9051 §6.4.4: no ESEARCH, which is short now, and dropped
		s.front.amend(amendment{begins: "* ESEARCH", change: func([]byte) []byte { return nil }})
		return v.searchData(nil, kind), nil
	}
	if s.asked.search.has(keyModSeq) {
		s.tellFoundModSeq(v, found)
	}
	return v.searchData(found, kind), nil
}

// tellFoundModSeq has the response say the highest sequence of what was found (RFC 7162
// §3.1.5, §3.1.10).
func (s *session) tellFoundModSeq(v *view, found []int) {
	highest := uint64(0)
	for _, i := range found {
		highest = max(highest, v.entries[i].ModSeq)
	}
	if highest > 0 {
		s.front.amend(amendment{begins: "* SEARCH", tail: fmt.Sprintf(" (MODSEQ %d)", highest)})
		s.front.amend(amendment{begins: "* ESEARCH", tail: fmt.Sprintf(" MODSEQ %d", highest)})
	}
}

// errHungUp says that nobody waits for the answer any more.
var errHungUp = errors.New("the client has hung up")

// search looks through a view, as long as that may take and somebody waits for it.
func (s *session) search(v *view, k *searchKey) ([]int, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.server.options.Search)
	defer cancel()
	defer context.AfterFunc(s.server.shutting, cancel)() // nobody's stop waits for a search
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s.server.spawn(func() { s.net.Watch(ctx, func() { end(errHungUp) }) })
	found, err := s.searchWithin(ctx, v, k)
	if err != nil && errors.Is(context.Cause(ctx), errHungUp) {
		return nil, errHungUp
	}
	return found, err
}

func (s *session) searchWithin(ctx context.Context, v *view, k *searchKey) ([]int, error) {
	if n := v.present(); n > 0 && (k.has(keyBody) || k.has(keyText)) {
		err := v.box.Searching(ctx, n)
		if err != nil {
			return nil, err
		}
	}
	v.compile(k, sync.OnceValue(v.savedSpans))
	t := &turn{ctx: ctx, take: v.box.Turn}
	defer t.end()
	a := &ahead{ctx: ctx, view: v, log: s.log, turn: t}
	defer a.keep()
	var found []int
	for i := range v.entries {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if v.entries[i].gone {
			continue
		}
		m := &searched{ahead: a, position: i}
		ok, err := m.matches(k)
		if errors.Is(err, ErrNoMessage) {
			continue // another session removed it
		}
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, i)
		}
	}
	return found, nil
}

// compile makes a key ready for messages of the view: sets become positions, texts are
// folded, and what is cheap comes first.
func (v *view) compile(k *searchKey, saved func() []span) {
	if k.set != nil {
		if imap.IsSearchRes(k.set) {
			k.spans = saved()
		} else {
			k.spans = merged(v.spans(k.set))
		}
	}
	k.fold = fold(nil, []byte(k.text))
	for i := range k.keys {
		v.compile(&k.keys[i], saved)
	}
	if k.kind != keyNot {
		slices.SortStableFunc(k.keys, func(a, b searchKey) int { return a.cost() - b.cost() })
	}
}

// savedSpans is "$", made once a search.
func (v *view) savedSpans() []span {
	var out []span
	for _, i := range v.positions(v.saved) {
		out = append(out, span{i, i + 1})
	}
	return merged(out)
}

// merged joins what touches, in order.
func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
		} else if s.from < s.to {
			out = append(out, s)
		}
	}
	return out
}

func within(spans []span, position int) bool {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].to > position })
	return i < len(spans) && spans[i].from <= position
}

// present is how many messages there are.
func (v *view) present() (n int) {
	for i := range v.entries {
		if !v.entries[i].gone {
			n++
		}
	}
	return n
}

// toSave is what "$" stands for after RETURN (SAVE …): with only MIN and MAX,
// only these (RFC 9051 §6.4.4.4).
func toSave(found []int, o *imap.SearchOptions) []int {
	if len(found) == 0 || o.ReturnAll || o.ReturnCount {
		return found
	}
	var out []int
	if o.ReturnMin {
		out = append(out, found[0])
	}
	if last := found[len(found)-1]; o.ReturnMax && (len(out) == 0 || out[0] != last) {
		out = append(out, last)
	}
	return out
}

func (v *view) searchData(found []int, kind imapserver.NumKind) *imap.SearchData {
	data := &imap.SearchData{Count: uint32(len(found))}
	var seqs imap.SeqSet
	var uids imap.UIDSet
	number := func(i int) uint32 {
		if kind == imapserver.NumKindUID {
			return v.entries[i].UID
		}
		return uint32(i + 1)
	}
	for _, i := range found {
		if kind == imapserver.NumKindUID {
			uids.AddNum(imap.UID(number(i)))
		} else {
			seqs.AddNum(number(i))
		}
	}
	if len(found) > 0 {
		data.Min, data.Max = number(found[0]), number(found[len(found)-1])
	}
	data.All = seqs
	if kind == imapserver.NumKindUID {
		data.All = uids
	}
	return data
}

// A searched message opens its body when a criterion needs it.
type searched struct {
	*ahead
	position int
	msg      *message
	head     *mime.Header
	parsed   parsedBody
}

func (m *searched) matches(k *searchKey) (bool, error) {
	e := &m.view.entries[m.position]
	switch k.kind {
	case keyAll, keyEither, keyNot:
		return m.matchesKeys(k)
	case keySet:
		return within(k.spans, m.position), nil
	case keyFlag:
		return hasFlag(e.Flags, k.flag), nil
	case keyLarger:
		return uint64(e.Size) > k.number, nil
	case keySmaller:
		return uint64(e.Size) < k.number, nil
	case keyModSeq:
		return e.ModSeq >= k.number, nil
	case keyReceived:
		return inDays(e.Received, k.since, k.before), nil
	case keySent, keyHeader:
		return m.matchesHeader(k)
	}
	return m.matchesText(k)
}

func (m *searched) matchesKeys(k *searchKey) (bool, error) {
	for i := range k.keys {
		ok, err := m.matches(&k.keys[i])
		if err != nil {
			return false, err
		}
		if k.kind == keyNot {
			return !ok, nil
		}
		if ok == (k.kind == keyEither) {
			return ok, nil
		}
	}
	return k.kind == keyAll, nil
}

// inDays compares dates without time and zone (RFC 9051 §6.4.4).
func inDays(t, since, before time.Time) bool {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

// open makes the message ready once, when it is its turn. Its body is opened where it is
// looked into.
func (m *searched) open() (*message, error) {
	err := m.turn.hold()
	if err == nil && m.msg == nil {
		m.msg = m.next(m.position, &m.parsed)
	}
	return m.msg, err
}

func (m *searched) header() (*mime.Header, error) {
	if m.head != nil {
		return m.head, nil
	}
	msg, err := m.open()
	if err != nil {
		return nil, err
	}
	m.head, err = msg.topHeader()
	return m.head, err
}

func (m *searched) matchesHeader(k *searchKey) (bool, error) {
	h, err := m.header()
	if err != nil {
		return false, err
	}
	if k.kind == keySent {
		sent := date(h)
		return !sent.IsZero() && inDays(sent, k.since, k.before), nil
	}
	for _, v := range h.Values(k.field) {
		if holds(v, k.fold) {
			return true, nil
		}
	}
	return false, nil
}

// holds looks for text in the value of a field, as people read it and as it stands there.
// Empty text is in every field.
func holds(value string, want []byte) bool {
	return bytes.Contains(fold(nil, []byte(mime.DecodeText(value))), want) ||
		bytes.Contains(fold(nil, []byte(value)), want)
}
