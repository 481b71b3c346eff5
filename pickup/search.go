package pickup

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// Search finds messages (RFC 9051 §6.4.4). What can be decided without the
// body is decided first.
func (s *session) Search(kind imapserver.NumKind, c *imap.SearchCriteria, o *imap.SearchOptions) (*imap.SearchData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected()
	if err != nil {
		return nil, err
	}
	found, err := s.search(v, c)
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
	return v.searchData(found, kind), nil
}

func (s *session) search(v *view, c *imap.SearchCriteria) ([]int, error) {
	left := maxCriteria
	err := checkCriteria(c, 0, &left)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.server.options.Search)
	defer cancel()
	if n := v.present(); n > 0 && readsText(c) {
		err = v.box.Searching(ctx, n)
		if err != nil {
			return nil, err
		}
	}
	crit := v.compile(c)
	a := &ahead{ctx: ctx, view: v, log: s.log}
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
		ok, err := m.matches(crit)
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

// checkCriteria counts criteria, for they nest.
func checkCriteria(c *imap.SearchCriteria, depth int, left *int) error {
	*left -= 1 + len(c.SeqNum) + len(c.UID) + len(c.Header) + len(c.Body) + len(c.Text) + len(c.Flag) + len(c.NotFlag)
	if *left < 0 || depth > maxCriteriaDepth {
		return fmt.Errorf("%w: too many search criteria", ErrLimit)
	}
	for i := range c.Not {
		err := checkCriteria(&c.Not[i], depth+1, left)
		if err != nil {
			return err
		}
	}
	for i := range c.Or {
		for k := range c.Or[i] {
			err := checkCriteria(&c.Or[i][k], depth+1, left)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// readsText reports whether criteria look into bodies.
func readsText(c *imap.SearchCriteria) bool {
	if len(c.Body) > 0 || len(c.Text) > 0 {
		return true
	}
	for i := range c.Not {
		if readsText(&c.Not[i]) {
			return true
		}
	}
	for i := range c.Or {
		if readsText(&c.Or[i][0]) || readsText(&c.Or[i][1]) {
			return true
		}
	}
	return false
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

// Criteria with their sets resolved once.
type criteria struct {
	*imap.SearchCriteria
	sets []map[int]struct{}
	text [][]byte // in lower case
	body [][]byte
	not  []*criteria
	or   [][2]*criteria
}

func (v *view) compile(c *imap.SearchCriteria) *criteria {
	out := &criteria{SearchCriteria: c, text: lowered(c.Text), body: lowered(c.Body)}
	for _, set := range c.SeqNum {
		out.sets = append(out.sets, toSet(v.resolve(set)))
	}
	for _, set := range c.UID {
		out.sets = append(out.sets, toSet(v.resolve(set)))
	}
	for i := range c.Not {
		out.not = append(out.not, v.compile(&c.Not[i]))
	}
	for i := range c.Or {
		out.or = append(out.or, [2]*criteria{v.compile(&c.Or[i][0]), v.compile(&c.Or[i][1])})
	}
	return out
}

func toSet(positions []int) map[int]struct{} {
	set := make(map[int]struct{}, len(positions))
	for _, i := range positions {
		set[i] = struct{}{}
	}
	return set
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

func (m *searched) matches(c *criteria) (bool, error) {
	if !m.matchesEntry(c) {
		return false, nil
	}
	for _, check := range []func(*criteria) (bool, error){m.matchesNested, m.matchesHeader, m.matchesText} {
		ok, err := check(c)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// matchesEntry decides what the listing knows.
func (m *searched) matchesEntry(c *criteria) bool {
	e := &m.view.entries[m.position]
	for _, set := range c.sets {
		if _, ok := set[m.position]; !ok {
			return false
		}
	}
	for _, f := range c.Flag {
		if !hasFlag(e.Flags, string(f)) {
			return false
		}
	}
	for _, f := range c.NotFlag {
		if hasFlag(e.Flags, string(f)) {
			return false
		}
	}
	return inDays(e.Received, c.Since, c.Before) &&
		(c.Larger == 0 || e.Size > c.Larger) &&
		(c.Smaller == 0 || e.Size < c.Smaller)
}

// inDays compares dates without time and zone (RFC 9051 §6.4.4).
func inDays(t, since, before time.Time) bool {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return (since.IsZero() || !day.Before(since)) && (before.IsZero() || day.Before(before))
}

func (m *searched) matchesNested(c *criteria) (bool, error) {
	for _, n := range c.not {
		ok, err := m.matches(n)
		if err != nil || ok {
			return false, err
		}
	}
	for _, or := range c.or {
		ok, err := m.matches(or[0])
		if err == nil && !ok {
			ok, err = m.matches(or[1])
		}
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// open makes the message ready once. Its body is opened where it is looked into.
func (m *searched) open() *message {
	if m.msg == nil {
		m.msg = m.next(m.position, &m.parsed)
	}
	return m.msg
}

func (m *searched) header() (*mime.Header, error) {
	if m.head != nil {
		return m.head, nil
	}
	var err error
	m.head, err = m.open().topHeader()
	return m.head, err
}

func (m *searched) matchesHeader(c *criteria) (bool, error) {
	if len(c.Header) == 0 && c.SentSince.IsZero() && c.SentBefore.IsZero() {
		return true, nil
	}
	h, err := m.header()
	if err != nil {
		return false, err
	}
	for _, f := range c.Header {
		if !matchesField(h, f.Key, strings.ToLower(f.Value)) {
			return false, nil
		}
	}
	if c.SentSince.IsZero() && c.SentBefore.IsZero() {
		return true, nil
	}
	sent := date(h)
	return !sent.IsZero() && inDays(sent, c.SentSince, c.SentBefore), nil
}

// matchesField looks for text in a field; empty text asks whether there is one.
func matchesField(h *mime.Header, name, want string) bool {
	for _, v := range h.Values(name) {
		if strings.Contains(strings.ToLower(v), want) {
			return true
		}
	}
	return false
}
